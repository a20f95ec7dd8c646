"""Export → masks → convert → publish: one dataset, one new snapshot, or none when nothing changed."""

from __future__ import annotations

from typing import Any

from prefect import flow, runtime

from config.dataset import Dataset
from flows.assembly import assembled
from tasks.steps.export import fetch_stream, start_exports, wait_for_exports
from tasks.steps.hints import note_exported
from tasks.steps.stopwatch import Stopwatch
from tasks.steps.undertaking import undertaken
from tasks.storage import open_store


@flow(name="refresh", flow_run_name="refresh {dataset.dataset}", persist_result=False)
def refresh(dataset: Dataset) -> dict[str, Any]:
    """Publish what Labelbox holds now as the dataset's next version; give back the result (see the README)."""
    with undertaken(dataset, str(runtime.flow_run.id)) as preparation:
        run, base, watch = preparation.run, preparation.base, Stopwatch()
        exports = start_exports(dataset, run)
        wait_for_exports(exports)
        numbered = tuple(enumerate(exports.ids))
        results = tuple(fetch_stream(dataset, run, base, number, task_id, "RESULT") for number, task_id in numbered)
        errors = tuple(fetch_stream(dataset, run, base, number, task_id, "ERRORS") for number, task_id in numbered)
        result = assembled(dataset, preparation, results, errors, watch)
    note_exported(open_store(dataset.url), preparation.started_at)
    return result
