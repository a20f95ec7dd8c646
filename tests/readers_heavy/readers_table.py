"""The table of readers in ``tasks/formats/README.md``: what it says is what the tests run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

README: Final = Path(__file__).parents[2] / "tasks" / "formats" / "README.md"
HEADING: Final = "## Readers\n"
CODE: Final = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Row:
    """A reader of an output: its version, the lines of Python that load a split of a tree, and what is lost.

    The lines are given ``DIR``, the tree, and ``SPLIT``.
    """

    reader: str
    version: str
    output: str
    python: str
    lost: str


def read_table(text: str | None = None) -> dict[tuple[str, str], Row]:
    """Give the table's rows by reader and output. Raises ``ValueError`` where two are of the same."""
    body = (README.read_text(encoding="utf-8") if text is None else text).partition(HEADING)[2].partition("\n## ")[0]
    found: dict[tuple[str, str], Row] = {}
    for line in body.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| `"):
            continue
        reader, version, output, python, lost = cells
        row = Row(reader.strip("`"), version, output.strip("`"), "\n".join(CODE.findall(python)), lost)
        if found.setdefault((row.reader, row.output), row) is not row:
            raise ValueError(f"{row.reader} stands twice for {row.output}.")
    return found
