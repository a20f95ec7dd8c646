"""Samples ↔ the canonical Arrow tables, and tables → Parquet. ../README.md describes every column.

``from_tables(to_tables(samples))`` gives the same samples, ordered by data row id: nothing is lost in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import parquet

from labelsnap.records.choices.classes import Class, ClassRegistry
from labelsnap.records.model import Problem
from labelsnap.records.ontology import Feature, Ontology, is_colour
from labelsnap.records.tables.join import Tables, joined, rows_of
from labelsnap.records.tables.read import OF_MASKS, STANDING, from_tables, standing_of
from labelsnap.records.tables.schema import CLASSES, ONTOLOGY, PROBLEMS
from labelsnap.records.tables.write import to_tables

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "OF_MASKS",
    "STANDING",
    "Tables",
    "classes_of",
    "classes_schema",
    "classes_table",
    "from_tables",
    "joined",
    "ontology_of",
    "ontology_table",
    "problems_of",
    "problems_table",
    "rows_of",
    "standing_of",
    "to_tables",
    "write_table",
]

_ROWS_IN_A_GROUP = 65_536
COLOUR = "colour"
_DERIVED = ("position", "name")
"""Columns of the ontology that its others tell."""


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
    """Return the registry as a table, one class a row, with the name that is its own.

    Where no class has a colour there is no column of them, as in versions of before.
    """
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
    schema = classes_schema(registry)
    if COLOUR in schema.names:
        columns[COLOUR] = [each.colour for each in classes]
    return pa.table(columns, schema=schema)


def classes_schema(registry: ClassRegistry) -> pa.Schema:
    """Return the columns of the registry's table."""
    return CLASSES if registry.has_colours else CLASSES.remove(CLASSES.get_field_index(COLOUR))


def classes_of(table: pa.Table) -> ClassRegistry:
    """Return the registry that ``classes_table`` wrote. Raises ValueError for a colour that is none."""
    rows = table.to_pylist()
    if any(not is_colour(row[COLOUR]) for row in rows if row.get(COLOUR) is not None):
        message = "a colour that is none"
        raise ValueError(message)
    return ClassRegistry(
        tuple(
            Class(
                row["id"],
                row["feature_schema_id"],
                row["name"],
                tuple(row["previous_names"]),
                row["removed"],
                tuple(row["kinds"]),
                row.get(COLOUR),
            )
            for row in rows
        ),
        tuple(sorted({row["name"] for row in rows if row["merged"]})),
    )


def ontology_table(ontology: Ontology) -> pa.Table:
    """Return an ontology as a table, one feature a row, in its order."""
    features = ontology.features
    columns = {name: [getattr(each, name) for each in features] for name in ONTOLOGY.names if name != "position"}
    return pa.table({"position": list(range(len(features))), **columns}, schema=ONTOLOGY)


def ontology_of(table: pa.Table) -> Ontology:
    """Return the ontology that ``ontology_table`` wrote. Raises ValueError where a feature hangs on a later one.

    So it does for a colour that is none.
    """
    features = []
    for number, row in enumerate(table.select([name for name in ONTOLOGY.names if name not in _DERIVED]).to_pylist()):
        feature = Feature(**row | {"path": tuple(row["path"])})
        if feature.colour is not None and not is_colour(feature.colour):
            message = "a colour that is none"
            raise ValueError(message)
        if not feature.path or (feature.parent is not None and not 0 <= feature.parent < number):
            message = "a feature without a name, or one that hangs on a later one"
            raise ValueError(message)
        features.append(feature)
    return Ontology(tuple(features))


def problems_table(problems: Iterable[Problem]) -> pa.Table:
    """Return problems as a table, in the order given."""
    found = list(problems)
    columns = {name: [getattr(problem, name) for problem in found] for name in PROBLEMS.names}
    return pa.table(columns, schema=PROBLEMS)


def problems_of(table: pa.Table) -> list[Problem]:
    """Return the problems that ``problems_table`` wrote."""
    return [Problem(**row) for row in table.select(PROBLEMS.names).to_pylist()]
