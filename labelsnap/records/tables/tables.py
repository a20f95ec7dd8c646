"""Samples ↔ the canonical Arrow tables, and tables → Parquet. ../README.md describes every column.

``from_tables(to_tables(samples))`` gives the same samples, ordered by data row id: nothing is lost in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import parquet

from labelsnap.records.choices.classes import Class, ClassRegistry
from labelsnap.records.model import Problem
from labelsnap.records.tables.join import Tables, joined, rows_of
from labelsnap.records.tables.read import OF_MASKS, STANDING, from_tables, standing_of
from labelsnap.records.tables.schema import CLASSES, PROBLEMS
from labelsnap.records.tables.write import to_tables

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "OF_MASKS",
    "STANDING",
    "Tables",
    "classes_of",
    "classes_table",
    "from_tables",
    "joined",
    "problems_of",
    "problems_table",
    "rows_of",
    "standing_of",
    "to_tables",
    "write_table",
]

_ROWS_IN_A_GROUP = 65_536


def write_table(table: pa.Table) -> bytes:
    """Return a table as Parquet (version 2.6, zstd); one content and one pyarrow version give one sequence of bytes."""
    sink = pa.BufferOutputStream()
    parquet.write_table(
        table.combine_chunks(),
        sink,
        version="2.6",
        compression="zstd",
        row_group_size=_ROWS_IN_A_GROUP,
        data_page_version="1.0",
        store_schema=True,
    )
    written: bytes = sink.getvalue().to_pybytes()
    return written


def classes_table(registry: ClassRegistry) -> pa.Table:
    """Return the registry as a table, one class a row, with the name that is its own."""
    names = registry.unique_names()
    merged = frozenset(registry.merged)
    classes = registry.classes
    columns = {
        "id": [each.id for each in classes],
        "feature_schema_id": [each.feature_schema_id for each in classes],
        "name": [each.name for each in classes],
        "previous_names": [each.previous_names for each in classes],
        "removed": [each.removed for each in classes],
        "kinds": [each.kinds for each in classes],
        "unique_name": [names[each.id] for each in classes],
        "merged": [not each.removed and each.name in merged for each in classes],
    }
    return pa.table(columns, schema=CLASSES)


def classes_of(table: pa.Table) -> ClassRegistry:
    """Return the registry that ``classes_table`` wrote."""
    rows = table.to_pylist()
    return ClassRegistry(
        tuple(
            Class(
                row["id"],
                row["feature_schema_id"],
                row["name"],
                tuple(row["previous_names"]),
                row["removed"],
                tuple(row["kinds"]),
            )
            for row in rows
        ),
        tuple(sorted({row["name"] for row in rows if row["merged"]})),
    )


def problems_table(problems: Iterable[Problem]) -> pa.Table:
    """Return problems as a table, in the order given."""
    found = list(problems)
    columns = {name: [getattr(problem, name) for problem in found] for name in PROBLEMS.names}
    return pa.table(columns, schema=PROBLEMS)


def problems_of(table: pa.Table) -> list[Problem]:
    """Return the problems that ``problems_table`` wrote."""
    return [Problem(**row) for row in table.select(PROBLEMS.names).to_pylist()]
