"""The export: started, waited for, and fetched chunk by chunk into the store."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct, structs
from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from labelsnap.errors import LabelboxAnswerError, LabelboxError, LabelboxRefusedError
from labelsnap.labelbox.downloads.failures import DownloadError
from labelsnap.labelbox.export import FIRST_PAUSE, ExportRequest, Stream, Totals, split_lists, totals, wait
from labelsnap.labelbox.starting import start
from labelsnap.labelbox.stream import Chunk, chunk_at
from labelsnap.snapshots.manifest import File, Pack
from labelsnap.snapshots.writing.frames import EarlierFrames, add_chunk
from tasks.machines.beside import beside
from tasks.machines.environment import downloader, labelbox, scratch
from tasks.machines.here import here_of
from tasks.machines.retries import RETRIES
from tasks.run.exports import ASKED, EXPORT, Asked, ExportTask
from tasks.run.ledger import LITTLE, ledger_here
from tasks.run.receipts import StreamReceipt
from tasks.run.wanted import Wanted
from tasks.telling.progress import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from labelsnap.labelbox.client import Client
    from labelsnap.labelbox.downloads.download import Downloader
    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.snapshots.writing.draft import Draft
    from labelsnap.storage import ObjectStore
    from tasks.run.ledger import Ledger


TIMES: Final = 2
"""How often a stream is asked for of which other lines come than Labelbox announces."""
REFUSED: Final = {"http_403", "http_404", "http_410"}
"""How a server answers for what it does not have; S3 says 403 where nobody may list."""
UNTOLD: Final = {"labelbox_unreachable", "labelbox_limit", "key_refused"}
"""Failures that say nothing about what was asked."""
BEHIND_SECONDS: Final = 30.0
"""How long is asked for what may not be there at all."""
BLOCK: Final = 1 << 20

log = logging.getLogger(__name__)


class ExportTasks(Struct, frozen=True):
    """The ids of a run's export tasks, in the order in which their rows count.

    ``sources`` are the names of those that they are of, "" where there is one.
    """

    ids: tuple[str, ...]
    sources: tuple[str, ...]


class ChunkReceipt(Struct, frozen=True):
    """One chunk in the store: where it ends in its stream, its file, and the packs that this is joined from.

    ``breaks`` are the line breaks in it; ``ends_line`` says whether it ends with one. ``task_id`` is the export task
    that it came from: the chunks of two exports do not join.
    """

    end: int
    file: File
    packs: tuple[Pack, ...]
    breaks: int
    ends_line: bool
    task_id: str = ""


class SourcePart(NamedTuple):
    """One export to ask for, and the name of the source that it is of: "" where there is one alone."""

    source: str
    request: ExportRequest


def parts_of(dataset: Dataset) -> tuple[SourcePart, ...]:
    """What a refresh asks for: one export a source, or several where a list of ids is longer than Labelbox takes."""
    requests = (
        (
            each.name,
            ExportRequest(
                kind=each.kind,
                source_id=each.id,
                params=each.params(dataset.params),
                filters=each.filters.for_labelbox(),
            ),
        )
        for each in dataset.asked
    )
    return tuple(SourcePart(name, part) for name, request in requests for part in split_lists(request))


@task(**RETRIES)
def start_exports(dataset: Dataset, run: str) -> ExportTasks:
    """Start each export of ``parts_of`` the dataset.

    Each is noted as soon as it is started, and a run that is gone on with has the same ones.
    """
    client = labelbox(load_settings())
    parts = parts_of(dataset)
    ids = []
    for number, (source, request) in enumerate(parts):
        with about(source):
            ids.append(started(dataset, run, client, request, f"{number:03}"))
    return ExportTasks(ids=tuple(ids), sources=tuple(source for source, _ in parts))


@contextmanager
def about(source: str) -> Iterator[None]:
    """Say of what Labelbox refuses or fails at which source it is of, where there are several."""
    try:
        yield
    except LabelboxError as error:
        if not source:
            raise
        message = f"The source {source!r} fails: {error.message}"
        raise type(error)(message, remedy=error.remedy, code=error.code) from error


def started(dataset: Dataset, run: str, client: Client, request: ExportRequest, number: str) -> str:
    """The id of the run's export of this number: the one that it has, or a new one, noted as soon as it is known.

    That it is asked for is noted before it is, so that a run that is gone on with looks for it, under its name; and so
    is all that this process still writes, such as how the run has begun.
    """
    here, ledger = here_of(dataset.url), ledger_here(dataset.url, run)
    if known := ledger.recall(f"{EXPORT}{number}", ExportTask):
        return known.id
    asked = Asked(f"labelsnap {dataset.dataset} {run} {number}")
    perhaps_started = ledger.recall(f"{ASKED}{number}", Asked) == asked
    here.soon(partial(ledger.note, f"{ASKED}{number}", asked))
    task_id = start(client, request, name=asked.name, perhaps_started=perhaps_started, ready=here.settle)
    here.soon(partial(ledger.note, f"{EXPORT}{number}", ExportTask(task_id)))
    return task_id


@task(**RETRIES)
def wait_for_exports(tasks: ExportTasks) -> datetime | None:
    """Return when every export is complete; a failed or cancelled one raises.

    Gives when the first of them was created, by Labelbox's clock, where it tells that of all.
    """
    settings = load_settings()
    client = labelbox(settings)
    wanted = Wanted()
    created = []
    for number, task_id in enumerate(tasks.ids):

        def on_progress(percent: int, before: int = 100 * number) -> None:
            report("export", before + percent, 100 * len(tasks.ids))
            wanted.check()

        with about(tasks.sources[number]):
            moment = wait(
                client,
                task_id,
                timeout=settings.export_timeout,
                poll_interval=settings.poll_interval,
                on_progress=on_progress,
            )
        created.append(moment)
    told = [moment for moment in created if moment]
    return min(told) if told and len(told) == len(created) else None


@task(**RETRIES)
def fetch_stream(
    dataset: Dataset, run: str, base: int, number: int, task_id: str, stream: Stream, source: str = ""
) -> StreamReceipt:
    """Bring a stream of the run's export of this number, which is of this source, into the store."""

    def on_progress(done: int, total: int) -> None:
        report("chunks", done, total)

    with about(source):
        brought = bring(dataset, run, base, f"{number:03}", task_id, stream, on_progress)
    return structs.replace(brought, part=number, source=source)


def bring(
    dataset: Dataset,
    run: str,
    base: int,
    export: str,
    task_id: str,
    stream: Stream,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> StreamReceipt:
    """Bring a stream's chunks into the store, compressed, each of a long one with a checkpoint; finished ones are kept.

    ``export`` names the export within the snapshot; streams are joined in the order of these names. Of lines that the
    snapshot ``base`` (0: none) has nothing is uploaded. Where other lines come than Labelbox announced, or no RESULT at
    all, it is asked for all of them once more.
    Raises ``LabelboxRefusedError`` when they differ again.
    """
    settings = load_settings()
    here = here_of(dataset.url)
    earlier = here.manifest(base)
    draft = here.draft(earlier)
    client = labelbox(settings)
    with downloader(settings) as pool, scratch(settings) as directory, beside() as start_beside:
        frames = start_beside(partial(_earlier_frames, here.store, earlier, stream))
        for attempt in range(TIMES):
            total = totals(client, task_id, stream)
            source = _Source(client, task_id, stream, pool, directory)
            names = _Names(ledger_here(dataset.url, run), f"{stream.lower()}-{export}", task_id, anew=attempt > 0)
            receipts = _fetched(source, total, draft, frames, names, on_progress)
            came = lines_in(receipts) - source.ends_inside_line(receipts)
            if came == total.lines and (total.size or stream == "ERRORS" or attempt):
                break
            if came == total.lines:  # as most windows of a long history; or its header was lost
                time.sleep(min(FIRST_PAUSE, settings.poll_interval))
            elif not attempt:
                log.warning(
                    "Of export task %s %d lines of the %s stream came, and %d were announced; asked again.",
                    task_id,
                    came,
                    stream,
                    total.lines,
                )
                time.sleep(settings.poll_interval)
        else:
            raise LabelboxRefusedError(
                f"Labelbox announced {total.lines} lines of the {stream} stream of export task {task_id}, and {came} "
                "came, twice.",
                remedy="Nothing was published. Run again: a new export is asked for. If it stays so, ask Labelbox's "
                "support with that id.",
                code="lines_missing",
            )
        retries = pool.counts.retries
    return StreamReceipt(
        files=tuple(receipt.file for receipt in receipts),
        packs=tuple(sorted({pack for receipt in receipts for pack in receipt.packs}, key=lambda pack: pack.key)),
        size=total.size,
        lines=total.lines,
        retries=retries,
        uploads=draft.uploads,
    )


def _earlier_frames(store: ObjectStore, earlier: Manifest | None, stream: Stream) -> EarlierFrames:
    """The frames of a stream as the base has it, of which those of its beginning are read."""
    frames = EarlierFrames(store, earlier, f"raw/{stream.lower()}-")
    frames.near(0)
    return frames


@dataclass(frozen=True, slots=True)
class _Source:
    """A stream of an export task, and how its chunks come down."""

    client: Client
    task_id: str
    stream: Stream
    pool: Downloader
    directory: Path

    def ends_inside_line(self, chunks: Sequence[ChunkReceipt]) -> bool:
        """Whether the chunks end with a line that is not whole: without a break, and with more behind it."""
        if not chunks or chunks[-1].ends_line:
            return False
        client = self.client.briefly(BEHIND_SECONDS)
        try:
            chunk_at(client, self.task_id, self.stream, chunks[-1].end + 1)
        except LabelboxError as error:
            if error.code in UNTOLD:
                raise
            return False
        return True

    def fetch(self, offset: int, *, again: bool = False) -> tuple[Chunk, Path]:
        """The chunk from this offset, in a file of its own; one that is refused is asked for again, at a new address.

        Raises ``LabelboxRefusedError`` when it is refused there too: the chunk is gone, and with it the export.
        """
        chunk = chunk_at(self.client, self.task_id, self.stream, offset)
        plain = self.directory / f"chunk-{chunk.start}"
        try:
            with plain.open("wb") as target:
                self.pool.chunk(chunk.url, target, length=chunk.length)
        except DownloadError as error:
            if error.code not in REFUSED:
                raise LabelboxAnswerError(
                    f"Bytes {chunk.start} to {chunk.end} of the export could not be fetched: {error.reason}.",
                    remedy="Run again; chunks that are here already are kept.",
                    code="chunk_unavailable",
                ) from None
            if again:
                raise LabelboxRefusedError(
                    f"Bytes {chunk.start} to {chunk.end} of export task {self.task_id} are not served any more: "
                    f"{error.reason}.",
                    remedy="Nothing was published. Run again: a new export is asked for, and what was fetched is kept.",
                    code="export_gone",
                ) from None
            return self.fetch(offset, again=True)
        return chunk, plain


@dataclass(frozen=True, slots=True)
class _Names:
    """The receipts of the chunks of an export task's stream; ``anew``: those that stand are not believed."""

    ledger: Ledger
    prefix: str
    task_id: str
    anew: bool

    def of(self, offset: int) -> str:
        """The name of the chunk that begins there."""
        return f"{self.prefix}-{offset:015}"

    def recall(self, offset: int) -> ChunkReceipt | None:
        """The receipt of the chunk that begins there."""
        receipt = None if self.anew else self.ledger.recall(self.of(offset), ChunkReceipt)
        return receipt if receipt and receipt.task_id == self.task_id else None


def _fetched(
    source: _Source,
    total: Totals,
    draft: Draft,
    frames: Future[EarlierFrames],
    names: _Names,
    on_progress: Callable[[int, int], None],
) -> list[ChunkReceipt]:
    """Every chunk of a stream; one comes down while the one before is compressed."""
    receipts: list[ChunkReceipt] = []
    ahead: dict[int, Future[tuple[Chunk, Path]]] = {}
    offset = 0
    with ThreadPoolExecutor(1, "chunk") as fetching:
        while offset < total.size:
            receipt = names.recall(offset)
            if receipt is None:
                chunk, plain = (ahead.pop(offset, None) or fetching.submit(source.fetch, offset)).result()
                if chunk.end + 1 < total.size:
                    ahead[chunk.end + 1] = fetching.submit(source.fetch, chunk.end + 1)
                breaks, ends_line = breaks_in(plain)
                path = f"raw/{names.of(offset)}.ndjson.zst"
                file, packs = add_chunk(draft, path, plain, source.task_id, frames.result().near(offset / total.size))
                plain.unlink()
                made = ChunkReceipt(chunk.end, file, packs, breaks, ends_line, source.task_id)
                receipt = names.ledger.note(names.of(offset), made) if total.size > LITTLE else made
            receipts.append(receipt)
            offset = receipt.end + 1
            on_progress(offset, total.size)
    return receipts


def breaks_in(path: Path) -> tuple[int, bool]:
    """How many line breaks a file has, and whether it ends with one."""
    breaks, last = 0, b""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            breaks += block.count(b"\n")
            last = block
    return breaks, last.endswith(b"\n")


def lines_in(chunks: Sequence[ChunkReceipt]) -> int:
    """How many lines a stream of these chunks has; the last one needs no line break."""
    unfinished = bool(chunks) and not chunks[-1].ends_line
    return sum(chunk.breaks for chunk in chunks) + unfinished
