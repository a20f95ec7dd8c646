"""Years of history, window by window → one snapshot: rows of the range are added to the base's, or replace them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from prefect import flow, runtime

from config.dataset import Dataset
from config.settings import load_settings
from flows.again import LEFT_TO_ITSELF
from flows.assembly import assembled
from flows.commands.options import MAX_WINDOWS
from flows.runners.cluster_runner import check_workers
from labelsnap.errors import ConfigurationError
from labelsnap.records.lines.moments import By
from tasks.formats.named import check_named_classes
from tasks.kept import keep_streams
from tasks.machines.beside import beside
from tasks.machines.window import windowed
from tasks.ontology import fetch_ontology
from tasks.run.receipts import Exported
from tasks.run.span import Span
from tasks.run.undertaking import undertake
from tasks.telling.artifacts import show_table
from tasks.telling.progress import counted
from tasks.telling.stopwatch import Stopwatch
from tasks.windows import Window, WindowReceipt, cut, export_window, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prefect.futures import PrefectFuture

    from tasks.run.beginning import Beginning


@flow(name="backfill", flow_run_name="backfill {dataset.dataset}", **LEFT_TO_ITSELF)
def backfill(
    dataset: Dataset, start: datetime, end: datetime, every: timedelta, by: By = "last_activity_at"
) -> dict[str, Any]:
    """Publish the rows from ``start`` (in) to ``end`` (out) beside those that the newest version has.

    A retry of a run that was killed keeps the windows that are here; any other run of the same dataset file asks
    for an export of its own, and takes over what was fetched.
    Raises ``ConfigurationError`` for a model run, a range that is none, and windows that are too small or too many.
    """
    start, end = in_utc(start), in_utc(end)
    windows = tuple(cut(start, end, check_range(dataset, start, end, every)))

    def work(beginning: Beginning) -> dict[str, Any]:
        run, base, watch = beginning.run, beginning.base.version, Stopwatch()

        def export(window: Window) -> PrefectFuture[WindowReceipt]:
            return export_window.submit(dataset, run, base, window, by)

        with beside() as begin:
            ontology = begin(partial(fetch_ontology, dataset, base))
            check_named_classes(dataset, beginning.base, ontology.result)
            done = shown(dataset, windows, windowed(export, windows, load_settings().exports))
            receipts = sorted(counted("windows", done, len(windows)), key=lambda receipt: receipt.window.start)
        whole = Span(by, start, end)
        results = (within(stream, whole) for receipt in receipts for stream in receipt.results)
        errors = chain.from_iterable(receipt.errors for receipt in receipts)
        kept = keep_streams(dataset, run, base)
        return assembled(dataset, beginning, Exported((*kept, *results), tuple(errors), ontology.result()), watch)

    check_workers(dataset)
    return undertake(dataset, str(runtime.flow_run.id), work)


def in_utc(moment: datetime) -> datetime:
    """The moment in UTC, as which one without an offset is taken: Labelbox is told the time and no offset."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def check_range(dataset: Dataset, start: datetime, end: datetime, every: timedelta) -> timedelta:
    """The windows' length. Raises ``ConfigurationError`` for what cannot be cut into windows."""
    fault = None
    if dataset.source is None:
        fault = (
            "the dataset has several sources, and a backfill is of one project",
            "Refresh it instead: that exports each source as a whole. Or name one project as `source`.",
        )
    elif dataset.source.kind != "project":
        fault = "Labelbox takes no dates for a model run", "Refresh it instead."
    elif start >= end:
        fault = (
            f"the range ends ({end:%Y-%m-%d %H:%M}) before it begins ({start:%Y-%m-%d %H:%M})",
            "Give --from < --to.",
        )
    elif every < timedelta(seconds=1):
        fault = f"windows of {every} are too small", "Give --every at least one hour (1h)."
    elif (end - start) / every > MAX_WINDOWS:
        fault = (
            f"it would take more than {MAX_WINDOWS} windows of {every}",
            "Give a larger --every, or a shorter range.",
        )
    if fault:
        raise ConfigurationError(f"Nothing can be backfilled: {fault[0]}.", remedy=fault[1], code="bad_range")
    return every


def shown(dataset: Dataset, windows: tuple[Window, ...], receipts: Iterable[WindowReceipt]) -> Iterator[WindowReceipt]:
    """The receipts as they come, each put into a table in Prefect's interface: one row a window."""
    done: dict[Window, WindowReceipt] = {}
    for receipt in receipts:
        done[receipt.window] = receipt
        table = [row(window, done.get(window)) for window in windows]
        show_table(f"backfill-{dataset.dataset}", table, f"{len(done)} of {len(windows)} windows of {dataset.url}")
        yield receipt


def row(window: Window, receipt: WindowReceipt | None) -> dict[str, Any]:
    """One window's row in the table of progress."""
    return {
        "from": window.start.isoformat(),
        "to": window.end.isoformat(),
        "state": "exported" if receipt else "to do",
        "rows": receipt.rows if receipt else None,
        "errors": sum(stream.lines for stream in receipt.errors) if receipt else None,
        "exports": receipt.exports if receipt else None,
    }
