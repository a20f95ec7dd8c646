"""Export → masks → convert → publish: one dataset, one new snapshot, or none when nothing changed."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from prefect import flow, runtime

from config.dataset import Dataset
from config.settings import load_settings
from tasks.records.splits import SPLITS
from tasks.steps.buckets import build_bucket, group_rows
from tasks.steps.describe import describe
from tasks.steps.export import fetch_stream, start_exports, wait_for_exports
from tasks.steps.formats import write_format
from tasks.steps.hints import note_exported
from tasks.steps.progress import counted
from tasks.steps.publish import publish
from tasks.steps.result import final, summary
from tasks.steps.settle import settle
from tasks.steps.stopwatch import Stopwatch
from tasks.steps.undertaking import undertaken
from tasks.steps.window import windowed
from tasks.storage import open_store

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture

    from tasks.buckets.receipt import BucketInput, BucketReceipt
    from tasks.steps.formats import FormatReceipt
    from tasks.steps.prepare import Preparation


@flow(name="refresh", flow_run_name="refresh {dataset.dataset}", persist_result=False)
def refresh(dataset: Dataset) -> dict[str, Any]:
    """Publish what Labelbox holds now as the dataset's next version; give back the result (see the README)."""
    with undertaken(dataset, str(runtime.flow_run.id)) as preparation:
        result = carried_out(dataset, preparation)
    note_exported(open_store(dataset.url), preparation.started_at)
    return result


def carried_out(dataset: Dataset, preparation: Preparation) -> dict[str, Any]:
    """The refresh itself, on a dataset that is this run's own."""
    run, base = preparation.run, preparation.base
    side_by_side = load_settings().workers
    watch = Stopwatch()

    exports = start_exports(dataset, run)
    wait_for_exports(exports)
    results = tuple(fetch_stream(dataset, run, i, task_id, "RESULT") for i, task_id in enumerate(exports.ids))
    errors = tuple(fetch_stream(dataset, run, i, task_id, "ERRORS") for i, task_id in enumerate(exports.ids))
    buckets = group_rows(dataset, run, results, errors, base)
    watch.lap("export")

    def build(bucket: BucketInput) -> PrefectFuture[BucketReceipt]:
        return build_bucket.submit(dataset, run, bucket)

    built = windowed(build, buckets.inputs, side_by_side)
    receipts = tuple(counted("rows", built, buckets.lines, rows_of))
    settlement = settle(dataset, base, buckets.lines, receipts)
    watch.lap("fetch")

    def write(part: tuple[str, str]) -> PrefectFuture[FormatReceipt]:
        name, split = part
        return write_format.submit(dataset, name, split, settlement.tables, settlement.registry, base)

    parts = tuple(product(dataset.formats, SPLITS))
    formats = tuple(counted("files", windowed(write, parts, side_by_side), len(parts)))
    formats = (*formats, describe(dataset, settlement, formats, preparation.base))
    watch.lap("convert")

    result = summary(dataset, settlement, results, errors, formats, watch.seconds)
    publication = publish(dataset, preparation, settlement, (*results, *errors), formats, result)
    watch.lap("publish")
    return final(dataset, result, publication, preparation, watch.seconds)


def rows_of(receipt: BucketReceipt) -> int:
    """How many rows of the export a bucket accounts for."""
    return receipt.tally.rows
