"""What a table of a snapshot may have for columns: those that labelsnap writes, each once and in its type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tasks.records.schema import CLASSES, LEFT, PROBLEMS, SCHEMAS
from tasks.snapshots.manifest import damaged

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

_TABLES: Final = "tables/"
_SCHEMAS: Final[Mapping[str, pa.Schema]] = {**SCHEMAS, "classes": CLASSES, "problems": PROBLEMS, "left": LEFT}


def check_columns(rows: pa.Table | pa.RecordBatch, name: str) -> None:
    """Check rows of the file of this logical path; tables of later versions may have other columns too.

    Raises StorageRefusedError where a column stands twice, has another type than it is written in, or is null where it
    never is.
    """
    names = rows.schema.names
    if len(set(names)) != len(names):
        raise damaged(name, "two columns of one name")
    schema = _SCHEMAS.get(name.removeprefix(_TABLES).partition("/")[0]) if name.startswith(_TABLES) else None
    if schema is None:
        return
    for column in (each for each in names if each in schema.names):
        expected, found = schema.field(column), rows.schema.field(column)
        if not found.type.equals(expected.type):
            raise damaged(name, f"the column {column} in the type {str(found.type)[:80]}, not {expected.type}")
        if not expected.nullable and rows.column(column).null_count:
            raise damaged(name, f"nothing in the column {column} of a row")
