"""Paths of a snapshot's files: relative, of names that every file system can hold, and that no tool obeys."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import accumulate
from typing import Final

from labelsnap.errors import StorageRefusedError
from labelsnap.records.choices.names import DEVICES, folded

HIDDEN: Final = frozenset({".class.txt"})
"""The names with a leading dot that formats write. No other is laid out: tools run what ``.git`` and ``.env`` say."""
LONGEST_NAME: Final = 255  # bytes of UTF-8 that common file systems have room for
LONGEST_PATH: Final = 1024
_FORBIDDEN: Final = frozenset('\\:*?"<>|')  # of Windows; a colon there begins another stream of the same file
_DEVICE: Final = re.compile(rf"(?:{DEVICES}) *(?:\..*)?|git~[0-9]+", re.IGNORECASE)
"""What Windows takes for a device, whatever its ending, and for the short name of ``.git``."""


def check_path(path: str) -> str:
    """Return a relative path with ``/`` that stays below any folder it is put in. Raises StorageRefusedError."""
    if len(path.encode(errors="replace")) > LONGEST_PATH or not all(map(_is_plain, path.split("/"))):
        shown = path if len(path) <= LONGEST_NAME else f"{path[:LONGEST_NAME]}…"
        raise StorageRefusedError(
            f"Expected a relative path of plain names, found {shown!r}.",
            remedy="The manifest, or the name it was made from, is damaged: pull another version of the dataset.",
            code="unsafe_path",
        )
    return path


def check_tree(paths: list[str]) -> None:
    """Check that the sorted paths can be one tree of files. Raises StorageRefusedError.

    Each is safe, none stands twice, and none is the folder of another, whatever a file system takes for the same name.
    """
    names = {folded(check_path(path)): path for path in paths}
    holding = {name.rpartition("/")[0] for name in names}
    folders = {folder for deepest in holding for folder in accumulate(deepest.split("/"), "{}/{}".format)}
    if clashing := sorted(names.keys() & folders):
        raise _clash(f"{names[clashing[0]]!r} as file and folder")
    if len(names) != len(paths):
        standing = Counter(map(folded, paths))
        name = next(name for name, count in standing.items() if count > 1)
        one, other, *_ = (path for path in paths if folded(path) == name)
        raise _clash(f"two files where some file system has one, {one!r} and {other!r}")
    if paths != sorted(paths):
        raise _clash("unsorted ones")


@lru_cache(maxsize=1024)  # folders come again and again
def _is_plain(name: str) -> bool:
    dotted = name.startswith(".") and name not in HIDDEN
    return not (
        not name
        or dotted
        or name.endswith((".", " "))
        or len(name.encode(errors="replace")) > LONGEST_NAME
        or not name.isprintable()
        or not _FORBIDDEN.isdisjoint(name)
        or _DEVICE.fullmatch(name)
    )


def _clash(found: str) -> StorageRefusedError:
    return StorageRefusedError(
        f"Expected paths that make one sorted tree, found {found}.",
        remedy="Give every file of a snapshot a path of its own.",
        code="path_clash",
    )
