"""Export → masks → convert → publish: one dataset, one new snapshot, or none when nothing changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect import flow, runtime

from config.dataset import Dataset
from flows.again import run_again
from flows.assembly import assembled
from flows.runners.cluster_runner import check_workers
from labelsnap.storage import open_store
from tasks.export import fetch_stream, start_exports, wait_for_exports
from tasks.run.hints import note_exported
from tasks.run.undertaking import undertake
from tasks.telling.stopwatch import Stopwatch

if TYPE_CHECKING:
    from tasks.run.beginning import Beginning


@flow(name="refresh", flow_run_name="refresh {dataset.dataset}", persist_result=False, on_crashed=[run_again])
def refresh(dataset: Dataset) -> dict[str, Any]:
    """Publish what Labelbox holds when it is started, or later, as the next version; give back the result."""

    def work(beginning: Beginning) -> dict[str, Any]:
        run, base, watch = beginning.run, beginning.base.version, Stopwatch()
        exports = start_exports(dataset, run)
        created = wait_for_exports(exports)
        numbered = tuple(enumerate(exports.ids))
        results = tuple(fetch_stream(dataset, run, base, number, task_id, "RESULT") for number, task_id in numbered)
        errors = tuple(fetch_stream(dataset, run, base, number, task_id, "ERRORS") for number, task_id in numbered)
        result = assembled(dataset, beginning, results, errors, watch)
        note_exported(open_store(dataset.url), dataset, created or beginning.exported_since)
        return result

    check_workers(dataset)
    return undertake(dataset, str(runtime.flow_run.id), work)
