"""The table of readers, the tests that run its lines, and the versions that they run with say the same."""

from __future__ import annotations

import ast
import re
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from tests.readers_heavy.outputs import OUTPUTS
from tests.readers_heavy.readers_table import README, Row, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAVY = README.parents[2] / "tests" / "readers_heavy"


def marks(path: Path) -> Iterator[tuple[str, str]]:
    """Give the reader and the output of each mark ``reads`` of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reads":
            reader, output = map(ast.literal_eval, node.args)
            yield reader, output


def pins(folder: Path) -> dict[str, str]:
    """Give the versions that an environment has, by the names of packages."""
    lines = chain.from_iterable(path.read_text(encoding="utf-8").split() for path in folder.glob("*.txt"))
    found = dict(line.split("==") for line in lines if "==" in line)
    return {re.sub("[-_.]+", "-", name).lower(): version for name, version in found.items()}


def test_every_row_is_a_test_and_every_test_has_a_row() -> None:
    """Reader and output of the table are those of the marks."""
    marked = [mark for path in sorted(HEAVY.glob("*/test_*.py")) for mark in marks(path)]
    assert sorted(read_table()) == sorted(set(marked))


def test_versions_are_those_that_are_pinned() -> None:
    """The version of a row is its environment's."""
    table = read_table()
    for path in HEAVY.glob("*/test_*.py"):
        pinned = pins(path.parent)
        for mark in marks(path):
            assert table[mark].version == pinned[mark[0]], mark


@pytest.mark.parametrize("row", read_table().values(), ids=lambda row: f"{row.reader}-{row.output}")
def test_the_lines_are_python_for_a_tree_that_is_made(row: Row) -> None:
    """Each compiles, and reads one of the trees."""
    assert compile(row.python, row.reader, "exec")
    assert row.tree in OUTPUTS
