"""A dataset with fewer rows than it has, for a format that is to be given no others."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tasks.formats.interface import Row, Shard
from tasks.records.numbers import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tasks.formats.interface import Dataset
    from tasks.records.model import Sample


def chosen(dataset: Dataset, is_in: Callable[[str, Sample | None], bool]) -> Dataset:
    """Leave rows out.

    ``is_in`` is asked with the file name of a row's image, and with its sample where the row has one, at each pass.
    """

    def taken(found: Iterator[Sample]) -> Iterator[Sample]:
        return (sample for sample in found if is_in(sample.image.file_name, sample))

    def samples(split: str) -> Iterator[Sample]:
        return taken(dataset.samples(split))

    def rows(split: str) -> Iterator[Row]:
        return (row for row in dataset.rows(split) if is_in(row.file_name, row.sample))

    def shards(split: str, size: int) -> Iterator[Shard]:
        for shard in dataset.shards(split, size):
            yield replace(shard, samples=partial(of_shard, shard))

    def of_shard(shard: Shard) -> Iterator[Sample]:
        return taken(shard.samples())

    return replace(dataset, samples=samples, rows=rows, shards=shards)


def alone(dataset: Dataset, split: str, *given: Sample) -> Dataset:
    """Leave out all rows but these of one split, as if the dataset had no earlier version."""
    of_row = numbers(sample.record.data_row.id for sample in given)

    def samples(asked: str) -> Iterator[Sample]:
        return iter(given if asked == split else ())

    def rows(asked: str) -> Iterator[Row]:
        return (Row(of_row[sample.record.data_row.id], sample.image.file_name, sample) for sample in samples(asked))

    def shards(asked: str, _size: int) -> Iterator[Shard]:
        yield Shard(0, 1, partial(samples, asked))

    return replace(dataset, samples=samples, rows=rows, shards=shards, earlier=lambda _path: iter(()))
