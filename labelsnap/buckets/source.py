"""What a training format is written from: samples, shards and image bytes, read from a snapshot's bucket tables."""

from __future__ import annotations

import shutil
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from labelsnap.buckets.grouping import bucket_of
from labelsnap.formats.interface import Row, Shard, predicted_labels
from labelsnap.masks.decoding.png import DEFAULT_LIMITS
from labelsnap.memory import held_at_once
from labelsnap.records.choices.numbers import numbers
from labelsnap.records.geometry import Mask
from labelsnap.records.tables.schema import SCHEMAS
from labelsnap.records.tables.tables import from_tables, rows_of
from labelsnap.snapshots.manifest import damaged
from labelsnap.snapshots.reading.content import download_file, read_file
from labelsnap.snapshots.reading.tree import open_tree
from labelsnap.snapshots.tables.bucket_tables import bucket_files, decoding, read_of_bucket, read_table
from labelsnap.snapshots.tables.images import packed_images

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from labelsnap.buckets.parts.decoded import DecodedRows, RowsBySplit
    from labelsnap.masks.decoding.png import Limits
    from labelsnap.records.model import Sample
    from labelsnap.records.tables.tables import Tables
    from labelsnap.snapshots.manifest import File
    from labelsnap.snapshots.tables.bucket_tables import BucketFiles
    from labelsnap.storage.interface import ObjectStore

THREADS: Final = 8
PICKED_BYTES: Final = 8 << 20
"""How many bytes of images are held at a time where few are picked: a larger one is held alone."""
_LISTED: Final = ("data_row_id", "split", "file_name")


class Listed(NamedTuple):
    """A row as it is known undecoded: its number and id, its split, and the name of its image's file."""

    number: int
    id: str
    split: str
    file_name: str


@dataclass(frozen=True, slots=True)
class _Place:
    """The images of one bucket and split."""

    bucket: int
    split: str


class BucketSource:
    """One pass after another over the samples that lie in bucket tables.

    The order is canonical: bucket, then data row id. One bucket is in memory at a time, and the images of one bucket
    and split are on disk; ``directory`` is the source's own. What ``kept`` has of a bucket is not decoded again.
    Images and masks of more pixels than ``limits`` has are damage of their table, before a picture is made of them.
    """

    def __init__(
        self,
        store: ObjectStore,
        files: Iterable[File],
        directory: Path,
        limits: Limits = DEFAULT_LIMITS,
        kept: DecodedRows | None = None,
    ) -> None:
        self._store = store
        self._kept = kept
        self._limits = limits
        self._directory = directory
        self._buckets: dict[tuple[int, int], BucketFiles] = bucket_files(files)
        self._count = next((count for count, _ in self._buckets), 1)
        self._laid_out: _Place | None = None
        self._told: tuple[_Place, Mapping[str, File]] | None = None

    def rows(self, split: str, *, index: int = 0, count: int = 1) -> Iterator[Row]:
        """The rows of a split whose id's hash is ``index`` modulo ``count``, a power of two."""
        for buckets, bucket in self._buckets:
            if (bucket - index) % min(buckets, count) == 0:
                for row in self._once(bucket, split):
                    if count <= buckets or _hash(row.sample, count) == index:
                        yield row

    def listed(self, bucket: int) -> list[Listed]:
        """What is to be known of each row of a bucket without decoding it, in order."""
        with decoding("the rows of a bucket"):
            table = read_of_bucket(self._store, self._buckets[self._count, bucket], "data_rows", _LISTED)
            columns = [table[name].to_pylist() for name in _LISTED]
            of_row = numbers(columns[0])
            return [Listed(of_row[row_id], row_id, split, name) for row_id, split, name in zip(*columns, strict=True)]

    def decoded(self, bucket: int, groups: Iterable[Collection[str]]) -> Iterator[list[Sample]]:
        """The samples of some rows of a bucket, by data row id, group after group: its tables are read once."""
        files = self._buckets[self._count, bucket]
        tables: Tables | None = None
        for row_ids in groups:
            samples: list[Sample] = []
            if row_ids:
                with decoding(f"bucket {bucket} of the tables"):
                    tables = tables or {name: read_table(self._store, files[name]) for name in files.keys() & SCHEMAS}
                    samples = list(from_tables(rows_of(tables, row_ids)))
            for sample in samples:
                if found := too_large(sample, self._limits.pixels):
                    raise damaged(files["data_rows"].path, found)
            yield samples

    def kinds(self, split: str) -> Iterator[tuple[str, list[str]]]:
        """The ids of a split's rows, in the order of ``samples``, with the kind of each object of their labels."""
        for (_, bucket), files in self._buckets.items():
            kinds: defaultdict[str, list[str]] = defaultdict(list)
            with decoding("the tables of annotations"):
                table = read_of_bucket(self._store, files, "annotations", ("data_row_id", "kind"))
                for row_id, kind in zip(*(table[name].to_pylist() for name in ("data_row_id", "kind")), strict=True):
                    kinds[row_id].append(kind)
            yield from ((row.id, kinds[row.id]) for row in self.listed(bucket) if row.split == split)

    def some(self, row_ids: Iterable[str]) -> Iterator[Sample]:
        """The samples of a few rows, those of one bucket after another; no others are decoded."""
        of_bucket: defaultdict[int, list[str]] = defaultdict(list)
        for row_id in row_ids:
            of_bucket[bucket_of(row_id.encode(), self._count)].append(row_id)
        for bucket in sorted(of_bucket):
            yield from chain.from_iterable(self.decoded(bucket, [of_bucket[bucket]]))

    def whole(self, bucket: int, listed: Sequence[Listed]) -> RowsBySplit:
        """Decode all rows of a bucket, which are ``listed``."""
        of_row = {row.id: row.number for row in listed}
        found: RowsBySplit = {}
        for sample in chain.from_iterable(self.decoded(bucket, [list(of_row)])):
            found.setdefault(sample.split, []).append(Row(of_row[sample.record.data_row.id], sample))
        return found

    def keep(self, bucket: int, rows: RowsBySplit) -> None:
        """Keep what was decoded of a bucket for those who write its shards, if anything is kept."""
        if self._kept:
            self._kept.keep(self._buckets[self._count, bucket].values(), rows)

    def _once(self, bucket: int, split: str) -> list[Row]:
        """The rows of a bucket and split, decoded, or as they are kept."""
        if self._kept is None:
            return self.whole(bucket, [row for row in self.listed(bucket) if row.split == split]).get(split, [])
        files = self._buckets[self._count, bucket].values()
        return self._kept.rows(files, split, lambda: self.whole(bucket, self.listed(bucket)))

    def shards(self, split: str, count: int) -> Iterator[Shard]:
        """The samples of a split in ``count`` shards, a power of two, those of one bucket one after another."""
        for index in sorted(range(count), key=lambda index: (index % self._count, index)):
            yield Shard(index, count, partial(self._samples, split, index, count))

    def _samples(self, split: str, index: int, count: int) -> Iterator[Sample]:
        return (row.sample for row in self.rows(split, index=index, count=count))

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

    def image_file(self, sample: Sample) -> File | None:
        """Where a sample's image lies in the store, under its file name; None where it was not copied.

        Raises ``StorageRefusedError`` where the table of images does not have it.
        """
        image = sample.image
        if image.sha256 is None:
            return None
        place = _Place(_hash(sample, self._count), sample.split)
        if self._told is None or self._told[0] != place:
            self._told = place, {file.path: file for file in self._files_at(place)}
        if (file := self._told[1].get(image.file_name)) is None:
            raise damaged(f"the table {self._buckets[self._count, place.bucket]['images'].path!r}", "an image fewer")
        return file

    def stored(self, bucket: int) -> dict[str, File]:
        """Where the copied images of a bucket lie, by sha256."""
        return {file.sha256: file for file in packed_images(self._images_of(bucket), lambda _split, name: name)}

    def pick_images(self, samples: Iterable[Sample]) -> Iterator[bytes | None]:
        """Give what ``read_image`` does for a few samples of many, a few side by side: no other images are read."""
        files = [self.image_file(sample) for sample in samples]
        with ThreadPoolExecutor(THREADS, thread_name_prefix="pick") as pool:
            for held in held_at_once(files, lambda file: file.size if file else 0, PICKED_BYTES, THREADS):
                yield from pool.map(self._read, held)

    def _read(self, file: File | None) -> bytes | None:
        return read_file(self._store, file) if file else None

    def _lay_out(self, place: _Place) -> None:
        """Put the images of a bucket and split in place of those that lie there, in few requests."""
        folder = self._directory / "images"
        shutil.rmtree(folder, ignore_errors=True)
        with open_tree(self._store, folder) as tree, ThreadPoolExecutor(THREADS) as pool:
            for _ in tree.place(list(self._files_at(place)), pool):
                pass

    def _files_at(self, place: _Place) -> Iterator[File]:
        """The images of a bucket and split, under their file names."""
        table = self._images_of(place.bucket)
        return packed_images(table, lambda split, name: name if split == place.split else None)

    def _images_of(self, bucket: int) -> Path:
        """Bring a bucket's table of images to the directory."""
        table = self._directory / "images.parquet"
        download_file(self._store, self._buckets[self._count, bucket]["images"], table)
        return table


def too_large(sample: Sample, pixels: int) -> str | None:
    """Say what of a sample no picture is made of: sizes that are none, or of more pixels; None: nothing."""
    labels = chain(sample.record.entry.labels, predicted_labels(sample))
    objects = chain.from_iterable(label.annotations for label in labels)
    masks = (each.geometry.runs for each in objects if isinstance(each.geometry, Mask))
    image = sample.image.width, sample.image.height
    sizes = chain((image,), ((runs.width, runs.height) for runs in masks))
    return next(
        (
            f"an image or a mask of {width} × {height} pixels, where LABELSNAP_MAX_IMAGE_PIXELS allows {pixels}"
            for width, height in sizes
            if not (width > 0 and height > 0 and width * height <= pixels)
        ),
        None,
    )


def _hash(sample: Sample, count: int) -> int:
    return bucket_of(sample.record.data_row.id.encode(), count)
