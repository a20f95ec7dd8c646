"""What was done about published rows that were not quite as expected, counted from their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.buckets.receipt import Counts
    from tasks.records.tables import Tables

_COUNTED: Final[dict[str, Callable[[Tables], int]]] = {
    "answers.unanswered": lambda tables: len(tables["unanswered"]),
    "fields.unreadable": lambda tables: len(tables["unreadable"]),
    "text.replaced": lambda tables: pc.sum(tables["data_rows"]["text_replaced"], min_count=0).as_py(),
}
NOTED: Final = tuple(_COUNTED)
"""The counts, as ``BLOCK.COUNT`` of a refresh's result."""


def noted(tables: Tables) -> Counts:
    """Count by name; zeros included."""
    return {name: count(tables) for name, count in _COUNTED.items()}
