"""Lists in JSON documents, an item a line, of which an earlier version of the dataset has most.

The items of a row that did not change are the lines that the earlier document has of it; those of the other rows are
made. An item begins with a number that says whose it is: its first value, modulo 2^32, is the row's number.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from labelsnap.formats.shared.documents import encode
from labelsnap.records.choices.numbers import bucket_of_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from labelsnap.formats.interface import Row
    from labelsnap.formats.shared.extras import JsonObject
    from labelsnap.records.model import Sample

NUMBERS: Final = 1 << 32


class KeptLines:
    """The items of one list of an earlier document by row, one bucket in memory at a time; none is read unasked.

    ``lines`` are the document's; it has rows in the order of buckets (of ``buckets``), as they are asked for.
    """

    def __init__(self, lines: Iterator[bytes], name: str, buckets: int) -> None:
        self._rows = groupby(_items(lines, name), itemgetter(0))
        self._buckets = buckets
        self._bucket = -1
        self._held: dict[int, list[bytes]] = {}
        self._next: tuple[int, Iterator[tuple[int, bytes]]] | None = None

    def of(self, number: int) -> list[bytes]:
        """The items of the row with this number, without what stands between items."""
        bucket = bucket_of_number(number, self._buckets)
        if bucket != self._bucket:
            self._load(bucket)
        return self._held.get(number, [])

    def _load(self, bucket: int) -> None:
        held: defaultdict[int, list[bytes]] = defaultdict(list)
        while row := self._next or next(self._rows, None):
            self._next = row
            number, found = row
            of_row = bucket_of_number(number, self._buckets)
            if of_row > bucket:
                break
            if of_row == bucket:
                held[number] += [line for _, line in found]
            self._next = None
        self._bucket, self._held = bucket, held


def items(rows: Iterable[Row], make: Callable[[int, Sample], Iterable[JsonObject]], kept: KeptLines) -> Iterator[bytes]:
    """Give the encoded items of rows: made of a row's number and sample, or taken from the earlier list."""
    for row in rows:
        if row.sample is not None:
            yield from map(encode, make(row.number, row.sample))
        else:
            yield from kept.of(row.number)


def _items(lines: Iterator[bytes], name: str) -> Iterator[tuple[int, bytes]]:
    """Give a list's items, each with its row's number; ``name`` is the list's key, "" for a document that is a list."""
    opening = f'"{name}":[\n'.encode() if name else b"[\n"
    for line in lines:
        if line == opening:
            break
    for line in lines:
        if line.startswith(b"]"):
            break
        first = line[line.index(b":") + 1 : line.index(b",")]
        yield int(first) % NUMBERS, line.rstrip(b",\n")
