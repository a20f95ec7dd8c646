"""Folders and files below a folder, reached by its descriptor: no link that is put on the way is gone through."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_LISTED: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_PASSED: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW
"""Of a folder that is only gone through: as a path needs it, the right to search it and not that to list it."""
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


@contextmanager
def opened_folder(root: Path, names: Iterable[str], *, make: bool = False, listed: bool = False) -> Iterator[int]:
    """Give the descriptor of the folder that lies below the root (resolved) under these names, one in another.

    ``make``: those that are missing are made so that they survive a power cut. ``listed``: what is given can be listed.
    Raises NotADirectoryError for a link, and FileNotFoundError for a folder that is not there, or that somebody removes
    just now.
    """
    flags = _LISTED if make or listed else _PASSED
    descriptor = os.open(root, flags & ~os.O_NOFOLLOW)
    try:
        for name in names:
            below = _made(name, descriptor) if make else os.open(name, flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def opened_file(name: str, folder: int) -> int:
    """Open a file to be read, and wait for nobody. Raises OSError where it is a link."""
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)


def new_file(name: str, folder: int) -> int:
    """Make a file to be written, where nothing stands. Raises FileExistsError."""
    return os.open(name, _NEW_FILE, 0o666, dir_fd=folder)


def _made(name: str, folder: int) -> int:
    try:
        return os.open(name, _LISTED, dir_fd=folder)
    except FileNotFoundError:
        with suppress(FileExistsError):  # somebody else made it, and may have removed it since
            os.mkdir(name, dir_fd=folder)
        os.fsync(folder)
        return os.open(name, _LISTED, dir_fd=folder)
