"""Whether anything reached Done since a moment: asked of Labelbox itself, because a webhook may be lost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from config.settings import load_settings
from tasks.labelbox.client import connect
from tasks.labelbox.export import ExportRequest, start, totals, wait
from tasks.steps.environment import account

if TYPE_CHECKING:
    from config.dataset import Dataset


def done_since(dataset: Dataset, since: datetime) -> int:
    """How many rows are Done and had activity since then: an export without details, of which no row is fetched."""
    settings = load_settings()
    client = connect(account(settings))
    own = dataset.filters
    earliest = max(since.astimezone(UTC).replace(microsecond=0), own.last_activity_at[0] or since)
    filters = own.model_copy(
        update={"workflow_status": "Done", "last_activity_at": (earliest, own.last_activity_at[1])}
    ).for_labelbox()
    request = ExportRequest(kind="project", source_id=dataset.source.id, params={}, filters=filters)
    task_id = start(client, request, name=f"labelsnap poll {dataset.dataset}")
    wait(client, task_id, timeout=settings.export_timeout, poll_interval=settings.poll_interval)
    return totals(client, task_id, "RESULT").lines
