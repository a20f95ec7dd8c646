"""What the server keeps that Prefect starts for a command by itself: the newest runs of labelsnap's flows, no more.

Such a server ends with the command, and cleans up nothing but events, which it keeps for a week.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, FlowFilter, FlowFilterName
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.settings import PREFECT_API_URL

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

FLOWS: Final = ("refresh", "backfill", "reprocess")
KEPT: Final = 100
"""How many runs stay: half a megabyte each."""
LONGEST: Final = timedelta(days=30)
"""No run lasts so long: one that has not ended by then was killed."""
AT_ONCE: Final = 20
"""How many older ones go with a command, so that what gathered before this is gone after some."""

log = logging.getLogger(__name__)


def trim_own_records() -> None:
    """Delete older runs from the database of a server of one's own; one that settings name is its operator's.

    What fails of it is told in the log: the next command does it.
    """
    if PREFECT_API_URL.value():
        return
    with get_client(sync_client=True) as client:  # a server that does not start is told as for the run
        try:
            trim(client)
        except (PrefectException, httpx.HTTPError) as error:
            log.warning("Older runs stay in Prefect's own database: %s", error)


def trim(client: SyncPrefectClient, *, kept: int = KEPT, at_once: int = AT_ONCE) -> int:
    """Delete runs of labelsnap's flows that have ended and are not among the newest ``kept``; return how many."""
    long_ago = datetime.now(UTC) - LONGEST
    older = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[*FLOWS])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        offset=kept,
        limit=at_once,
    )
    ended = [run.id for run in older if (run.state and run.state.is_final()) or (run.created or long_ago) < long_ago]
    for run in ended:
        of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
        for artifact in client.read_artifacts(artifact_filter=of_run):  # the server deletes logs with a run, not these
            if artifact.id is not None:
                with suppress(ObjectNotFound):  # another command's server has the same database, and deletes, too
                    client.delete_artifact(artifact.id)
        with suppress(ObjectNotFound):
            client.delete_flow_run(run)
    return len(ended)
