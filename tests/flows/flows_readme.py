"""What flows/README.md says, in parts that tests can compare."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "flows" / "README.md").read_text(encoding="utf-8")


def section(heading):
    """What stands below a heading, to the next one."""
    return re.split(r"^#+ ", README.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(heading):
    """What stands as code in the first cells of the table below a heading."""
    rows = re.findall(r"^\| (`[^|]*`) \|", section(heading), re.MULTILINE)
    return [code for cell in rows for code in re.findall(r"`([^`]+)`", cell)]


def documented_keys():
    """The keys of a refresh's result, each with names from outside in capitals: ``formats.NAME.held.KIND``."""
    return set(first_cells("refresh, backfill and reprocess"))


def undocumented(result):
    """The keys of a refresh's result, with dots, that the page does not have; what is below one of its keys it has."""
    known = [key.split(".") for key in documented_keys()]

    def is_known(path):
        return any(
            len(key) <= len(path)
            and all(part.isupper() or part == found for part, found in zip(key, path, strict=False))
            for key in known
        )

    return {".".join(path) for path in _paths(result) if not is_known(path)}


def _paths(content, above=()):
    """The keys of every value that is no object."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _paths(value, (*above, key))
        else:
            yield (*above, key)
