"""Whether a run is still wanted, asked of Prefect's server now and then, and before the step that cannot be taken back.

Prefect tells a running process of its cancellation by ending it. What it tells by is an observer in the worker, which
gives up when the server does not answer for about 25 seconds: then nobody ends the run, and only it can ask. A run that
a person typed has no worker at all.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

import httpx
from prefect import runtime
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL

from labelsnap.errors import RunStoppedError
from tasks.machines.server import SECONDS, NoServerError, ask

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE: Final = 2.0
"""Seconds between two questions before the step that cannot be taken back."""
EVERY: Final = 30.0
"""Seconds between two questions in long work."""
SHORT: Final = 2.0
"""Seconds that such a question may take."""

log = logging.getLogger(__name__)


def check_wanted(
    patience: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return while the flow run of this context may go on; outside of one there is nobody to ask.

    Raises ``RunStoppedError`` where it was cancelled, or deleted. A server that does not answer says nothing: after
    ``patience`` seconds the run goes on, with a warning.
    """
    flow_run = runtime.flow_run.id
    if flow_run is None:
        return
    deadline = clock() + patience
    told = False
    while True:
        try:
            _check_once(flow_run, SECONDS)
        except RunStoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
            if clock() >= deadline:
                log.warning(
                    "Prefect's server did not say for %.0f seconds whether the run was cancelled; it goes on.", patience
                )
                return
            if not told:
                log.warning("Prefect's server does not say whether the run was cancelled (%s); asked again.", error)
                told = True
            sleep(PAUSE)
        else:
            return


class Wanted:
    """Asks in long work, every ``EVERY`` seconds, whether the flow run that it is part of is still wanted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._flow_run = runtime.flow_run.id if PREFECT_API_URL.value() else None
        self._clock = clock
        self._next = clock() + EVERY

    def check(self) -> None:
        """Raise ``RunStoppedError`` where the run was cancelled, or deleted.

        One short question: a server that does not answer says nothing, and is asked again before the run publishes.
        """
        if self._flow_run is None or self._clock() < self._next:
            return
        try:
            _check_once(self._flow_run, SHORT)
        except RunStoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
            log.debug("Prefect's server does not say whether the run was cancelled: %s", error)
        self._next = self._clock() + EVERY


def _check_once(flow_run: str, seconds: float) -> None:
    """Raise ``RunStoppedError`` where Prefect's server says that the run was cancelled or deleted.

    Raises what ``ask`` does, and ``NoServerError``, where it says nothing of the run.
    """
    try:
        found = ask("GET", f"/flow_runs/{flow_run}", seconds=seconds)
    except httpx.HTTPStatusError as error:
        kind = error.response.headers.get("Content-Type", "")
        if error.response.status_code == httpx.codes.NOT_FOUND and kind.startswith("application/json"):
            raise cancelled("was deleted") from None  # a proxy's 404 is a page
        raise
    if not isinstance(found, dict):
        raise NoServerError("its answer is no flow run")
    state = found.get("state")
    if isinstance(state, dict) and state.get("type") in {StateType.CANCELLING, StateType.CANCELLED}:
        raise cancelled("was cancelled")


def cancelled(what: str) -> RunStoppedError:
    """The error that a run ends with of which Prefect's server says this."""
    return RunStoppedError(
        f"The flow run {what} in Prefect: nothing was published.",
        remedy="Run it again when the dataset is wanted: what was fetched is kept.",
        code="run_cancelled",
    )
