"""A list of rows and their splits: CSV in UTF-8 with a line of names first, read line by line.

One column is ``data_row_id``, ``global_key`` or ``external_id``, one ``split``; others are passed over. A row that is
not listed, or whose split is empty, has none by it.
"""

from __future__ import annotations

import csv
from array import array
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from xxhash import xxh3_128_intdigest

from labelsnap.records.choices.split_sources import SplitNameError, split_called
from labelsnap.records.choices.splits import SPLITS
from labelsnap.records.parsing.identity import row_id, row_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from labelsnap.records.choices.split_sources import Names

    Found: TypeAlias = tuple[int, str, str | None]
    """Number of a line, from 1, an id and its split."""

MOST_LINES: Final = 2_000_000
LONGEST_LINE: Final = 16_384
"""Bytes of one line."""
KEYS: Final = ("data_row_id", "global_key", "external_id")
_HALF: Final = (1 << 64) - 1
_PLACES: Final = {None: 0} | {split: place for place, split in enumerate(SPLITS, start=1)}
_NAMES: Final = {place: split or "" for split, place in _PLACES.items()}


class SplitFileError(ValueError):
    """A line cannot be used. The message names it by its number, and repeats nothing of it: it may be any file's."""


class SplitTable:
    """Splits by id, in some 20 bytes a row: digests of ids in their order."""

    def __init__(self, key: str, high: Sequence[int], low: Sequence[int], places: Sequence[int]) -> None:
        self._field = "id" if key == KEYS[0] else key
        digests = np.asarray(high, np.uint64), np.asarray(low, np.uint64)
        order = np.lexsort(digests[::-1])
        self._high, self._low = (each[order] for each in digests)
        self._places = np.asarray(places, np.uint8)[order]

    def __len__(self) -> int:
        return len(self._places)

    def split_of(self, key: str) -> str:
        """Return the split of an id; "": it has none."""
        high, low = _halves(key)
        first, end = (int(np.searchsorted(self._high, np.uint64(high), side=side)) for side in ("left", "right"))
        found = (place for place in range(first, end) if self._low[place] == low)
        return next((_NAMES[int(self._places[place])] for place in found), "")

    def of_line(self, line: bytes) -> str:
        """Return the split of the row that a line of an export is about; "": it has none."""
        key = row_id(line) if self._field == "id" else row_key(line, self._field)
        return self.split_of(key.strip()) if key else ""


def read_splits(lines: Iterable[bytes], names: Names) -> SplitTable:
    """Read a list. Raises ``SplitFileError`` for the first line that cannot be used."""
    reader = csv.reader(_decoded(lines), strict=True)
    try:
        key, columns = _columns(next(reader, []))
        high, low, places, numbers = array("Q"), array("Q"), array("B"), array("L")
        for number, name, split in _rows(reader, columns, names):
            digest = _halves(name)
            high.append(digest[0])
            low.append(digest[1])
            places.append(_PLACES[split])
            numbers.append(number)
    except csv.Error as error:
        raise SplitFileError(f"line {reader.line_num} is no CSV ({error})") from None
    _check_once(high, low, places, numbers)
    return SplitTable(key, high, low, places)


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if number > MOST_LINES or len(line) > LONGEST_LINE:
            raise SplitFileError(
                f"line {number} is one too many, of {MOST_LINES:,} at most"
                if number > MOST_LINES
                else f"line {number} is longer than {LONGEST_LINE:,} bytes"
            )
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise SplitFileError(f"line {number} is not UTF-8 text") from None


def _columns(header: Sequence[str]) -> tuple[str, tuple[int, int]]:
    """Return which id the list is by, and the places of ids and splits."""
    named = [name.strip() for name in header]
    keys = [name for name in named if name in KEYS]
    if len(keys) != 1 or named.count("split") != 1:
        raise SplitFileError(
            f"line 1 is expected to name one of {', '.join(KEYS)}, and split, once, found {len(named)} other columns"
        )
    return keys[0], (named.index(keys[0]), named.index("split"))


def _rows(reader: Any, columns: tuple[int, int], names: Names) -> Iterator[Found]:
    known: dict[str, str | None] = {}
    for row in reader:
        if not row:
            continue
        number = reader.line_num
        if len(row) <= max(columns):
            raise SplitFileError(f"line {number} has {len(row)} columns, and {max(columns) + 1} are needed")
        name, said = (row[column].strip() for column in columns)
        if not name:
            raise SplitFileError(f"line {number} has no id")
        if said not in known:
            try:
                known[said] = split_called(said, names)
            except SplitNameError as error:
                raise SplitFileError(f"line {number}: {error}") from None
        yield number, name, known[said]


def _check_once(high: array[int], low: array[int], places: array[int], numbers: array[int]) -> None:
    """Raise where an id has two splits, with the numbers of two such lines."""
    digests = np.asarray(high, np.uint64), np.asarray(low, np.uint64)
    order = np.lexsort((np.asarray(numbers), *digests[::-1]))
    sorted_high, sorted_low = (each[order] for each in digests)
    splits, lines = np.asarray(places)[order], np.asarray(numbers)[order]
    is_same = (sorted_high[1:] == sorted_high[:-1]) & (sorted_low[1:] == sorted_low[:-1])
    if len(differing := np.flatnonzero(is_same & (splits[1:] != splits[:-1]))):
        first = differing[np.argmin(lines[1:][differing])]
        raise SplitFileError(f"line {lines[first + 1]} has the id of line {lines[first]}, and another split")


def _halves(key: str) -> tuple[int, int]:
    digest = xxh3_128_intdigest(key.encode())
    return digest >> 64, digest & _HALF
