"""Folders and files below a folder, reached by its descriptor: no link that is put on the way is gone through."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


@contextmanager
def opened_folder(root: Path, names: Iterable[str], *, make: bool = False) -> Iterator[int]:
    """Give the descriptor of the folder that lies below the root (resolved) under these names, one in another.

    ``make``: those that are missing are made so that they survive a power cut. Raises NotADirectoryError for a link,
    and FileNotFoundError for a folder that is not there, or that somebody removes just now.
    """
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in names:
            below = _made(name, descriptor) if make else os.open(name, _FOLDER, dir_fd=descriptor)
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
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        with suppress(FileExistsError):  # somebody else made it, and may have removed it since
            os.mkdir(name, dir_fd=folder)
        os.fsync(folder)
        return os.open(name, _FOLDER, dir_fd=folder)
