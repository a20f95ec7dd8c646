"""Windows of history: exported side by side, one after another where Labelbox refuses, each row in the end once.

A window's bounds go to Labelbox in whole seconds, both included, so that no row lies between two windows. One that lies
on the bound of two comes twice, and is told apart later, as are rows that the base snapshot has too, like the repeated
rows of one export. Rows outside the whole range by their own time (see ``tasks.run.span``) are left out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace
from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from labelsnap.errors import LabelboxRefusedError
from labelsnap.labelbox.export import ExportRequest, split_lists, wait
from labelsnap.records.lines.moments import By
from tasks.export import bring, started
from tasks.machines.environment import labelbox
from tasks.machines.here import here_of
from tasks.machines.retries import RETRIES
from tasks.run.exports import WINDOW, cancel_export
from tasks.run.ledger import ledger_here
from tasks.run.receipts import StreamReceipt
from tasks.run.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.run.span import Span

ATTEMPTS: Final = 3
"""How often a window is asked for whose export fails at Labelbox, or is cancelled there."""
SMALLEST: Final = timedelta(hours=1)
"""A window that is no longer than this is not halved: what Labelbox refuses then is no question of size."""
REPEATED: Final = {"export_failed", "export_canceled"}
"""What the next export of the same window may not meet."""
HALVED: Final = {"export_failed", "export_timeout", "export_too_large"}
"""What may be a matter of size; an export that fails says no reason."""


class Window(Struct, frozen=True):
    """A stretch of time in UTC; ``end`` is not in it."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """Sorts like the beginning: ``20240101T000000Z``."""
        return f"{self.start:%Y%m%dT%H%M%SZ}"

    def halves(self) -> tuple[Window, Window]:
        """Both halves, cut at a whole second."""
        middle = self.start + timedelta(seconds=int((self.end - self.start).total_seconds()) // 2)
        return Window(self.start, middle), Window(middle, self.end)


class WindowReceipt(Struct, frozen=True):
    """What a window gave: its streams, in order, and into how many exports it had to be cut."""

    window: Window
    results: tuple[StreamReceipt, ...]
    errors: tuple[StreamReceipt, ...]
    exports: int

    @property
    def rows(self) -> int:
        """Lines of its RESULT streams."""
        return sum(stream.lines for stream in self.results)


def cut(start: datetime, end: datetime, every: timedelta) -> Iterator[Window]:
    """Windows of a length, one after another without a gap; the last one ends where the whole does."""
    while start < end:
        window = Window(start, start + min(every, end - start))
        yield window
        start = window.end


@task(**RETRIES, task_run_name="export {window.name}")
def export_window(dataset: Dataset, run: str, base: int, window: Window, by: By) -> WindowReceipt:
    """Export one window and bring its streams into the store; what an earlier attempt had is kept.

    A window whose export fails is asked for three times and then in halves; one that takes too long, or is refused as
    too large, in halves at once. Raises ``LabelboxRefusedError`` when an hour is too much, and for all other refusals.
    """
    ledger = ledger_here(dataset.url, run)
    if done := ledger.recall(f"{WINDOW}{window.name}", WindowReceipt):
        return done
    exported = _export(dataset, run, base, window, by)
    here_of(dataset.url).settle()
    return ledger.note(f"{WINDOW}{window.name}", exported)


def within(stream: StreamReceipt, span: Span) -> StreamReceipt:
    """The stream, of which only rows of a range count."""
    return replace(stream, span=span)


def _export(dataset: Dataset, run: str, base: int, window: Window, by: By) -> WindowReceipt:
    for attempt in range(ATTEMPTS):
        try:
            return _attempt(dataset, run, base, window, by, attempt)
        except LabelboxRefusedError as error:
            if error.code in REPEATED and attempt + 1 < ATTEMPTS:
                continue
            if error.code not in HALVED or window.end - window.start <= SMALLEST:
                raise
            break
    parts = [_export(dataset, run, base, half, by) for half in window.halves()]
    return WindowReceipt(
        window=window,
        results=tuple(stream for part in parts for stream in part.results),
        errors=tuple(stream for part in parts for stream in part.errors),
        exports=sum(part.exports for part in parts),
    )


def _attempt(dataset: Dataset, run: str, base: int, window: Window, by: By, attempt: int) -> WindowReceipt:
    settings = load_settings()
    client = labelbox(settings)
    bounds = (window.start, _whole_second_after(window.end))
    request = ExportRequest(
        kind="project",
        source_id=dataset.asked[0].id,
        params=dataset.params.of_source("project"),
        filters=dataset.filters.model_copy(update={by: bounds}).for_labelbox(),
    )
    results, errors, wanted = [], [], Wanted()
    for number, part in enumerate(split_lists(request)):
        seconds = int((window.end - window.start).total_seconds())
        export = f"{window.name}-{seconds}-{number:03}-{attempt}"
        task_id = started(dataset, run, client, part, export)
        try:
            wait(
                client,
                task_id,
                timeout=settings.export_timeout,
                poll_interval=settings.poll_interval,
                on_progress=lambda _: wanted.check(),
            )
        except LabelboxRefusedError as error:
            if error.code in HALVED:
                cancel_export(client, task_id)
            raise
        stream = f"v{base:08}-{export}"
        results.append(bring(dataset, run, base, stream, task_id, "RESULT"))
        errors.append(bring(dataset, run, base, stream, task_id, "ERRORS"))
    return WindowReceipt(window, tuple(results), tuple(errors), 1)


def _whole_second_after(moment: datetime) -> datetime:
    """The moment, or the next whole second where it is none: Labelbox takes no fractions."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)
