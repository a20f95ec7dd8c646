"""Which rows a format cannot write: those at which its writer fails where it is given nothing else.

A writer makes files of many rows, and may fail at one long after it was given it. So each row is tried alone, and what
no single row provokes is nobody's problem.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from labelsnap.buckets.boundary import fault_in, shown_id
from labelsnap.errors import LabelsnapError
from labelsnap.formats.interface import Row, Shard, written
from labelsnap.records.choices.numbers import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labelsnap.formats.interface import Dataset, Format
    from labelsnap.records.model import Sample

MOST: Final = 100
"""A fault that more rows of a split provoke is the format's."""
_TOLD: Final = 3


def unwritable(each: Format, dataset: Dataset, split: str, name: str) -> dict[str, str]:
    """Return the ids of a split's rows that a format fails at, with class and place of the fault that each provokes.

    ``name`` is its output's.

    Raises what the format raises without any row, and ``LabelsnapError`` for more than ``MOST``.
    """
    _write(each, alone(dataset, split), split)
    found: dict[str, str] = {}
    for row in dataset.rows(split):
        row_id = row.sample.record.data_row.id
        if fault := fault_in(row_id, partial(_write, each, alone(dataset, split, row.sample), split)):
            found[row_id] = fault
        if len(found) > MOST:
            raise format_fails(name, found)
    return found


def alone(dataset: Dataset, split: str, *given: Sample) -> Dataset:
    """Leave out all rows but these of one split; what is known of the whole dataset stays."""
    of_row = numbers(sample.record.data_row.id for sample in given)

    def samples(asked: str) -> Iterator[Sample]:
        return iter(given if asked == split else ())

    def rows(asked: str) -> Iterator[Row]:
        return (Row(of_row[sample.record.data_row.id], sample) for sample in samples(asked))

    def shards(asked: str, _size: int) -> Iterator[Shard]:
        yield Shard(0, 1, partial(samples, asked))

    return replace(dataset, rows=rows, shards=shards)


def format_fails(name: str, rows: Mapping[str, str]) -> LabelsnapError:
    """Return the error that a run ends with where a format fails at so many rows, or at others again and again."""
    told = "; ".join(f"{shown_id(row_id)}: {fault}" for row_id, fault in islice(rows.items(), _TOLD))
    return LabelsnapError(
        f"Nobody foresaw this: the format {name} fails at {len(rows)} rows ({told}).",
        remedy="Nothing was published. This is a fault of labelsnap: please report it with the traces in the log. "
        "Without this format in the dataset file the rows are published.",
        code="format_fails",
    )


def _write(each: Format, dataset: Dataset, split: str) -> None:
    """Make the bytes of a split's files, and keep none."""
    for artifact in written(each, dataset, split):
        for _ in artifact.chunks:
            pass
