"""Whether anything reached Done since a moment: asked of Labelbox itself, because a webhook may be lost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from config.settings import load_settings
from labelsnap.labelbox.export import ExportRequest, split_lists, totals, wait
from labelsnap.labelbox.starting import start
from tasks.machines.environment import labelbox
from tasks.run.exports import cancel_export

if TYPE_CHECKING:
    from config.dataset import Dataset
    from config.sources import Asked


def done_since(dataset: Dataset, since: datetime) -> int:
    """How many rows are Done and had activity since then: exports without details, of which no row is fetched.

    Each project among its sources is asked.
    """
    return sum(_done_since(dataset, each, since) for each in dataset.asked if each.kind == "project")


def _done_since(dataset: Dataset, asked: Asked, since: datetime) -> int:
    """The same of one project; none without asking where its own range of activity ended before that."""
    settings = load_settings()
    own = asked.filters
    begins, ends = own.last_activity_at
    earliest = max(since.astimezone(UTC).replace(microsecond=0), begins or since)
    if ends is not None and ends < earliest:
        return 0
    client = labelbox(settings)
    filters = own.model_copy(update={"workflow_status": "Done", "last_activity_at": (earliest, ends)}).for_labelbox()
    request = ExportRequest(kind="project", source_id=asked.id, params={}, filters=filters)
    rows = 0
    for part in split_lists(request):
        task_id = start(client, part, name=f"labelsnap poll {dataset.dataset} {uuid4().hex}")
        try:
            wait(client, task_id, timeout=settings.export_timeout, poll_interval=settings.poll_interval)
        except BaseException:
            cancel_export(client, task_id)
            raise
        rows += totals(client, task_id, "RESULT").lines
    return rows
