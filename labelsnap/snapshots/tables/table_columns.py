"""What a table of a snapshot may have for columns: those that labelsnap writes, each once and in its type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from labelsnap.records.tables.schema import CLASSES, LEFT, OF_SOURCES, ONTOLOGY, PROBLEMS, SCHEMAS
from labelsnap.snapshots.manifest import damaged

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

IMAGES_SCHEMA: Final = pa.schema(
    [
        pa.field("data_row_id", pa.string(), nullable=False),
        pa.field("file_name", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("mime_type", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("orientation", pa.int8()),
        pa.field("turned", pa.bool_()),
        pa.field("etag", pa.string()),
        pa.field("last_modified", pa.string()),
        pa.field("unconfirmed", pa.bool_()),
        pa.field("pack", pa.string()),
        pa.field("offset", pa.int64()),
    ]
)
"""A row an image. ``size`` bytes with ``sha256`` lie in the object ``pack`` from ``offset``; null: not copied.

``etag`` and ``last_modified`` are of the file at its source, before anything was done to it.
"""

MISREAD: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, pa.ArrowException)
"""What is raised about columns that are missing, and values that no column of labelsnap's has."""
_TABLES: Final = "tables/"
_SCHEMAS: Final[Mapping[str, pa.Schema]] = {
    **SCHEMAS,
    **OF_SOURCES,
    "classes": CLASSES,
    "ontology": ONTOLOGY,
    "problems": PROBLEMS,
    "left": LEFT,
    "images": IMAGES_SCHEMA,
}
BUCKET_TABLES: Final = _SCHEMAS.keys() - {"classes", "ontology"}
"""The tables that are cut into buckets."""
_OF_OBJECTS: Final = frozenset({"has_area", "mask_overlap"})
_LATER: Final[Mapping[str, frozenset[str]]] = {
    "data_rows": frozenset(
        {
            "orientation",
            "turned",
            "converted_from",
            "labels_excluded",
            "annotations_dropped",
            "text_replaced",
            "mask_rule",
        }
    ),
    "labels": frozenset({"benchmark_reference_label", "benchmark_score"}),
    "annotations": _OF_OBJECTS,
    "predictions": _OF_OBJECTS,
    "images": frozenset({"orientation", "turned", "etag", "last_modified", "unconfirmed"}),
    "classes": frozenset({"colour"}),
}
"""The columns that tables did not always have."""


def check_present(names: Collection[str], name: str, wanted: Sequence[str] | None) -> None:
    """Check that the file of this logical path has a column of each name that it should have, of ``wanted`` if given.

    A field of a column is wanted as ``COLUMN.FIELD``. Raises StorageRefusedError.
    """
    schema = _schema_of(name)
    expected = [] if schema is None else schema.names
    if wanted is not None:
        asked = {each.partition(".")[0] for each in wanted}
        expected = [each for each in expected if each in asked]
    absent = [each for each in expected if each not in names and each not in _LATER.get(_table_of(name), ())]
    if absent:
        raise damaged(name, f"no column {absent[0]}")


def check_columns(rows: pa.Table | pa.RecordBatch, name: str) -> None:
    """Check rows of the file of this logical path; tables of later versions may have other columns too.

    Raises StorageRefusedError where a column stands twice, has another type than it is written in, or is null where it
    never is.
    """
    names = rows.schema.names
    if len(set(names)) != len(names):
        raise damaged(name, "two columns of one name")
    schema = _schema_of(name)
    if schema is None:
        return
    for column in (each for each in names if each in schema.names):
        expected, found = schema.field(column), rows.schema.field(column)
        if not _is_part(found.type, expected.type):
            raise damaged(name, f"the column {column} in the type {str(found.type)[:80]}, not {expected.type}")
        if not expected.nullable and rows.column(column).null_count:
            raise damaged(name, f"nothing in the column {column} of a row")


def without_rows(table: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a table of this name without rows; of ``columns``, of which a field is ``COLUMN.FIELD``, if given."""
    schema = _SCHEMAS[table]
    asked = schema.names if columns is None else [each.partition(".")[0] for each in columns]
    return pa.Table.from_batches([], schema).select([name for name in dict.fromkeys(asked) if name in schema.names])


def _is_part(found: pa.DataType, expected: pa.DataType) -> bool:
    """Whether a type is the expected one, or a struct of some of its fields: a reader may ask for those alone."""
    if not (pa.types.is_struct(found) and pa.types.is_struct(expected)):
        return bool(found.equals(expected))
    fields = {field.name: field.type for field in expected}
    return all(field.name in fields and _is_part(field.type, fields[field.name]) for field in found)


def _table_of(name: str) -> str:
    return name.removeprefix(_TABLES).partition("/")[0] if name.startswith(_TABLES) else ""


def _schema_of(name: str) -> pa.Schema | None:
    return _SCHEMAS.get(_table_of(name))
