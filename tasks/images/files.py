"""Bounded reads of a file at any place, and changes written into it."""

from __future__ import annotations

import struct
from os import SEEK_END
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO

BLOCK: Final = 1 << 20
METADATA_BYTES: Final = 16 << 20
"""A larger block of metadata is taken out unread."""
UNREADABLE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    RuntimeError,
    AssertionError,
    struct.error,
)
"""What Pillow raises about bytes that are not what it expects."""


class ImageDamagedError(ValueError):
    """The bytes are not what the container asks for in a place that had to be read."""


class Edit(NamedTuple):
    """The bytes from ``start`` to ``end`` give way to others."""

    start: int
    end: int
    content: bytes


class Found(NamedTuple):
    """What readers see, and the edits after which they see none: an orientation (1 to 8; None where there is none)."""

    orientation: int | None = None
    edits: tuple[Edit, ...] = ()


def size_of(file: IO[bytes]) -> int:
    """Return the length of a file in bytes."""
    return file.seek(0, SEEK_END)


def read_at(file: IO[bytes], start: int, size: int) -> bytes:
    """Read so many bytes, or as many as there are."""
    file.seek(start)
    return file.read(size)


def read_whole(file: IO[bytes], start: int, size: int) -> bytes:
    """Read just so many bytes. Raises ``ImageDamagedError`` where there are fewer."""
    content = read_at(file, start, size)
    if len(content) != size:
        raise ImageDamagedError(f"it ends within the {size} bytes at {start}")
    return content


def shifted(edits: Iterable[Edit], by: int) -> tuple[Edit, ...]:
    """Return edits of a part of a file that begins so many bytes into it."""
    return tuple(Edit(start + by, end + by, content) for start, end, content in edits)


def edited(content: bytes, edits: Iterable[Edit]) -> bytes:
    """Return bytes with edits made that change no length."""
    made = bytearray(content)
    for start, end, new in edits:
        made[start:end] = new
    return bytes(made)


def edit(file: IO[bytes], edits: Iterable[Edit]) -> None:
    """Make edits in a file, from the last to the first, so that each is where it was found to be."""
    for start, end, content in sorted(edits, reverse=True):
        _move(file, end, start + len(content))
        file.seek(start)
        file.write(content)


def _move(file: IO[bytes], start: int, target: int) -> None:
    """Move all bytes from ``start`` on to ``target``, block after block."""
    size = size_of(file)
    if start == target:
        return
    starts = range(start, size, BLOCK)
    for place in starts if target < start else reversed(starts):
        block = read_at(file, place, BLOCK)
        file.seek(place - start + target)
        file.write(block)
    file.truncate(size - start + target)
