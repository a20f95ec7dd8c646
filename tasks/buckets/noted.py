"""What was done about published rows that were not quite as expected, counted from their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow.compute as pc

if TYPE_CHECKING:
    from tasks.buckets.receipt import Counts
    from tasks.records.tables import Tables

NOTED: Final = ("images.turned",)
"""The counts, as ``BLOCK.COUNT`` of a refresh's result."""


def noted(tables: Tables) -> Counts:
    """Count by name; zeros included."""
    return {"images.turned": pc.sum(tables["data_rows"]["turned"]).as_py() or 0}
