"""What the pages of a Parquet file unpack to, by their own headers: a footer may tell less than its pages hold.

A reader makes room for what a page's header says, and for one value each that it counts, however few bytes stand for
them. Format: parquet-format, ``parquet.thrift`` (PageHeader), in Thrift's compact protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from pyarrow import Buffer
    from pyarrow.parquet import ColumnChunkMetaData

MOST_PAGES: Final = 1 << 14  # of one column chunk; a page has thousands of values
HEADER_BYTES: Final = 1 << 20  # of one page; statistics may hold two values
MAGIC_BYTES: Final = 4  # at the beginning of a file, where no page is
_DEEPEST: Final = 8  # structs within structs
_LONGEST: Final = 10  # bytes of a number
_MORE, _SEVEN = 0x80, 0x7F
_NUMBERS: Final = (4, 5, 6)  # kinds of fields: of 16, 32 and 64 bits
_BYTES: Final = {1: 0, 2: 0, 3: 1, 7: 8}  # of two that say true and false, of a byte, and of a fraction
_BINARY, _STRUCT = 8, 12
_UNPACKED, _PACKED, _DATA, _DICTIONARY, _DATA_V2 = 2, 3, 5, 7, 8  # fields of PageHeader
_VALUES: Final = 1  # of each of the three

_Numbers: TypeAlias = dict[tuple[int, ...], int]
"""Numbers of a struct and of those in it, by their fields' ids from the outermost."""


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
        header, length = _header_in(whole[start : min(start + HEADER_BYTES, end)])
        size, packed = header.get((_UNPACKED,), 0), header.get((_PACKED,), 0)
        if size < 0 or packed < 0:
            raise PagesError("a page of a negative size")
        unpacked += size
        values += max(header.get((_DATA, _VALUES), 0), header.get((_DATA_V2, _VALUES), 0))
        dictionary += size if (_DICTIONARY, _VALUES) in header else 0
        start += length + packed
    raise PagesError(f"more than {MOST_PAGES} pages of one column")


def _header_in(content: memoryview) -> tuple[_Numbers, int]:
    """Return the numbers in the struct that begins here, and in those within it, and how long it is."""
    found: _Numbers = {}
    try:
        return found, _noted(content, 0, (), found)
    except IndexError:
        raise PagesError("a header that is cut, or longer than any") from None


def _noted(content: memoryview, place: int, path: tuple[int, ...], found: _Numbers) -> int:
    """Note the numbers in the struct that begins at a place; return where it ends. Raises IndexError where it is cut.

    Every page of every table that is read comes through here: a byte costs no call.
    """
    if len(path) > _DEEPEST:
        raise PagesError("a header that is nested too deep")
    field = 0
    while head := content[place]:
        place += 1
        if head >> 4:
            field += head >> 4
        else:
            field, place = _signed(content, place)
        kind = head & 0x0F
        if kind in _NUMBERS:
            found[(*path, field)], place = _signed(content, place)
        elif kind in _BYTES:
            place += _BYTES[kind]
        elif kind == _BINARY:
            length, place = _unsigned(content, place)
            place += length
        elif kind == _STRUCT:
            place = _noted(content, place, (*path, field), found)
        else:
            raise PagesError("a header with what no header has")
    return place + 1


def _signed(content: memoryview, place: int) -> tuple[int, int]:
    """Return the number at a place, and where what follows it begins."""
    value, place = _unsigned(content, place)
    return (value >> 1) ^ -(value & 1), place


def _unsigned(content: memoryview, place: int) -> tuple[int, int]:
    value = content[place]
    if value < _MORE:
        return value, place + 1
    value &= _SEVEN
    for more in range(1, _LONGEST):
        byte = content[place + more]
        value |= (byte & _SEVEN) << 7 * more
        if byte < _MORE:
            return value, place + more + 1
    raise PagesError("a number without end")
