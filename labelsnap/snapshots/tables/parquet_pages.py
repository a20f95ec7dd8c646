"""What the pages of a Parquet file unpack to, by their own headers: a footer may tell less than its pages hold.

A reader makes room for what a page's header says, and for one value each that it counts, however few bytes stand for
them. Format: parquet-format, ``parquet.thrift`` (PageHeader), in Thrift's compact protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyarrow import Buffer
    from pyarrow.parquet import ColumnChunkMetaData

MOST_PAGES: Final = 1 << 14  # of one column chunk; a page has thousands of values
HEADER_BYTES: Final = 1 << 20  # of one page; statistics may hold two values
MAGIC_BYTES: Final = 4  # at the beginning of a file, where no page is
_DEEPEST: Final = 8  # structs within structs
_LONGEST: Final = 10  # bytes of a number
_MORE, _SEVEN = 0x80, 0x7F
_UNPACKED, _PACKED, _DATA, _DICTIONARY, _DATA_V2 = 2, 3, 5, 7, 8  # fields of PageHeader
_VALUES: Final = 1  # of each of the three


class Pages(NamedTuple):
    """What the pages of a column chunk hold together: bytes unpacked, values counted, and bytes of its dictionary."""

    unpacked: int
    values: int
    dictionary: int


class PagesError(ValueError):
    """Headers of pages that are none."""


def pages_of(content: Buffer, chunk: ColumnChunkMetaData) -> Pages:
    """Walk the pages of one column chunk of a file; no page is unpacked. Raises PagesError."""
    start = chunk.data_page_offset
    if start < MAGIC_BYTES:  # as it is where there are no values
        return Pages(0, 0, 0)
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < start:
        start = chunk.dictionary_page_offset
    end = start + chunk.total_compressed_size
    if not 0 <= start <= end <= content.size:
        raise PagesError("pages outside of the file")
    whole = memoryview(content).cast("B")
    unpacked = values = dictionary = 0
    for _ in range(MOST_PAGES):
        if start >= end:
            return Pages(unpacked, values, dictionary)
        reader = _Reader(whole[start : min(start + HEADER_BYTES, end)])
        header = dict(reader.fields())
        size, packed = header.get((_UNPACKED,), 0), header.get((_PACKED,), 0)
        if size < 0 or packed < 0:
            raise PagesError("a page of a negative size")
        unpacked += size
        values += max(header.get((_DATA, _VALUES), 0), header.get((_DATA_V2, _VALUES), 0))
        dictionary += size if (_DICTIONARY, _VALUES) in header else 0
        start += reader.place + packed
    raise PagesError(f"more than {MOST_PAGES} pages of one column")


class _Reader:
    """Reads one struct of Thrift's compact protocol."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self.place = 0

    def fields(self, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], int]]:
        """Give the numbers in a struct and those in it, by their fields' ids from the outermost; pass over the rest."""
        if len(path) > _DEEPEST:
            raise PagesError("a header that is nested too deep")
        field = 0
        while kind := self._byte():
            field = field + (kind >> 4) if kind >> 4 else self._number()
            match kind & 0x0F:
                case 1 | 2:
                    pass
                case 3:
                    self.place += 1
                case 4 | 5 | 6:
                    yield (*path, field), self._number()
                case 7:
                    self.place += 8
                case 8:
                    length = self._length()
                    self.place += length
                case 12:
                    yield from self.fields((*path, field))
                case _:
                    raise PagesError("a header with what no header has")

    def _byte(self) -> int:
        if self.place >= len(self._content):
            raise PagesError("a header that is cut, or longer than any")
        self.place += 1
        found: int = self._content[self.place - 1]
        return found

    def _length(self) -> int:
        value = shift = 0
        while shift < 7 * _LONGEST:
            byte = self._byte()
            value |= (byte & _SEVEN) << shift
            if byte < _MORE:
                return value
            shift += 7
        raise PagesError("a number without end")

    def _number(self) -> int:
        value = self._length()
        return (value >> 1) ^ -(value & 1)
