"""Parquet files of rows, by groups of them; what stands of rows is taken from the file of before.

A group is in memory at a time. Rows that stand pass from one table to the other as columns: neither images nor labels
are decoded. Where a group has the images of one of before, its first columns have the same bytes, and are a span of it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from labelsnap.formats.interface import NotThereError, Span
from labelsnap.memory import Turns, give_back
from labelsnap.records.choices.numbers import hash_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from labelsnap.formats.interface import Shard, Standing
    from labelsnap.records.model import Sample

Row: TypeAlias = "dict[str, Any]"

ROWS_IN_A_GROUP: Final = 100  # what the Hub's viewer reads at once of a dataset with images
BYTES_IN_A_GROUP: Final = 8 << 20  # a group takes some five times as much while it is written
ROWS_TO_AN_END: Final = 64
"""One row of so many ends a group."""
_ROWS_AT_ONCE: Final = 16
_LABELS_BYTES: Final = 1 << 28
"""A hundred rows of ten thousand objects have less."""
_HIGH: Final = 32
_ID: Final = "data_row_id"
_IMAGE: Final = "image"
_CONTENT: Final = "bytes"
_MAGIC: Final = b"PAR1"
_TURNS: Final = Turns(1)
"""Those in which groups are written: each takes several times its images' bytes meanwhile."""


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """A group of rows as it stands, with their ids, the sizes of their images and those of its columns, all in bytes.

    The columns lie one behind another from ``start``.
    """

    rows: pa.Table
    ids: Sequence[str]
    sizes: Sequence[int]
    start: int
    columns: Sequence[int]


class _Place(NamedTuple):
    """A row that stands: its group, and its place there."""

    group: _Group
    at: int


@dataclass(frozen=True, slots=True)
class RowGroups:
    """Tables of a schema; a column ``image`` of it has the bytes of images."""

    schema: pa.Schema

    def written(self, shard: Shard, row: Callable[[Sample], Row]) -> Iterator[bytes]:
        """Give a table of the rows of a shard, each as ``row`` makes it."""
        with _Writer(self.schema) as writer:
            for group in _groups(_sized(row(sample)) for sample in shard.samples()):
                yield from writer.add(group)
        yield from writer.taken()

    def renewed(self, row: Callable[[Sample], Row], standing: Standing) -> Iterator[bytes | Span]:
        """Give the same bytes, of which those of rows that stand are taken from before. Raises NotThereError."""
        earlier = _Earlier(standing.file, self.schema)
        rows: Iterator[tuple[Row | _Place, int]] = (
            _sized(row(each.sample)) if each.sample else earlier.found(each.id) for each in standing.rows
        )
        with _Writer(self.schema) as writer:
            for group in _groups(rows):
                before = dict.fromkeys(each.group for each in group if isinstance(each, _Place))
                content = b"".join(writer.add(group))
                yield from _spanned(content, before, standing.file)
        yield from writer.taken()


def _sized(row: Row) -> tuple[Row, int]:
    """Say how many bytes the image of a row has."""
    return row, len(row.get(_IMAGE, {}).get(_CONTENT) or b"")


def _groups(rows: Iterable[tuple[Row | _Place, int]]) -> Iterator[list[Row | _Place]]:
    """Divide rows, each with the size of its image in bytes.

    One row of so many ends its group, whichever those before it are: so groups behind one that comes or goes stand.
    """
    group: list[Row | _Place] = []
    held = 0
    for row, size in rows:
        group.append(row)
        held += size
        if len(group) >= ROWS_IN_A_GROUP or held >= BYTES_IN_A_GROUP or _is_last(_id_of(row)):
            del row
            yield group
            group, held = [], 0
    if group:
        yield group


def _is_last(row_id: str) -> bool:
    """Whether a group ends with this row: by the hash's high bits, for a shard's rows have the low ones in common."""
    return (hash_of(row_id.encode()) >> _HIGH) % ROWS_TO_AN_END == 0


def _id_of(row: Row | _Place) -> str:
    found: str = row.group.ids[row.at] if isinstance(row, _Place) else row[_ID]
    return found


class _Writer:
    """Writes groups, and gives the bytes as they come: when it is closed, those that tell of all groups."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._pending = _Pending()
        self._written = False
        self._writer = parquet.ParquetWriter(
            self._pending,
            schema,
            version="2.6",
            compression="zstd",
            use_dictionary=[name for name in schema.names if name != _IMAGE],
            write_page_index=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._written:
            self._writer.write_table(self._schema.empty_table())  # pyarrow 18 reads no file without a group
        self._writer.close()

    def add(self, group: list[Row | _Place]) -> list[bytes]:
        """Write a group of rows that were made, or stand; it is let go."""
        with _TURNS.one():
            table = _joined(group, self._schema)
            group.clear()
            self._writer.write_table(table)
            self._written = True
            del table
            give_back()
        return self.taken()

    def taken(self) -> list[bytes]:
        """The bytes since the last call."""
        return self._pending.taken()


class _Pending(io.RawIOBase):
    """A file to write to, whose bytes are taken away as they come."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        return len(self._parts[-1])

    def taken(self) -> list[bytes]:
        """The bytes since the last call."""
        taken, self._parts = self._parts, []
        return taken


class _Earlier:
    """The rows of a table of before, in their order; a group of it is read at a time."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._groups = _groups_of(file, schema)
        self._group: _Group | None = None
        self._at = 0

    def found(self, row_id: str) -> tuple[_Place, int]:
        """Find a row, behind those that were found, and how many bytes its image has. Raises NotThereError."""
        while True:
            group = self._group
            if group is None or self._at == len(group.ids):
                self._group, self._at = next(self._groups, None), 0
                if self._group is None:
                    raise NotThereError(f"no row {row_id!r} behind those before it")
                continue
            self._at += 1
            if group.ids[self._at - 1] == row_id:
                return _Place(group, self._at - 1), group.sizes[self._at - 1]


def _groups_of(file: BinaryIO, schema: pa.Schema) -> Iterator[_Group]:
    """Read the groups of a table. Raises NotThereError where it is no table of this schema."""
    try:
        table = parquet.ParquetFile(file)
        if not table.schema_arrow.equals(schema):
            raise NotThereError("columns of other types")
        for index in range(table.num_row_groups):
            rows = _rows_of(table, index, schema)
            group = table.metadata.row_group(index)
            chunks = [group.column(place) for place in range(group.num_columns)]
            start = chunks[0].dictionary_page_offset if chunks[0].has_dictionary_page else chunks[0].data_page_offset
            sizes = [chunk.total_compressed_size for chunk in chunks]
            yield _Group(rows, rows[_ID].to_pylist(), _image_sizes(rows), start, sizes)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise NotThereError(f"what is no table that can be read ({error})") from error


def _rows_of(table: parquet.ParquetFile, index: int, schema: pa.Schema) -> pa.Table:
    """Read a group. Raises NotThereError where it has more than any that was written: a few bytes may say a lot."""
    if table.metadata.row_group(index).num_rows > ROWS_IN_A_GROUP:
        raise NotThereError(f"a group of more than {ROWS_IN_A_GROUP} rows")
    columns = [name for name in schema.names if name != _IMAGE]
    batches: list[pa.RecordBatch] = []
    held = 0
    for batch in table.iter_batches(_ROWS_AT_ONCE, row_groups=[index], use_threads=False):
        held += batch.select(columns).nbytes
        if held > _LABELS_BYTES:
            raise NotThereError(f"a group with more than {_LABELS_BYTES} bytes beside its images")
        batches.append(batch)
    whole = pa.Table.from_batches(batches, schema=table.schema_arrow).combine_chunks()
    return pa.Table.from_arrays(whole.columns, schema=schema)


def _image_sizes(rows: pa.Table) -> list[int]:
    if _IMAGE not in rows.schema.names:
        return [0] * len(rows)
    sizes: list[int] = pc.fill_null(pc.binary_length(pc.struct_field(rows[_IMAGE], _CONTENT)), 0).to_pylist()
    return sizes


def _joined(group: Sequence[Row | _Place], schema: pa.Schema) -> pa.Table:
    """Make a table of rows, those that stand in runs of neighbours."""
    numbered = enumerate(group)
    pieces: list[pa.Table] = []
    for place, run in groupby(numbered, lambda each: _neighbours(*each)):
        rows = [row for _, row in run]
        if place is None:
            pieces.append(pa.Table.from_pylist(rows, schema=schema))
        else:
            first: Any = rows[0]
            pieces.append(first.group.rows.slice(first.at, len(rows)))
    return pa.concat_tables(pieces).combine_chunks()


def _neighbours(number: int, row: Row | _Place) -> tuple[int, int] | None:
    """Say what is the same for rows that stand one behind another; None for those that were made."""
    return (id(row.group), row.at - number) if isinstance(row, _Place) else None


def _spanned(content: bytes, before: Iterable[_Group], file: BinaryIO) -> Iterator[bytes | Span]:
    """Give the bytes of a group; its first columns as the longest span of the groups of before that begins so."""
    at = len(_MAGIC) if content.startswith(_MAGIC) else 0
    spans = (Span(group.start, _same(content, at, group, file)) for group in before)
    longest = max(spans, key=lambda span: span.size, default=Span(0, 0))
    if not longest.size:
        yield content
        return
    yield content[:at]
    yield longest
    yield content[at + longest.size :]


def _same(content: bytes, at: int, group: _Group, file: BinaryIO) -> int:
    """Return how many bytes of the first columns of a group of before stand in ``content`` from there on."""
    size = 0
    for column in group.columns:
        file.seek(group.start + size)
        if not content.startswith(file.read(column), at + size):
            break
        size += column
    return size
