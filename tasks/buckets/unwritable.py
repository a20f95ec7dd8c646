"""Which rows a format cannot write: those at which its writer fails where it is given nothing else.

A writer makes files of many rows, and may fail at one long after it was given it. So each row is tried alone, and what
no single row provokes is nobody's problem.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from tasks.buckets.boundary import fault_in, shown_id
from tasks.errors import ConfigurationError, LabelsnapError
from tasks.formats.chosen import alone, chosen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.formats.interface import Dataset, Format
    from tasks.records.model import Sample

MOST: Final = 100
"""A fault that more rows of a split provoke is the format's."""
_TOLD: Final = 3


def unwritable(each: Format, dataset: Dataset, split: str) -> dict[str, str]:
    """Return the ids of a split's rows that a format fails at, with class and place of the fault that each provokes.

    Without them the split can be written. Raises what the format raises without any row, or with all others, and
    ``LabelsnapError`` for more than ``MOST`` rows.
    """
    found: dict[str, str] = {}
    tried: set[str] = set()

    def is_in(_file_name: str, sample: Sample | None) -> bool:
        if sample is None:
            return True
        row_id = sample.record.data_row.id
        if row_id not in tried:
            tried.add(row_id)
            if fault := fault_in(row_id, partial(_written_alone, each, dataset, split, sample)):
                found[row_id] = fault
        if len(found) > MOST:
            raise format_fails(each.name, found)
        return row_id not in found

    _write(each, alone(dataset, split), split)
    _write(each, chosen(dataset, is_in), split)
    return found


def format_fails(name: str, rows: Mapping[str, str]) -> LabelsnapError:
    """Return the error that a run ends with where a format fails at so many rows, or at others again and again."""
    told = "; ".join(f"{shown_id(row_id)}: {fault}" for row_id, fault in islice(rows.items(), _TOLD))
    return LabelsnapError(
        f"Nobody foresaw this: the format {name} fails at {len(rows)} rows ({told}).",
        remedy="Nothing was published. This is a fault of labelsnap: please report it with the traces in the log. "
        "Without this format in the dataset file the rows are published.",
        code="format_fails",
    )


def _written_alone(each: Format, dataset: Dataset, split: str, sample: Sample) -> None:
    """Write one row; that it lacks what the format asks of a whole dataset is no fault."""
    with suppress(ConfigurationError):
        _write(each, alone(dataset, split, sample), split)


def _write(each: Format, dataset: Dataset, split: str) -> None:
    """Make the bytes of a split's files, and keep none."""
    for artifact in each.write(dataset, split):
        for _ in () if artifact.kept else artifact.chunks:
            pass
