"""The runs whose processes a worker started: which live, and what becomes of one whose process ended.

Prefect's worker reports the end of one process twice, the second time over what was made of the first report; it makes
nothing of one that ended while it started; and a worker that was killed reports nothing. A process that ended between
two looks was never seen: the server knows whose run it was, because Prefect's worker labels each with its name.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from flows.again import DELAY, settled

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

PROCESSES: Final = Path("/proc")
LOOK_SECONDS: Final = 5.0
"""Between two looks at the runs whose processes ended."""
UNSEEN_SECONDS: Final = 20.0
"""Between two questions to the server, which runs of the worker crashed."""
KEPT_SECONDS: Final = 600.0
"""So long after its process ended a run is looked at; another start of it has begun long before."""
LAST_SECONDS: Final = 8.0
"""How long a worker that ends asks a server that does not answer."""
MARK: Final = "LABELSNAP_STARTED_BY"
"""The variable that tells the runs of one worker from those of others."""
RUN: Final = b"PREFECT__FLOW_RUN_ID="
TAG: Final = "labelsnap"
WORKER_LABEL: Final = "prefect.worker.name"
"""The label that Prefect's worker gives to each run before it starts its process."""
PAGE: Final = 200
"""How many runs the server gives at a time, and the most that it gives in one answer."""
CLOCKS_APART: Final = timedelta(hours=1)
"""By how much the server's clock may be behind ours."""

log = logging.getLogger(__name__)


class StartedRuns:
    """The runs of one worker, by its process id, by a mark in its and so in its runs' environment, by its name."""

    def __init__(self, worker: int, mark: str, name: str) -> None:
        self._worker = worker
        self._mark = f"{MARK}={mark}".encode()
        self._name = name
        self._living: dict[int, UUID] = {}
        self._ended: dict[UUID, float] = {}
        self._looked = self._asked = 0.0
        self._told = set[UUID | None]()
        self._since = datetime.now(UTC) - CLOCKS_APART

    def processes(self, *, gone: bool = False) -> set[int]:
        """The processes that the worker started and that live.

        With ``gone`` the worker ended: those that it started since the last look are no children of its any more.
        """
        now, children = time.monotonic(), children_of(self._worker)
        if gone:
            children |= {process for process in runs_with(self._mark) if run_of(process) not in self._ended}
        for process in children - self._living.keys():
            if run := run_of(process):
                self._living[process] = run
                self._ended.pop(run, None)
        for process, run in list(self._living.items()):
            if run_of(process) != run:
                del self._living[process]
                self._ended[run] = now
        return children | self._living.keys()

    def look_after(self, *, gone: bool = False) -> None:
        """Look now and then at the runs whose processes ended, and start again what is to be.

        With ``gone`` the worker ended, so that nobody else will report them.
        """
        now = time.monotonic()
        self._ended = {run: since for run, since in self._ended.items() if now - since < KEPT_SECONDS}
        ask = now - self._asked >= UNSEEN_SECONDS
        if ask or (self._ended and now - self._looked >= LOOK_SECONDS):
            self._looked = now
            self._settle(gone=gone, ask=ask)

    def leave(self) -> None:
        """Start again, elsewhere, all that the worker had and that nobody reports any more."""
        self.processes(gone=True)
        deadline = time.monotonic() + LAST_SECONDS
        self._ended |= dict.fromkeys(self._living.values(), time.monotonic())
        while not self._settle(gone=True, ask=True) and time.monotonic() < deadline:
            time.sleep(1)

    def _settle(self, *, gone: bool, ask: bool) -> bool:
        """Whether the server said of each what became of it; one that may have begun elsewhere is taken at its word."""
        soon = time.monotonic() - DELAY.total_seconds()
        try:
            with get_client(sync_client=True) as client:
                if ask:
                    self._ask(client, gone=gone)
                for run, since in list(self._ended.items()):
                    try:
                        ours = TAG in client.read_flow_run(run).tags
                        done = not ours or settled(client, run, gone=gone and since > soon)
                    except ObjectNotFound:
                        done = True
                    if done:
                        del self._ended[run]
        except Exception as error:  # noqa: BLE001 - a server that is away is asked again
            log.warning("Prefect's server did not say what became of %d runs: %s", len(self._ended), error)
            return False
        return True

    def _ask(self, client: SyncPrefectClient, *, gone: bool) -> None:
        """Find the runs of the worker that ended without that their process was seen; each end is told once."""
        self._asked = time.monotonic()
        since = FlowRunFilterEndTime.model_validate({"after_": self._since})
        found = _runs_in(client, StateType.CRASHED, end_time=since)
        if gone:
            found += _runs_in(client, StateType.PENDING, StateType.RUNNING)
        for run in found:
            ours = run.labels.get(WORKER_LABEL) == self._name and run.id not in self._living.values()
            if ours and run.state_id not in self._told:
                self._told.add(run.state_id)
                self._ended.setdefault(run.id, time.monotonic())


def _runs_in(
    client: SyncPrefectClient, *types: StateType, end_time: FlowRunFilterEndTime | None = None
) -> list[FlowRun]:
    """Every run of ours in states of these types."""
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types)))
    chosen = FlowRunFilter(state=state, tags=FlowRunFilterTags(all_=[TAG]), end_time=end_time)
    found: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(flow_run_filter=chosen, sort=FlowRunSort.ID_DESC, limit=PAGE, offset=len(found))
        found += page
        if len(page) < PAGE:
            return found


def run_of(process: int) -> UUID | None:
    """The flow run that a living process was started for, as Linux shows its environment."""
    with suppress(ValueError):
        for each in _environment(process):
            if each.startswith(RUN):
                return UUID(each.removeprefix(RUN).decode())
    return None


def runs_with(mark: bytes) -> set[int]:
    """The living processes of flow runs that have this in their environment, whatever became of their parents."""
    processes = {int(each.name) for each in PROCESSES.glob("[0-9]*")}
    return {process for process in processes if mark in _environment(process) and run_of(process)}


def _environment(process: int) -> list[bytes]:
    """The variables that a process was started with; none where it has ended or is another user's."""
    with suppress(OSError):
        return (PROCESSES / str(process) / "environ").read_bytes().split(b"\0")
    return []


def children_of(parent: int) -> set[int]:
    """The processes that a process has started, as Linux lists them; none on other systems."""
    children = set()
    for status in PROCESSES.glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                children.add(int(status.parent.name))
    return children
