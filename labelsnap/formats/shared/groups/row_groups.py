"""Parquet files of rows, by groups of them; what stands of rows is taken from the file of before.

A group is in memory at a time. One that stands as a whole is a span of the file of before, and is not read. Of one that
stands in part rows pass from one table to the other as columns: neither images nor labels are decoded. Where a group
has the rows of one of before with their images, the columns of these are a span of it, and the others are written.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeAlias

import pyarrow as pa
from pyarrow import parquet

from labelsnap.formats.interface import Span
from labelsnap.formats.shared.groups.footers import MAGIC, Columns, Footer, footer_of
from labelsnap.formats.shared.groups.standing import CONTENT, ID, IMAGE, Earlier, Place
from labelsnap.memory import Turns, give_back
from labelsnap.records.choices.numbers import hash_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from labelsnap.formats.interface import Shard, Standing
    from labelsnap.formats.shared.groups.standing import Group
    from labelsnap.records.model import Sample

Row: TypeAlias = "dict[str, Any]"

ROWS_IN_A_GROUP: Final = 100  # what the Hub's viewer reads at once of a dataset with images
BYTES_IN_A_GROUP: Final = 8 << 20  # a group takes some five times as much while it is written
ROWS_TO_AN_END: Final = 64
"""One row of so many ends a group."""
_HIGH: Final = 32
_ALL: Final = 1 << 16
"""No group has so many columns."""
_TURNS: Final = Turns(1)
"""Those in which groups are written: each takes several times its images' bytes meanwhile."""


class _Stretch(NamedTuple):
    """Columns of a group that begin at ``start``: of the number that the ``writer`` gave it, or the table of before."""

    writer: _Writer | None
    number: int
    first: int
    last: int
    start: int


@dataclass(frozen=True, slots=True)
class RowGroups:
    """Tables of a schema; a column ``image`` of it, which is the first, has the bytes of images."""

    schema: pa.Schema

    def written(self, shard: Shard, row: Callable[[Sample], Row]) -> Iterator[bytes]:
        """Give a table of the rows of a shard, each as ``row`` makes it."""
        with _Writer(self.schema) as writer:
            for group in _groups(row(sample) for sample in shard.samples()):
                yield from writer.add(group)
        yield from writer.taken()

    def renewed(self, row: Callable[[Sample], Row], standing: Standing) -> Iterator[bytes | Span]:
        """Give the same bytes, of which those of rows that stand are taken from before. Raises NotThereError."""
        before, earlier = Footer(standing.file), Earlier(standing.file, self.schema, ROWS_IN_A_GROUP)
        rows = (row(each.sample) if each.sample else earlier.found(each.id) for each in standing.rows)
        places: list[list[_Stretch]] = []
        at = len(MAGIC)
        with _Writer(self.schema) as fresh, _Writer(_without_images(self.schema)) as beside:
            yield from fresh.taken()
            beside.taken()
            for group in _groups(rows):
                stands = _stretch_of(group)
                is_whole = stands is not None and len(group) == len(stands.ids)
                of_place: list[_Stretch] = []
                if stands := stands if is_whole else _with_images_of(group):
                    standing_columns = stands.columns if is_whole else stands.columns[: stands.of_images]
                    size = sum(standing_columns)
                    of_place.append(_Stretch(None, stands.index, 0, len(standing_columns), at))
                    yield Span(stands.start, size)
                    at += size
                if not is_whole:
                    writer = beside if stands else fresh
                    of_place.append(_Stretch(writer, writer.count, 0, _ALL, at))
                    content = b"".join(writer.add(group))
                    yield content
                    at += len(content)
                places.append(of_place)
        if not places:
            yield from fresh.taken()
            return
        footers = {None: before, fresh: fresh.footer(), beside: beside.footer()}
        told = [[Columns(footers[each.writer], *each[1:]) for each in of_place] for of_place in places]
        yield footer_of(told, footers[fresh], at)


def _without_images(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field for field in schema if field.name != IMAGE])


def _groups(rows: Iterable[Row | Place]) -> Iterator[list[Row | Place]]:
    """Divide rows by their number and the sizes of their images.

    One row of so many ends its group, whichever those before it are: so groups behind one that comes or goes stand.
    Rows that stand were divided so before, and their images are not looked at for it.
    """
    group: list[Row | Place] = []
    held = measured = 0
    for row in rows:
        group.append(row)
        if len(group) < ROWS_IN_A_GROUP and not _is_last(_id_of(row)):
            stands = _stretch_of(group)
            if stands and len(group) < len(stands.ids):
                continue
            if not stands or stands.is_last:
                held += sum(map(_size_of, group[measured:]))
                measured = len(group)
                if held < BYTES_IN_A_GROUP:
                    continue
        del row
        yield group
        group, held, measured = [], 0, 0
    if group:
        yield group


def _stretch_of(rows: Sequence[Row | Place]) -> Group | None:
    """The group of before that these rows are the first of, if they are."""
    first = rows[0]
    if not isinstance(first, Place):
        return None
    of_one = all(
        isinstance(row, Place) and row.group is first.group and row.at == place for place, row in enumerate(rows)
    )
    return first.group if of_one else None


def _with_images_of(rows: Sequence[Row | Place]) -> Group | None:
    """The group of before whose rows these are, each with its image, if they are: some of them have other labels."""
    stands = next((row.group for row in rows if isinstance(row, Place)), None)
    if stands is None or not stands.of_images or [_id_of(row) for row in rows] != stands.ids:
        return None
    images = stands.rows[IMAGE]
    made = ((place, row) for place, row in enumerate(rows) if not isinstance(row, Place))
    return stands if all(images[place].as_py() == row[IMAGE] for place, row in made) else None


def _is_last(row_id: str) -> bool:
    """Whether a group ends with this row: by the hash's high bits, for a shard's rows have the low ones in common."""
    return (hash_of(row_id.encode()) >> _HIGH) % ROWS_TO_AN_END == 0


def _id_of(row: Row | Place) -> str:
    found: str = row.group.ids[row.at] if isinstance(row, Place) else row[ID]
    return found


def _size_of(row: Row | Place) -> int:
    """How many bytes the image of a row has."""
    return row.group.sizes[row.at] if isinstance(row, Place) else len(row.get(IMAGE, {}).get(CONTENT) or b"")


class _Writer:
    """Writes groups, and gives the bytes as they come: when it is closed, those that tell of all ``count`` groups."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._pending = _Pending()
        self._size = 0
        self.count = 0
        self._writer = parquet.ParquetWriter(
            self._pending,
            schema,
            version="2.6",
            compression="zstd",
            use_dictionary=[name for name in schema.names if name != IMAGE],
            write_page_index=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.count:
            self._writer.write_table(self._schema.empty_table())  # pyarrow 18 reads no file without a group
        self._writer.close()

    def footer(self) -> Footer:
        """What is told of the groups, once it is closed and nothing was taken since. Raises NotThereError."""
        begin = self._size
        return Footer(io.BytesIO(b"".join(self.taken())), begin)

    def add(self, group: list[Row | Place]) -> list[bytes]:
        """Write a group of rows that were made, or stand; it is let go."""
        with _TURNS.one():
            table = _joined(group, self._schema)
            group.clear()
            self._writer.write_table(table)
            self.count += 1
            del table
            give_back()
        return self.taken()

    def taken(self) -> list[bytes]:
        """The bytes since the last call."""
        taken = self._pending.taken()
        self._size += sum(map(len, taken))
        return taken


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


def _joined(group: Sequence[Row | Place], schema: pa.Schema) -> pa.Table:
    """Make a table of rows, those that stand in runs of neighbours."""
    numbered = enumerate(group)
    pieces: list[pa.Table] = []
    for place, run in groupby(numbered, lambda each: _neighbours(*each)):
        rows = [row for _, row in run]
        if place is None:
            pieces.append(pa.Table.from_pylist(rows, schema=schema))
        else:
            first: Any = rows[0]
            pieces.append(first.group.rows.select(schema.names).slice(first.at, len(rows)))
    return pa.concat_tables(pieces).combine_chunks()


def _neighbours(number: int, row: Row | Place) -> tuple[int, int] | None:
    """Say what is the same for rows that stand one behind another; None for those that were made."""
    return (id(row.group), row.at - number) if isinstance(row, Place) else None
