"""What was done about published rows that were not quite as expected, counted from their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa

    from tasks.buckets.receipt import Counts
    from tasks.records.tables import Tables


class _Noted(NamedTuple):
    """How something is counted, and what the count is of, in words that follow the number."""

    count: Callable[[Tables], int]
    said: str


def _sum(column: pa.ChunkedArray) -> int:
    total: int = pc.sum(column, min_count=0).as_py()
    return total


def _turned_by_readers(rows: pa.Table) -> int:
    """Count the images that are not copied whose orientation, as the export has it, is one by which readers turn."""
    rotations = pc.struct_field(rows["media_attributes"].filter(pc.is_null(rows["sha256"])), "exif_rotation")
    return _sum(pc.greater(rotations, 1))


NOTED: Final = {
    "images.turned": _Noted(
        lambda tables: _sum(tables["data_rows"]["turned"]),
        "images were turned upright, to the size that the export declares or as the dataset file asks",
    ),
    "images.turned_by_readers": _Noted(
        lambda tables: _turned_by_readers(tables["data_rows"]),
        "images are referenced and lie otherwise by EXIF: readers that heed it turn them, and labels do not turn along",
    ),
    "images.unconfirmed": _Noted(
        lambda tables: _sum(tables["images"]["unconfirmed"]),
        "images were kept though their sources, asked when the rows had changed, did not answer (see the table images)",
    ),
    "answers.unanswered": _Noted(
        lambda tables: len(tables["unanswered"]), "questions have no answer (they are in the table unanswered)"
    ),
    "text.replaced": _Noted(
        lambda tables: _sum(tables["data_rows"]["text_replaced"]),
        "characters were not Unicode and are written as U+FFFD (see text_replaced in the table data_rows)",
    ),
    "fields.unreadable": _Noted(
        lambda tables: len(tables["unreadable"]),
        "details could not be read and are left empty (they are in the table unreadable)",
    ),
}
"""The counts, by ``BLOCK.COUNT`` of a refresh's result."""


def noted(tables: Tables) -> Counts:
    """Count by name; zeros included."""
    return {name: each.count(tables) for name, each in NOTED.items()}


def blocks_of(counts: Counts) -> dict[str, Counts]:
    """Return counts as blocks of a refresh's result, zeros included."""
    blocks: dict[str, Counts] = {}
    for name in NOTED:
        block, _, what = name.partition(".")
        blocks.setdefault(block, {})[what] = counts.get(name, 0)
    return blocks


def said_of(result: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield what a refresh's result notes, how often and in words; results of older versions lack some blocks."""
    for name, each in NOTED.items():
        block, _, what = name.partition(".")
        if number := result.get(block, {}).get(what, 0):
            yield number, each.said
