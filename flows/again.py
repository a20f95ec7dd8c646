"""What becomes of a run whose process ended before it did: the same run is started again, a few times."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from prefect.client.orchestration import get_client
from prefect.states import AwaitingRetry

if TYPE_CHECKING:
    from prefect import Flow, State
    from prefect.client.schemas.objects import FlowRun

DELAY: Final = timedelta(seconds=60)
"""Until a run is started again: a worker that was stopped has gone then, and another has come."""
STARTS: Final = 3
"""How often one run is started in all; one that ends its process each time is given up."""

log = logging.getLogger(__name__)


def run_again(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - Prefect's signature
    """Schedule a crashed run of a deployment once more; as the same run it goes on with its export and its work.

    Prefect's own retries are of runs that failed. One that has no deployment was typed by a person, who sees it end;
    one that was being cancelled is to end.
    """
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(flow_run.id)
        if run.deployment_id is None or run.run_count >= STARTS:
            return
        if any(earlier.is_cancelling() for earlier in client.read_flow_run_states(run.id)):
            return
        again: State[Any] = AwaitingRetry(
            scheduled_time=datetime.now(UTC) + DELAY,
            message=f"The process ended; start {run.run_count + 1} of {STARTS}.",
        )
        client.set_flow_run_state(run.id, again)
    log.warning("The run's process was stopped; the run is started again in %d seconds.", DELAY.seconds)
