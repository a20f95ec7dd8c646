"""Bodies as they come in: to a file; or as bytes, of which long ones are a file that is mapped and takes no memory."""

from __future__ import annotations

from mmap import ACCESS_READ, mmap
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import IO

HELD: Final = 1 << 20
"""Bytes of a body that is held in memory: honest masks have fewer."""


def collected(blocks: Iterable[bytes], directory: Path | None) -> bytes | mmap:
    """Return the bytes of a body; a long one lies in a file without a name in ``directory`` as long as it is used.

    ``directory`` None is the system's for temporary files.
    """
    with SpooledTemporaryFile(HELD, dir=str(directory) if directory else None) as file:
        for block in blocks:
            file.write(block)
        if (size := file.tell()) > HELD:
            file.flush()
            return mmap(file.fileno(), size, access=ACCESS_READ)
        file.seek(0)
        return file.read()


def write(blocks: Iterable[bytes], target: IO[bytes]) -> int:
    """Replace what a file holds; the number of bytes."""
    target.seek(0)
    target.truncate()
    return sum(target.write(block) for block in blocks)
