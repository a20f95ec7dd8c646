"""The table of readers in ``labelsnap/formats/README.md``: what it says is what the tests run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

README: Final = Path(__file__).parents[2] / "labelsnap" / "formats" / "README.md"
HEADING: Final = "## Readers\n"
CODE: Final = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Row:
    """A reader of an output: its version, the lines of Python that load a split of a tree, and what is lost.

    The lines are given ``DIR``, the tree, ``SPLIT``, and ``OWN``, an empty folder. ``reader`` is its package.
    """

    reader: str
    version: str
    output: str
    python: str
    lost: str

    @property
    def tree(self) -> str:
        """The name of the tree that it reads."""
        return self.output.partition(" ")[0]


def read_table(text: str | None = None) -> dict[tuple[str, str], Row]:
    """Give the table's rows by reader and output. Raises ``ValueError`` where two are of the same."""
    body = (README.read_text(encoding="utf-8") if text is None else text).partition(HEADING)[2].partition("\n## ")[0]
    found: dict[tuple[str, str], Row] = {}
    for line in body.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or not CODE.search(cells[0]):
            continue
        reader, version, output, python, lost = cells
        lines = "\n".join(CODE.findall(python))
        row = Row(CODE.findall(reader)[0], version, output.replace("`", ""), lines, lost)
        if found.setdefault((row.reader, row.output), row) is not row:
            raise ValueError(f"{row.reader} stands twice for {row.output}.")
    return found
