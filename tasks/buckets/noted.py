"""What was done about published rows that were not quite as expected, counted from their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tasks.buckets.receipt import Counts
    from tasks.records.tables import Tables

NOTED: Final[tuple[str, ...]] = ()
"""The counts, as ``BLOCK.COUNT`` of a refresh's result."""


def noted(tables: Tables) -> Counts:  # noqa: ARG001 - each of ``NOTED`` will be counted here
    """Count by name; zeros included."""
    return dict.fromkeys(NOTED, 0)
