"""The README's tables of columns are the schemas."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from labelsnap.records.tables.schema import CLASSES, LEFT, OF_SOURCES, ONTOLOGY, PROBLEMS, SCHEMAS

README = Path(__file__).parents[2] / "labelsnap/records/README.md"
OTHERS = {"classes": CLASSES, "left": LEFT, "ontology": ONTOLOGY, "problems": PROBLEMS}
DOCUMENTED = {**SCHEMAS, **OTHERS, "sources": OF_SOURCES["sources"]}


def columns_of(table: str) -> dict[str, str]:
    """What the README says of a table: its columns in order, each with the cell of its type."""
    found: dict[str, str] = {}
    for heading, section in re.findall(
        r"^### ([\w, ]+):.*?$(.*?)(?=^###|\Z)", README.read_text(), re.DOTALL | re.MULTILINE
    ):
        if table in heading.split(", "):
            for names, kinds in re.findall(r"^\| ([\w, ]+) \| ([^|]*) \|", section, re.MULTILINE):
                found |= dict.fromkeys(names.split(", "), kinds)
    found.pop("column")
    return found


def spelling(kind: pa.DataType) -> str:
    """How the README spells a type, without what is nested in it."""
    return "struct" if pa.types.is_struct(kind) else "list" if pa.types.is_list(kind) else str(kind)


@pytest.mark.parametrize("table", DOCUMENTED)
def test_readme_names_every_column(table: str) -> None:
    """Each table's columns stand in the README, with their types, and no others."""
    columns = columns_of(table)
    assert sorted(columns) == sorted(DOCUMENTED[table].names)
    for field in DOCUMENTED[table]:
        assert spelling(field.type) in columns[field.name], field.name
