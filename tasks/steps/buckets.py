"""Lines into buckets, and each bucket built: the parallel part of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from prefect import task

from config.dataset import Dataset
from config.settings import Settings, load_settings
from tasks.buckets.build import BucketBuilder
from tasks.buckets.fetch import Fetcher
from tasks.buckets.grouping import bucket_count, bucket_name
from tasks.buckets.reading import read_earlier
from tasks.buckets.receipt import BucketInput, BucketReceipt
from tasks.buckets.spool import read_spool, spool
from tasks.errors import LabelboxRefusedError
from tasks.labelbox.stream import split_lines
from tasks.snapshots.content import download_file
from tasks.snapshots.draft import Draft
from tasks.snapshots.read import read_snapshot
from tasks.steps.environment import downloader, scratch
from tasks.steps.export import StreamReceipt
from tasks.steps.ledger import Ledger
from tasks.steps.retries import RETRIES
from tasks.storage import open_store
from tasks.storage.compression import compress, decompressed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tasks.labelbox.download import Downloader
    from tasks.storage.interface import ObjectStore


class Buckets(Struct, frozen=True):
    """The buckets of a run that have lines."""

    inputs: tuple[BucketInput, ...]

    @property
    def lines(self) -> int:
        """Every line of the RESULT streams."""
        return sum(bucket.lines for bucket in self.inputs)


@task(**RETRIES)
def group_rows(
    dataset: Dataset, run: str, results: tuple[StreamReceipt, ...], errors: tuple[StreamReceipt, ...]
) -> Buckets:
    """Spread the lines of the RESULT streams over buckets, in bounded memory, and leave one object a bucket.

    Raises ``LabelboxRefusedError`` when there are errors and no rows: a failed export is no empty dataset.
    """
    if any(stream.size for stream in errors) and not any(stream.size for stream in results):
        raise LabelboxRefusedError(
            f"Labelbox's export gave no row and {sum(stream.lines for stream in errors)} errors.",
            remedy=f"Read them below {dataset.url}/data/raw/; nothing was published.",
            code="export_only_errors",
        )
    settings = load_settings()
    store = open_store(dataset.url)
    ledger = Ledger(store, run)
    if grouped := ledger.recall("buckets", Buckets):
        return grouped
    count = bucket_count(sum(stream.lines for stream in results), settings.rows_per_bucket)
    inputs = []
    with scratch(settings) as directory:
        lines = (line for stream in results for line in split_lines(stream_blocks(store, stream, directory)))
        for bucket in spool(lines, directory, count):
            key = ledger.key(f"lines/{bucket_name(bucket.index, count)}.zst")
            store.put(key, compress(bucket.path, directory / "compressed"))
            inputs.append(BucketInput(index=bucket.index, count=count, lines_key=key, lines=bucket.lines))
    return ledger.note("buckets", Buckets(inputs=tuple(inputs)))


@task(**RETRIES)
def build_bucket(dataset: Dataset, run: str, bucket: BucketInput, base: int) -> BucketReceipt:
    """Parse a bucket's lines, fetch its masks and images, and write its tables and its pack."""
    settings = load_settings()
    store = open_store(dataset.url)
    ledger = Ledger(store, run)
    name = bucket_name(bucket.index, bucket.count)
    if built := ledger.recall(name, BucketReceipt):
        return built
    manifest = read_snapshot(store, base).manifest if base else None
    with downloader(settings) as pool, scratch(settings) as directory:
        builder = BucketBuilder(
            draft=Draft(store, manifest),
            policy=dataset.policy,
            keep_embeddings=dataset.params.embeddings,
            earlier=read_earlier(store, manifest, bucket.index, bucket.count),
            fetcher=fetcher(dataset, settings, pool, directory),
            threads=settings.download_threads,
        )
        store.download(bucket.lines_key, directory / "lines")
        receipt = builder.build(bucket, read_spool(decompressed(directory / "lines")))
    return ledger.note(name, receipt)


def fetcher(dataset: Dataset, settings: Settings, pool: Downloader, directory: Path) -> Fetcher:
    """How this dataset's rows get their pixels, within this environment's limits."""
    return Fetcher(
        downloader=pool,
        directory=directory,
        images=dataset.images,
        split=dataset.split.rule,
        group_by=dataset.split.group_by,
        max_image_bytes=settings.max_image_bytes,
        max_image_pixels=settings.max_image_pixels,
        max_mask_bytes=settings.max_mask_bytes,
    )


def stream_blocks(store: ObjectStore, stream: StreamReceipt, directory: Path) -> Iterator[bytes]:
    """The bytes of a fetched stream, chunk after chunk."""
    for file in stream.files:
        download_file(store, file, directory / "chunk.zst")
        yield from decompressed(directory / "chunk.zst")
