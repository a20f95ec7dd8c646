"""What stands behind the groups of a Parquet file, put together for columns that come from one file or another.

The bytes of a column are the same wherever it stands; where its pages lie is told behind all groups, in the index of
pages and in the footer. Format: parquet-format, ``parquet.thrift`` (FileMetaData, OffsetIndex), in Thrift's compact
protocol. All that is not known here is passed on as it is.
"""

from __future__ import annotations

from io import SEEK_END
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from labelsnap.formats.interface import NotThereError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import BinaryIO

MAGIC: Final = b"PAR1"
_LENGTH: Final = 4  # bytes of the footer's length, before the magic at the end

_ROWS, _GROUPS = 3, 4  # fields of FileMetaData
_CHUNKS, _COUNT, _GROUP_AT, _ORDINAL = 1, 3, 5, 7  # of RowGroup
_CHUNK_AT, _META, _OFFSETS_AT, _OFFSETS_SIZE, _VALUES_AT, _VALUES_SIZE = 2, 3, 4, 5, 6, 7  # of ColumnChunk
_DATA_AT, _INDEX_AT, _DICTIONARY_AT = 9, 10, 11  # of ColumnMetaData
_PAGES_AT: Final = (_DATA_AT, _INDEX_AT, _DICTIONARY_AT)
_FILTER_AT: Final = 14  # of ColumnMetaData: a Bloom filter lies apart from the pages
_SUMS: Final = (
    (2, 6),
    (6, 7),
)  # of RowGroup, and of its columns' ColumnMetaData: bytes unpacked, and as they are
_LOCATIONS, _AT = 1, 1  # of OffsetIndex, and of each PageLocation in it

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _STRUCT = 1, 2, 3, 7, 8, 9, 12
_NUMBERS: Final = (4, 5, 6)  # of 16, 32 and 64 bits
_SIZES: Final = {_BYTE: 1, _DOUBLE: 8}
_MANY: Final = 15  # items of a list, or a step between fields, that do not stand in its first byte
_DEEPEST: Final = 16  # structs and lists within each other
_MORE, _SEVEN = 0x80, 0x7F
_LONGEST: Final = 64  # bits of a number

Struct: TypeAlias = "dict[int, tuple[int, Any]]"
"""The kind and the value of each field: a number, bytes, a struct, or the kind and the values of a list."""


class Footer:
    """What a table tells of its groups; ``file`` is the table, or what of it stands from the byte ``begin`` on.

    Raises NotThereError where it is not as this code writes it.
    """

    def __init__(self, file: BinaryIO, begin: int = 0) -> None:
        self._file = file
        self._begin = begin
        self._end = begin + file.seek(0, SEEK_END)
        length = int.from_bytes(self.read(self._end - _LENGTH - len(MAGIC), _LENGTH), "little")
        content = self.read(self._end - _LENGTH - len(MAGIC) - length, length)
        try:
            self.told, size = _read_struct(content, 0)
            groups: list[Struct] = self.told[_GROUPS][1][1]
        except (IndexError, KeyError, TypeError) as error:
            raise NotThereError("a footer that is cut") from error
        if size != length or _struct(self.told) != content:
            raise NotThereError("a footer that is written otherwise")
        self.groups = groups

    def read(self, offset: int, size: int) -> bytes:
        """Read so many bytes of the table. Raises NotThereError where it has fewer."""
        if not self._begin <= offset <= offset + size <= self._end:
            raise NotThereError("a footer that tells of what is not there")
        self._file.seek(offset - self._begin)
        return self._file.read(size)


class Columns(NamedTuple):
    """Columns of a group, from one to before another, that begin at ``start`` in a new table.

    The group is known by the footer that tells of it, and its number there.
    """

    footer: Footer
    number: int
    first: int
    last: int
    start: int


def footer_of(groups: Iterable[Sequence[Columns]], like: Footer, at: int) -> bytes:
    """Give all that stands behind the groups of a table, from its byte ``at`` on; ``like`` has the same columns.

    First comes what is told of the values of pages, then where these begin, each for all groups. Raises NotThereError.
    """
    try:
        return _footer_of(groups, like, at)
    except NotThereError:
        raise
    except (IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise NotThereError("a footer that has not what footers have") from error


def _footer_of(groups: Iterable[Sequence[Columns]], like: Footer, at: int) -> bytes:
    found: list[Struct] = []
    values: list[bytes] = []
    offsets: list[tuple[Struct, bytes]] = []
    for place, pieces in enumerate(groups):
        group = dict(pieces[0].footer.groups[pieces[0].number])
        chunks: list[Struct] = []
        for footer, number, first, last, start in pieces:
            of_piece = footer.groups[number][_CHUNKS][1][1][first:last]
            by = start - _start(of_piece[0])
            for before in of_piece:
                if _FILTER_AT in before[_META][1]:
                    raise NotThereError("a filter of values, which this code does not write")
                chunk = _moved(before, (_CHUNK_AT,), by)
                chunk[_META] = _STRUCT, _moved(chunk[_META][1], _PAGES_AT, by)
                if _VALUES_AT in chunk:
                    values.append(footer.read(before[_VALUES_AT][1], before[_VALUES_SIZE][1]))
                    _set(chunk, _VALUES_AT, at)
                    at += len(values[-1])
                if _OFFSETS_AT in chunk:
                    pages = footer.read(before[_OFFSETS_AT][1], before[_OFFSETS_SIZE][1])
                    offsets.append((chunk, _offsets(pages, by)))
                chunks.append(chunk)
        group[_CHUNKS] = _LIST, (_STRUCT, chunks)
        _set(group, _GROUP_AT, pieces[0].start)
        for of_group, of_chunk in _SUMS:
            _set(group, of_group, sum(chunk[_META][1][of_chunk][1] for chunk in chunks))
        if _ORDINAL in group:  # no more in pyarrow 26
            _set(group, _ORDINAL, place)
        found.append(group)
    for chunk, pages in offsets:
        _set(chunk, _OFFSETS_AT, at)
        _set(chunk, _OFFSETS_SIZE, len(pages))
        at += len(pages)
    told = dict(like.told)
    told[_GROUPS] = _LIST, (_STRUCT, found)
    _set(told, _ROWS, sum(group[_COUNT][1] for group in found))
    content = _struct(told)
    length = len(content).to_bytes(_LENGTH, "little")
    return b"".join((*values, *(pages for _, pages in offsets), content, length, MAGIC))


def _start(chunk: Struct) -> int:
    """Where a column begins: with its dictionary, if it has one."""
    told: Struct = chunk[_META][1]
    start: int = told[_DICTIONARY_AT if _DICTIONARY_AT in told else _DATA_AT][1]
    return start


def _offsets(content: bytes, by: int) -> bytes:
    """Give where the pages of a column begin, when the column has moved by so many bytes."""
    told, _ = _read_struct(content, 0)
    kind, locations = told[_LOCATIONS][1]
    told[_LOCATIONS] = _LIST, (kind, [_moved(each, (_AT,), by) for each in locations])
    return _struct(told)


def _moved(struct: Struct, fields: Iterable[int], by: int) -> Struct:
    """Give a struct in which places have moved by so many bytes; none where there is none, or it is 0."""
    moved = dict(struct)
    for field in fields:
        if field in moved and moved[field][1]:
            _set(moved, field, moved[field][1] + by)
    return moved


def _set(struct: Struct, field: int, value: int) -> None:
    """Change a number that is there."""
    struct[field] = struct[field][0], value


def _read_struct(content: bytes, at: int, depth: int = 0) -> tuple[Struct, int]:
    """Return the struct that begins at a byte, and where it ends. Raises IndexError where it is cut."""
    found: Struct = {}
    field = 0
    while head := content[at]:
        at += 1
        field += head >> 4
        if not head >> 4:
            field, at = _read_number(content, at)
        value, at = _read(content, at, head & 0x0F, depth)
        found[field] = head & 0x0F, value
    return found, at + 1


def _read(content: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    """Return the value of a kind that begins at a byte, and where it ends."""
    if kind in _NUMBERS:
        return _read_number(content, at)
    if kind in {_TRUE, _FALSE}:
        return None, at
    if kind == _STRUCT and depth < _DEEPEST:
        return _read_struct(content, at, depth + 1)
    if kind == _LIST and depth < _DEEPEST:
        count, of = content[at] >> 4, content[at] & 0x0F
        at += 1
        if count == _MANY:
            count, at = _read_length(content, at)
        if of in {_TRUE, _FALSE}:
            raise NotThereError("a footer with a list that none has")
        items: list[Any] = []
        for _ in range(count):
            item, at = _read(content, at, of, depth + 1)
            items.append(item)
        return (of, items), at
    size, at = _read_length(content, at) if kind == _BINARY else (_SIZES[kind], at)
    if at + size > len(content):
        raise IndexError
    return content[at : at + size], at + size


def _read_number(content: bytes, at: int) -> tuple[int, int]:
    value, at = _read_length(content, at)
    return (value >> 1) ^ -(value & 1), at


def _read_length(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := content[at]) & _MORE:
        value |= (byte & _SEVEN) << shift
        shift += 7
        at += 1
        if shift > _LONGEST:
            raise NotThereError("a footer with a number without end")
    return value | byte << shift, at + 1


def _struct(struct: Struct) -> bytes:
    """Give the bytes of a struct."""
    found = bytearray()
    before = 0
    for field, (kind, value) in struct.items():
        step = field - before
        if 0 < step <= _MANY:
            found.append(step << 4 | kind)
        else:
            found.append(kind)
            found += _number(field)
        found += _value(kind, value)
        before = field
    found.append(0)
    return bytes(found)


def _value(kind: int, value: Any) -> bytes:
    if kind in _NUMBERS:
        return _number(value)
    if kind in {_TRUE, _FALSE}:
        return b""
    if kind == _STRUCT:
        return _struct(value)
    if kind == _LIST:
        of, items = value
        head = bytes([len(items) << 4 | of]) if len(items) < _MANY else bytes([_MANY << 4 | of]) + _length(len(items))
        return head + b"".join(_value(of, item) for item in items)
    return _length(len(value)) + value if kind == _BINARY else bytes(value)


def _number(value: int) -> bytes:
    return _length(value << 1 if value >= 0 else (-value << 1) - 1)


def _length(value: int) -> bytes:
    found = bytearray()
    while value > _SEVEN:
        found.append(value & _SEVEN | _MORE)
        value >>= 7
    found.append(value)
    return bytes(found)
