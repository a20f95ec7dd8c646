"""What a training format is written from: samples, shards and image bytes, read from a snapshot's bucket tables."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import compute

from tasks.buckets.grouping import bucket_of
from tasks.buckets.reading import cached_table
from tasks.formats.interface import Row, Shard, shard_count
from tasks.records.numbers import numbers
from tasks.records.tables import from_tables
from tasks.snapshots.bucket_tables import bucket_files
from tasks.snapshots.images import packed_images
from tasks.snapshots.tree import open_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pyarrow import Table

    from tasks.records.model import Sample
    from tasks.snapshots.bucket_tables import BucketFiles
    from tasks.snapshots.manifest import File
    from tasks.storage.interface import ObjectStore

THREADS: Final = 8
_LISTED: Final = ["data_row_id", "split", "file_name"]


@dataclass(frozen=True, slots=True)
class _Place:
    """The images of one bucket and split."""

    bucket: int
    split: str


class BucketSource:
    """One pass after another over the samples that lie in bucket tables.

    The order is canonical: bucket, then data row id. One bucket is in memory at a time, and the images of one bucket
    and split are on disk; ``directory`` is the source's own, and keeps tables so that a second pass reads them from it.
    ``changed`` are the ids of rows that are not as in the earlier version, by bucket; all of a bucket without any.
    """

    def __init__(
        self,
        store: ObjectStore,
        files: Sequence[File],
        directory: Path,
        changed: Mapping[int, Sequence[str] | None] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._changed = changed
        self._directory = directory
        self._buckets: dict[tuple[int, int], BucketFiles] = bucket_files(files)
        self._count = next((count for count, _ in self._buckets), 1)
        self._laid_out: _Place | None = None

    @property
    def buckets(self) -> int:
        """How many buckets the rows are spread over."""
        return self._count

    def rows(self, split: str) -> Iterator[Row]:
        """The rows of a split, with the samples of those that changed: no others are decoded."""
        for (_, bucket), found in self._buckets.items():
            table = cached_table(self._store, found["data_rows"], self._directory, _LISTED)
            listed = list(zip(*(table[name].to_pylist() for name in _LISTED), strict=True))
            of_row = numbers(row_id for row_id, _, _ in listed)
            samples = {sample.record.data_row.id: sample for sample in self._changed_samples(bucket, found, split)}
            for row_id, of_split, file_name in listed:
                if of_split == split:
                    yield Row(of_row[row_id], file_name, samples.get(row_id))

    def _changed_samples(self, bucket: int, found: BucketFiles, split: str) -> Iterator[Sample]:
        wanted = self._changed.get(bucket)
        if wanted is not None and not wanted:
            return
        tables = {table: cached_table(self._store, file, self._directory) for table, file in found.items()}
        if wanted is not None:
            tables = {name: _of_rows(table, wanted) for name, table in tables.items()}
        yield from (sample for sample in from_tables(tables) if sample.split == split)

    def samples(self, split: str, *, index: int = 0, count: int = 1) -> Iterator[Sample]:
        """The samples of a split whose row id's hash is ``index`` modulo ``count``, a power of two."""
        for (buckets, number), found in self._buckets.items():
            if (number - index) % min(buckets, count) == 0:
                tables = {table: cached_table(self._store, file, self._directory) for table, file in found.items()}
                for sample in from_tables(tables):
                    if sample.split == split and (count <= buckets or _hash(sample, count) == index):
                        yield sample

    def shards(self, split: str, size: int) -> Iterator[Shard]:
        """The samples of a split in shards of about ``size`` bytes of images, those of one bucket one after another."""
        total = 0
        for found in self._buckets.values():
            images = cached_table(self._store, found["images"], self._directory)
            of_split = images.filter(compute.equal(images["split"], split))
            total += compute.sum(of_split["size"]).as_py() or 0
        count = shard_count(total, size)
        for index in sorted(range(count), key=lambda index: (index % self._count, index)):
            yield Shard(index, count, partial(self.samples, split, index=index, count=count))

    def read_image(self, sample: Sample) -> bytes | None:
        """The bytes of a sample's image, checked; None where it was not copied.

        Raises ``StorageRefusedError`` for a pack that is missing or damaged.
        """
        if sample.image.sha256 is None:
            return None
        place = _Place(_hash(sample, self._count), sample.split)
        if place != self._laid_out:
            self._laid_out = None
            self._lay_out(place)
            self._laid_out = place
        return (self._directory / "images" / sample.image.file_name).read_bytes()

    def _lay_out(self, place: _Place) -> None:
        """Put the images of a bucket and split in place of those that lie there, in few requests."""
        folder = self._directory / "images"
        shutil.rmtree(folder, ignore_errors=True)
        table = self._buckets[self._count, place.bucket]["images"]
        cached_table(self._store, table, self._directory)
        files = packed_images(
            self._directory / f"{table.sha256}.parquet", lambda split, name: name if split == place.split else None
        )
        with open_tree(self._store, folder) as tree, ThreadPoolExecutor(THREADS) as pool:
            for _ in tree.place(list(files), pool):
                pass


def _of_rows(table: Table, row_ids: Sequence[str]) -> Table:
    return table.filter(compute.is_in(table["data_row_id"], pa.array(row_ids, pa.string())))


def _hash(sample: Sample, count: int) -> int:
    return bucket_of(sample.record.data_row.id.encode(), count)
