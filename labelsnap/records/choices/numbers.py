"""A number for every row, for formats whose images have numbers: the row's own, whatever rows come and go around it.

It is made of the row id's hash. Rows fall into 2^24 cells, and the number is that of the cell; rows that share a cell
are counted through in the order of their ids. So no two rows of a dataset have one number, no list of numbers has to be
kept, and a row that comes or goes moves the number of those alone that share its cell: about one row in a thousand
where there are ten thousand.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

CELLS: Final = 1 << 24
"""Cells, and so the greatest number of buckets: rows of one cell are in one bucket, and can be counted there."""


def hash_of(key: bytes) -> int:
    """The first 64 bits of the sha256 of a row id, or of a whole line that has none."""
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big")


def numbers(row_ids: Iterable[str]) -> dict[str, int]:
    """The numbers of rows by id, from 1; of a row's cell all rows must be given.

    With up to 127 rows in a cell, which two thousand million rows do not reach, a number has 31 bits.
    """
    found: dict[str, int] = {}
    seen: Counter[int] = Counter()
    for row_id in sorted(row_ids):
        cell = hash_of(row_id.encode()) % CELLS
        found[row_id] = 1 + cell + CELLS * seen[cell]
        seen[cell] += 1
    return found


def bucket_of_number(number: int, count: int) -> int:
    """The bucket, of ``count`` (a power of two), of the row with this number."""
    return (number - 1) % count
