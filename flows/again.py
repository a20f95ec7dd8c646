"""What becomes of a run whose process ended before it did: the same run is started again, a few times."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from prefect.client.orchestration import get_client
from prefect.states import AwaitingRetry

from config.dataset import Dataset
from labelsnap.storage import open_store
from tasks.run.exports import cancel_exports
from tasks.run.ledger import Ledger
from tasks.run.unfinished import recall_left

if TYPE_CHECKING:
    from uuid import UUID

    from prefect import Flow, State
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

DELAY: Final = timedelta(seconds=60)
"""Until a run is started again: a worker that was stopped has gone then, and another has come."""
STARTS: Final = 3
"""How often one run is started in all; one that ends its process each time is given up."""

log = logging.getLogger(__name__)


def run_again(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Schedule a crashed run of a deployment once more; as the same run it goes on with its export and its work.

    Prefect's own retries are of runs that failed. One that has no deployment was typed by a person, who sees it end;
    one that was being cancelled is to end. Prefect's worker may report the same end once more after this:
    ``labelsnap worker`` looks after that.
    """
    with get_client(sync_client=True) as client:
        if not settled(client, flow_run.id):
            log.warning("The run's process was stopped; the run is started again in %d seconds.", DELAY.seconds)
        elif flow_run.deployment_id:
            end_exports(flow, flow_run, state)


def end_exports(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - Prefect's signature
    """Cancel the exports of a run that does not go on, and whose process was ended before it could do so itself."""
    dataset = Dataset.model_validate(flow_run.parameters["dataset"])
    store = open_store(dataset.url)
    left = recall_left(store, dataset)
    if left and left.beginning.cause == str(flow_run.id) and not left.published:
        cancel_exports(Ledger(store, left.beginning.run))


LEFT_TO_ITSELF: Final[dict[str, Any]] = {
    "persist_result": False,
    "on_crashed": [run_again],
    "on_cancellation": [end_exports],
}
"""Options of every flow that publishes: what becomes of a run whose process did not end it."""


def settled(client: SyncPrefectClient, run_id: UUID, *, gone: bool = False) -> bool:
    """Whether a run whose process ended is done with: it has ended for good. Schedule it once more where it is to be.

    With ``gone`` there is nobody who would report how it ended, so that *Pending* and *Running* are an end, too.
    """
    run = client.read_flow_run(run_id)
    if run.state is None or run.state.is_scheduled():
        return False
    if not run.state.is_crashed() and not (gone and (run.state.is_pending() or run.state.is_running())):
        return run.state.is_final()
    states = sorted(client.read_flow_run_states(run_id), key=lambda each: each.timestamp)
    starts = _starts_in(states)
    if run.deployment_id is None or starts >= STARTS or any(each.is_cancelling() for each in states):
        return True
    again: State[Any] = AwaitingRetry(
        scheduled_time=datetime.now(UTC) + DELAY, message=f"The process ended; start {starts + 1} of {STARTS}."
    )
    client.set_flow_run_state(run_id, again)
    return False


def _starts_in(states: list[State[Any]]) -> int:
    """How many processes the run had, also those that ended before it ran; Prefect counts its retries in one, too."""
    return sum(_begins(before, now) for before, now in pairwise(states))


def _begins(before: State[Any], now: State[Any]) -> bool:
    """Whether a process began between two states: a worker's is *Pending* first."""
    goes_on = before.is_pending() or before.is_running() or before.is_paused() or before.name == AwaitingRetry().name
    return (now.is_pending() and not before.is_pending()) or (now.is_running() and not goes_on)
