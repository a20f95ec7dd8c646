"""After a run: versions that the dataset file keeps no longer expire, and what no version has is deleted."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from config.dataset import Dataset, Keep
from labelsnap.errors import LabelsnapError
from labelsnap.redaction import without_secrets
from labelsnap.snapshots.keeping.expire import expire
from labelsnap.snapshots.keeping.gc import GRACE, collect
from labelsnap.storage import open_store
from tasks.telling.progress import report

log = logging.getLogger(__name__)


@task(cache_policy=NO_CACHE, persist_result=False)
def keep_house(dataset: Dataset, keep: Keep) -> dict[str, Any]:
    """Expire and collect as ``keep`` says; give back what that came to. Garbage is listed once a week.

    What the run published stands, whatever becomes of this: a refusal of the store, or somebody else who does the same
    at the same time, is told in the log and by ``error``, and the next run tries again.
    """
    store = open_store(dataset.url)
    told: dict[str, Any] = {"expired": [], "condemned": 0, "deleted": 0, "deleted_bytes": 0}
    try:
        plan, _ = expire(store, keep=keep.versions, older_than=timedelta(days=keep.days))
        told["expired"] = list(plan.expiring)
        done = collect(store, rest=GRACE, on_progress=lambda done, total: report("gc", done, total))
    except Exception as error:
        fault = error if isinstance(error, LabelsnapError) else unforeseen(error)
        log.warning("The dataset was not tidied up: %s %s", fault.message, fault.remedy, exc_info=error)
        return told | {"error": fault.described}
    return told | {
        "condemned": len(done.condemned),
        "deleted": len(done.deleted),
        "deleted_bytes": sum(entry.size for entry in done.deleted),
    }


def unforeseen(error: Exception) -> LabelsnapError:
    """The error for what no store says: a full disk, or a fault of labelsnap's own."""
    return LabelsnapError(
        f"{type(error).__name__}: {without_secrets(str(error))}",
        remedy="The next run tries again; if it happens again, please report it with the run's log.",
        code="unforeseen",
    )
