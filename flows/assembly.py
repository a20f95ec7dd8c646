"""What every flow that publishes has in common: streams of lines, an ontology → buckets → formats → one snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from config.settings import load_settings
from flows.conversion import converted
from tasks.buckets import build_bucket, group_rows
from tasks.describe import describe
from tasks.formats.unwritable import WRITINGS, check_writings, failed_at, without
from tasks.housekeeping import keep_house
from tasks.machines.here import here_of
from tasks.machines.window import windowed
from tasks.publish import publish
from tasks.run.outlived import check_urls_lived
from tasks.run.result import final, summary
from tasks.settle import settle
from tasks.telling.artifacts import advancing, show_result
from tasks.telling.progress import counted

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture

    from config.dataset import Dataset
    from labelsnap.buckets.receipt import BucketInput, BucketReceipt
    from tasks.run.beginning import Beginning
    from tasks.run.receipts import Exported
    from tasks.telling.stopwatch import Stopwatch


def assembled(dataset: Dataset, beginning: Beginning, exported: Exported, watch: Stopwatch) -> dict[str, Any]:
    """Publish what was exported, as part of a flow run; give back the result (see README.md)."""
    results, errors, ontology, origin = exported.results, exported.errors, exported.ontology, exported.origin
    run, base = beginning.run, beginning.base.version
    side_by_side = load_settings().workers
    buckets = group_rows(dataset, run, results, errors, beginning.base, origin)
    watch.lap("export")

    def build(bucket: BucketInput) -> PrefectFuture[BucketReceipt]:
        return build_bucket.submit(dataset, run, bucket, beginning.looking_since, origin)

    built = windowed(build, buckets.inputs, side_by_side)
    shown = advancing(dataset, counted("rows", built, buckets.lines, rows_of), buckets.lines, rows_of)
    receipts = {receipt.index: receipt for receipt in shown}
    unwritable: dict[str, str] = {}
    for writing in range(1, WRITINGS + 1):
        settlement = settle(
            dataset, beginning.base, buckets.lines, tuple(receipts.values()), buckets.not_in_range, ontology
        )
        check_urls_lived(dataset, beginning, settlement)
        watch.lap("fetch")
        formats = converted(dataset, run, settlement, side_by_side)
        watch.lap("convert")
        if not (found := failed_at(formats)):
            break
        check_writings(writing, formats)
        unwritable |= found
        here_of(dataset.url).settle()
        again = windowed(build, without(buckets.inputs, found, unwritable), side_by_side)
        receipts |= {receipt.index: receipt for receipt in again}
    formats = (*formats, describe(dataset, settlement, formats, base))
    watch.lap("convert")

    result = summary(dataset, settlement, exported, formats, watch.seconds)
    here_of(dataset.url).settle()
    publication = publish(dataset, beginning, settlement, (*results, *errors), formats, result)
    watch.lap("publish")
    tidied = {"keep": keep_house(dataset, dataset.keep)} if dataset.keep else {}
    whole = final(dataset, result, publication, beginning, watch.seconds) | tidied
    show_result(dataset, whole)
    return whole


def rows_of(receipt: BucketReceipt) -> int:
    """How many rows of the export a bucket accounts for."""
    return receipt.tally.rows
