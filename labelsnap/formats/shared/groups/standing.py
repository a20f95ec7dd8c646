"""The groups of rows of a table that stands: which rows they have is read of each, and the rows where they are needed.

Images are the most of a table, and those of groups that stand as a whole are never unpacked.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from labelsnap.formats.interface import NotThereError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

ID: Final = "data_row_id"
IMAGE: Final = "image"
CONTENT: Final = "bytes"
_ROWS_AT_ONCE: Final = 16
_LABELS_BYTES: Final = 1 << 28
"""A hundred rows of ten thousand objects have less."""


class Group:
    """A group of rows as it stands, with their ids; ``is_last`` says that no other is behind it.

    Its columns, of so many bytes each, lie one behind another from ``start``; the first ``of_images`` have the images.
    Raises NotThereError where they do not.
    """

    def __init__(self, table: parquet.ParquetFile, schema: pa.Schema, index: int) -> None:
        self.index = index
        self.is_last = index + 1 == table.num_row_groups
        with _reading():
            told = table.metadata.row_group(index)
            chunks = [told.column(place) for place in range(told.num_columns)]
            starts = [
                chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
                for chunk in chunks
            ]
            self.start: int = starts[0]
            self.columns = [chunk.total_compressed_size for chunk in chunks]
            self.of_images = sum(chunk.path_in_schema.startswith(f"{IMAGE}.") for chunk in chunks)
        if any(start + size != behind for start, size, behind in zip(starts, self.columns, starts[1:], strict=False)):
            raise NotThereError("columns that do not lie one behind another")
        self._table, self._schema = table, schema
        self.ids: Sequence[str] = self._read([ID])[ID].to_pylist()

    @cached_property
    def rows(self) -> pa.Table:
        """The rows. Raises NotThereError."""
        return pa.Table.from_arrays(self._read(self._schema.names).columns, schema=self._schema)

    @cached_property
    def sizes(self) -> Sequence[int]:
        """The sizes of their images in bytes. Raises NotThereError."""
        if IMAGE not in self._schema.names:
            return [0] * len(self.ids)
        images = self.rows[IMAGE]
        sizes: list[int] = pc.fill_null(pc.binary_length(pc.struct_field(images, CONTENT)), 0).to_pylist()
        return sizes

    def _read(self, columns: Sequence[str]) -> pa.Table:
        """Read columns. Raises NotThereError where they have more than any: a few bytes may say a lot."""
        labels = [name for name in columns if name != IMAGE]
        batches: list[pa.RecordBatch] = []
        held = 0
        with _reading():
            found = self._table.iter_batches(
                _ROWS_AT_ONCE, row_groups=[self.index], columns=list(columns), use_threads=False
            )
            for batch in found:
                held += batch.select(labels).nbytes
                if held > _LABELS_BYTES:
                    raise NotThereError(f"a group with more than {_LABELS_BYTES} bytes beside its images")
                batches.append(batch)
            return pa.Table.from_batches(batches).combine_chunks() if batches else self._schema.empty_table()


class Place(NamedTuple):
    """A row that stands: its group, and its place there."""

    group: Group
    at: int


class Earlier:
    """The rows of a table of before, in their order; groups of it have ``most`` rows at most."""

    def __init__(self, file: BinaryIO, schema: pa.Schema, most: int) -> None:
        self._groups = _groups_of(file, schema, most)
        self._group: Group | None = None
        self._at = 0

    def found(self, row_id: str) -> Place:
        """Find a row, behind those that were found. Raises NotThereError."""
        while True:
            group = self._group
            if group is None or self._at == len(group.ids):
                self._group, self._at = next(self._groups, None), 0
                if self._group is None:
                    raise NotThereError(f"no row {row_id!r} behind those before it")
                continue
            self._at += 1
            if group.ids[self._at - 1] == row_id:
                return Place(group, self._at - 1)


def _groups_of(file: BinaryIO, schema: pa.Schema, most: int) -> Iterator[Group]:
    """Read the groups of a table. Raises NotThereError where it is no table of this schema."""
    with _reading():
        table = parquet.ParquetFile(file)
        if not table.schema_arrow.equals(schema):
            raise NotThereError("columns of other types")
    for index in range(table.num_row_groups):
        if table.metadata.row_group(index).num_rows > most:
            raise NotThereError(f"a group of more than {most} rows")
        yield Group(table, schema, index)


@contextmanager
def _reading() -> Iterator[None]:
    """Say of what cannot be read that it does not stand; raise what is the machine's fault as it is."""
    try:
        yield
    except NotThereError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise NotThereError(f"what is no table that can be read ({error})") from error
