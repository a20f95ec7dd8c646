"""Parquet files, read in one place: their columns in the types of today, and whose fault it is when they are not read.

What comes here was compared with its hash. So a file that is no Parquet was written so, and so was a page that is
cut; what else pyarrow says of a file whose footer it understood is about pyarrow, and nothing is damaged.
"""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import pyarrow as pa
from pyarrow import parquet

from labelsnap.errors import ReaderTooOldError, StorageError
from labelsnap.memory import Turns
from labelsnap.snapshots.manifest import damaged
from labelsnap.snapshots.tables.parquet_pages import PagesError, pages_of
from labelsnap.snapshots.tables.table_columns import check_columns, check_present
from labelsnap.storage.interface import DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Columns: TypeAlias = "Sequence[str] | None"
_Rows = TypeVar("_Rows", pa.Table, pa.RecordBatch)

_ARROWS_SCHEMA: Final = b"ARROW:schema"  # a key in a footer, before Arrow's types
_UNKNOWN: Final = b"arrow.schema"  # of the same length
_BATCH_ROWS: Final = 1024
_HELD_ROWS: Final = 1 << 17  # of a table that is held whole: nearly all have fewer
_EXPANDED: Final = DOCUMENT_BYTES // 2  # bytes that one batch takes at most
_BATCH_BYTES: Final = 2 << 20  # and so many by what its pages unpack to: images are larger than other values
_WHOLE: Final = Turns(max(1, (os.cpu_count() or 1) // 2))
"""Those in which tables are read whole, one for two cores: for a moment that takes twice what they have."""
MOST_VALUES: Final = 1 << 27  # of one column of a file, those in lists counted each
MOST_ROWS: Final = 1 << 24  # of a table that is held whole: of one bucket, or of classes


def batches(path: Path, name: str, columns: Columns = None) -> Iterator[pa.RecordBatch]:
    """Read a Parquet file in batches; ``name`` says which it is.

    Raises StorageRefusedError where it is no whole Parquet, or unpacks to more than any, ReaderTooOldError where the
    installed pyarrow does not read it, StorageError where it takes more memory than there is, and what else is the
    machine's fault (see ``is_machines``) as it is.
    """
    with pa.OSFile(str(path)) as source, _opened(source, name) as file, pa.memory_map(str(path)) as mapped:
        yield from _batches(mapped.read_buffer(), file, name, columns, _BATCH_ROWS)  # headers alone are looked at there


def check_pages(path: Path, name: str) -> None:
    """Look at the pages of a file that is read otherwise. Raises StorageRefusedError where they unpack to too much."""
    with pa.OSFile(str(path)) as source, _opened(source, name) as file, pa.memory_map(str(path)) as mapped:
        _checked_pages(mapped.read_buffer(), file.metadata, name, None)


def _batches(
    content: pa.Buffer, file: parquet.ParquetFile, name: str, columns: Columns, rows: int
) -> Iterator[pa.RecordBatch]:
    """Read a file's batches of so many rows, or of fewer where the pages may unpack to too much at once."""
    with _reading(name):
        check_present(file.schema_arrow.names, name, columns)
        if not file.num_row_groups:  # which pyarrow 18 does not read
            return
        rows = max(1, min(rows, _checked_pages(content, file.metadata, name, columns)))
        found = file.iter_batches(rows, columns=_listed(columns), use_threads=False)
    while True:
        with _reading(name):
            batch = next(found, None)
        if batch is None:
            return
        yield _checked(batch, name)


def _checked_pages(content: pa.Buffer, footer: parquet.FileMetaData, name: str, columns: Columns) -> int:
    """Return how many rows may be read at once, by the pages' own headers: a footer may tell less than they hold.

    Of rows as large as those of a group are on average a batch has ``_BATCH_BYTES``. A dictionary's value may stand in
    each row, at the cost of a bit. Raises StorageRefusedError where a column unpacks to more than any has.
    """
    wanted = None if columns is None else {each.partition(".")[0] for each in columns}
    fewest = MOST_ROWS
    for index in range(footer.num_row_groups):
        group = footer.row_group(index)
        unpacked = repeated = 0
        for place in range(group.num_columns):
            chunk = group.column(place)
            if wanted is not None and chunk.path_in_schema.partition(".")[0] not in wanted:
                continue
            try:
                pages = pages_of(content, chunk)
            except PagesError as error:
                raise damaged(name, f"what is no whole Parquet ({error})") from error
            unpacked += pages.unpacked
            if pages.values > MOST_VALUES or unpacked > DOCUMENT_BYTES:
                raise damaged(name, f"columns of {pages.values} values and {unpacked} bytes")
            if pages.values * pages.dictionary > _EXPANDED:
                repeated += pages.dictionary
        if repeated:
            fewest = min(fewest, _EXPANDED // repeated)
        if unpacked > _BATCH_BYTES:
            fewest = min(fewest, group.num_rows * _BATCH_BYTES // unpacked)
    return fewest


def read_whole(content: bytes, name: str, columns: Columns = None) -> pa.Table:
    """Read a small Parquet file whole, like ``batches``. Raises StorageRefusedError too where it is a large one."""
    buffer = pa.py_buffer(content)
    with _WHOLE.one(), _opened(pa.BufferReader(buffer), name) as file:
        if (rows := file.metadata.num_rows) > MOST_ROWS:
            raise damaged(name, f"a table of {rows} rows")
        found: list[pa.RecordBatch] = []
        size = 0
        for batch in _batches(buffer, file, name, columns, _HELD_ROWS):
            size += batch.nbytes
            if size > DOCUMENT_BYTES:
                raise damaged(name, f"a table of more than {DOCUMENT_BYTES} bytes")
            found.append(batch)
        with _reading(name):
            if not found:
                return _checked(file.read(columns=_listed(columns), use_threads=False), name)
            return pa.Table.from_batches(found).combine_chunks()


def is_machines(error: BaseException) -> bool:
    """Say whether a failure to read is this machine's: its memory, or what its operating system reports."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None)


def reader_too_old(name: str, found: object) -> ReaderTooOldError:
    """Return the error for what is stored as it was written, and is not read by the pyarrow that is installed."""
    return ReaderTooOldError(
        f"Expected a pyarrow that reads {name}, found {pa.__version__}, which does not ({found}).",
        remedy="Nothing is damaged. pyarrow 26 reads every table that labelsnap ever wrote: "
        "`pip install --upgrade 'pyarrow>=26,<27'`. If it is installed, please report this.",
        code="reader_too_old",
    )


@contextmanager
def _opened(source: pa.NativeFile, name: str) -> Iterator[parquet.ParquetFile]:
    """Open a Parquet file, by Parquet's own types where those of Arrow beside them have lists of a fixed length.

    Structs of earlier tables have such lists; Parquet has none, so that they are the plain lists of today.
    """
    with _reading(name, footer=True):
        file = parquet.ParquetFile(source)
        if _has_fixed_lists(file.schema_arrow):
            file = parquet.ParquetFile(source, metadata=_without_arrows_schema(file.metadata))
    with file:
        yield file


def _has_fixed_lists(schema: pa.Schema) -> bool:
    kinds = list(schema.types)
    while kinds:
        kind = kinds.pop()
        if pa.types.is_fixed_size_list(kind):
            return True
        kinds.extend(kind.field(place).type for place in range(kind.num_fields))
    return False


def _without_arrows_schema(footer: parquet.FileMetaData) -> parquet.FileMetaData:
    """Return a footer in which Arrow's schema stands under a name that no reader looks for."""
    target = io.BytesIO()
    footer.write_metadata_file(target)
    return parquet.read_metadata(io.BytesIO(target.getvalue().replace(_ARROWS_SCHEMA, _UNKNOWN)))


@contextmanager
def _reading(name: str, *, footer: bool = False) -> Iterator[None]:
    """Say whose fault it is where pyarrow fails; it has an ``OSError`` without a number for pages that are damaged."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise damaged(name, "a name of a column that is no text") from error
    except MemoryError as error:
        raise StorageError(
            f"Expected {name} to be read in the memory of this machine, found that it has not enough.",
            remedy="Read it on a machine with more memory, or with fewer LABELSNAP_WORKERS. If all tables of the "
            "dataset are small, look who wrote this one.",
            code="out_of_memory",
        ) from error
    except (OSError, pa.ArrowException) as error:
        if is_machines(error):
            raise
        if isinstance(error, OSError) or (footer and not isinstance(error, NotImplementedError)):
            raise damaged(name, f"what is no whole Parquet ({error})") from error
        raise reader_too_old(name, error) from error


def _listed(columns: Columns) -> list[str] | None:
    return None if columns is None else list(columns)


def _checked(rows: _Rows, name: str) -> _Rows:
    """Return rows as they are.

    Raises StorageRefusedError for columns that are none of labelsnap's, and for text that is no Unicode, which pyarrow
    reads without a word and cannot make values of.
    """
    with _reading(name):
        check_columns(rows, name)
    try:
        rows.validate(full=True)
    except pa.ArrowInvalid as error:
        raise damaged(name, f"values that cannot be ({error})") from error
    return rows
