"""The dataset that an output's format is given: its samples and classes as if only what it selects were there."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from labelsnap.records.choices.selection import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelsnap.formats.interface import Dataset, Row, Shard
    from labelsnap.records.choices.selection import Choice
    from labelsnap.records.model import Sample


def selected(dataset: Dataset, choice: Choice) -> Dataset:
    """Give what is selected of a dataset: every row, with what is selected of its annotations."""
    if choice.selection == EVERYTHING:
        return dataset

    def rows(split: str) -> Iterator[Row]:
        return (replace(row, sample=choice.sample(row.sample)) for row in dataset.rows(split))

    def shards(split: str, size: int) -> Iterator[Shard]:
        for shard in dataset.shards(split, size):
            yield replace(shard, samples=partial(of_shard, shard))

    def of_shard(shard: Shard) -> Iterator[Sample]:
        return map(choice.sample, shard.samples())

    return replace(dataset, registry=choice.registry, rows=rows, shards=shards)
