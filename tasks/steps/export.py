"""The export: started, waited for, and fetched chunk by chunk into the store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from msgspec import Struct
from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from tasks.errors import LabelboxAnswerError
from tasks.labelbox.client import connect
from tasks.labelbox.export import ExportRequest, Stream, split_lists, start, totals, wait
from tasks.labelbox.failures import DownloadError
from tasks.labelbox.stream import Chunk, chunk_at
from tasks.snapshots.draft import Draft, Uploads
from tasks.snapshots.frames import EarlierFrames, add_chunk
from tasks.snapshots.manifest import File, Pack
from tasks.snapshots.read import read_snapshot
from tasks.steps.environment import account, downloader, scratch
from tasks.steps.ledger import Ledger
from tasks.steps.progress import report
from tasks.steps.retries import RETRIES
from tasks.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from tasks.labelbox.download import Downloader


class ExportTask(Struct, frozen=True):
    """The id of an export task at Labelbox."""

    id: str


class ExportTasks(Struct, frozen=True):
    """The ids of a run's export tasks, in the order in which their rows count."""

    ids: tuple[str, ...]


class ChunkReceipt(Struct, frozen=True):
    """One chunk in the store: where it ends in its stream, its file, and the packs that this is joined from."""

    end: int
    file: File
    packs: tuple[Pack, ...]


class StreamReceipt(Struct, frozen=True):
    """One stream of one export, whole: its chunks' files in order, its bytes and its lines as Labelbox counts them."""

    files: tuple[File, ...]
    packs: tuple[Pack, ...]
    size: int
    lines: int
    retries: int
    uploads: Uploads


@task(**RETRIES)
def start_exports(dataset: Dataset, run: str) -> ExportTasks:
    """Start the export, or several where a list of ids is longer than Labelbox takes.

    Each is noted as soon as it is started, and a run that is gone on with has the same ones.
    """
    ledger = Ledger(open_store(dataset.url), run)
    client = connect(account(load_settings()))
    kind = dataset.source.kind
    request = ExportRequest(
        kind=kind,
        source_id=dataset.source.id,
        params=dataset.params.of_source(kind),
        filters=dataset.filters.for_labelbox(),
    )
    ids = []
    for number, part in enumerate(split_lists(request)):
        started = ledger.recall(f"export-{number:03}", ExportTask) or ledger.note(
            f"export-{number:03}", ExportTask(id=start(client, part, name=f"labelsnap {dataset.dataset}"))
        )
        ids.append(started.id)
    return ExportTasks(ids=tuple(ids))


@task(**RETRIES)
def wait_for_exports(tasks: ExportTasks) -> None:
    """Return when every export is complete; a failed or cancelled one raises."""
    settings = load_settings()
    client = connect(account(settings))
    for number, task_id in enumerate(tasks.ids):

        def on_progress(percent: int, before: int = 100 * number) -> None:
            report("export", before + percent, 100 * len(tasks.ids))

        wait(
            client,
            task_id,
            timeout=settings.export_timeout,
            poll_interval=settings.poll_interval,
            on_progress=on_progress,
        )


@task(**RETRIES)
def fetch_stream(dataset: Dataset, run: str, base: int, number: int, task_id: str, stream: Stream) -> StreamReceipt:
    """Bring a stream of the run's export of this number into the store."""

    def on_progress(done: int, total: int) -> None:
        report("chunks", done, total)

    return bring(dataset, run, base, f"{number:03}", task_id, stream, on_progress)


def bring(
    dataset: Dataset,
    run: str,
    base: int,
    export: str,
    task_id: str,
    stream: Stream,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> StreamReceipt:
    """Bring a stream's chunks into the store, compressed, each with a checkpoint; finished ones are kept.

    ``export`` names the export within the snapshot; streams are joined in the order of these names. Of lines that the
    snapshot ``base`` (0: none) has nothing is uploaded.
    """
    settings = load_settings()
    store = open_store(dataset.url)
    client = connect(account(settings))
    earlier = read_snapshot(store, base).manifest if base else None
    ledger, draft = Ledger(store, run), Draft(store, earlier)
    frames = EarlierFrames(store, earlier, f"raw/{stream.lower()}-")
    total = totals(client, task_id, stream)
    receipts: list[ChunkReceipt] = []
    offset = 0
    with downloader(settings) as pool, scratch(settings) as directory, ThreadPoolExecutor(1, "chunk") as fetching:

        def fetch(start: int) -> tuple[Chunk, Path]:
            return fetch_chunk(pool, chunk_at(client, task_id, stream, start), directory)

        # One chunk comes down while the one before is compressed.
        ahead: dict[int, Future[tuple[Chunk, Path]]] = {}
        while offset < total.size:
            name = f"{stream.lower()}-{export}-{offset:015}"
            receipt = ledger.recall(name, ChunkReceipt)
            if receipt is None:
                chunk, plain = (ahead.pop(offset, None) or fetching.submit(fetch, offset)).result()
                if chunk.end + 1 < total.size:
                    ahead[chunk.end + 1] = fetching.submit(fetch, chunk.end + 1)
                known = frames.near(offset / total.size)
                file, packs = add_chunk(draft, f"raw/{name}.ndjson.zst", plain, task_id, known)
                plain.unlink()
                receipt = ledger.note(name, ChunkReceipt(chunk.end, file, packs))
            receipts.append(receipt)
            offset = receipt.end + 1
            on_progress(offset, total.size)
        retries = pool.counts.retries
    return StreamReceipt(
        files=tuple(receipt.file for receipt in receipts),
        packs=tuple(sorted({pack for receipt in receipts for pack in receipt.packs}, key=lambda pack: pack.key)),
        size=total.size,
        lines=total.lines,
        retries=retries,
        uploads=draft.uploads,
    )


def fetch_chunk(pool: Downloader, chunk: Chunk, directory: Path) -> tuple[Chunk, Path]:
    """Download a chunk to a file of its own."""
    plain = directory / f"chunk-{chunk.start}"
    try:
        with plain.open("wb") as target:
            pool.chunk(chunk.url, target, length=chunk.length)
    except DownloadError as error:
        raise LabelboxAnswerError(
            f"Bytes {chunk.start} to {chunk.end} of the export could not be fetched: {error.reason}.",
            remedy="Run again; chunks that are here already are kept.",
            code="chunk_unavailable",
        ) from None
    return chunk, plain
