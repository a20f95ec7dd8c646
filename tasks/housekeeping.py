"""After a run: versions that the dataset file keeps no longer expire, and what no version has is deleted."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from config.dataset import Dataset, Keep
from labelsnap.errors import StorageError
from labelsnap.snapshots.keeping.expire import expire
from labelsnap.snapshots.keeping.gc import collect
from labelsnap.storage import open_store
from tasks.telling.progress import report

log = logging.getLogger(__name__)


@task(cache_policy=NO_CACHE, persist_result=False)
def keep_house(dataset: Dataset, keep: Keep) -> dict[str, Any]:
    """Expire and collect as ``keep`` says; give back what that came to.

    What the run published stands, whatever becomes of this: a refusal of the store, or somebody else who does the same
    at the same time, is told in the log and by ``error``, and the next run tries again.
    """
    store = open_store(dataset.url)
    told: dict[str, Any] = {"expired": [], "condemned": 0, "deleted": 0, "deleted_bytes": 0}
    try:
        plan, _ = expire(store, keep=keep.versions, older_than=timedelta(days=keep.days))
        told["expired"] = list(plan.expiring)
        done = collect(store, on_progress=lambda done, total: report("gc", done, total))
    except StorageError as error:
        log.warning("The dataset was not tidied up: %s %s", error.message, error.remedy)
        return told | {"error": {"code": error.code, "message": error.message, "remedy": error.remedy}}
    return told | {
        "condemned": len(done.condemned),
        "deleted": len(done.deleted),
        "deleted_bytes": sum(entry.size for entry in done.deleted),
    }
