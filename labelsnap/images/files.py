"""Bounded reads of a file at any place, and changes written into it."""

from __future__ import annotations

import struct
from itertools import accumulate, islice
from os import SEEK_END
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO

BLOCK: Final = 1 << 20
METADATA_BYTES: Final = 16 << 20
"""A larger block of metadata is taken out unread."""
BLOCKS: Final = 16
"""A file in which more blocks of metadata are to be read, or to be changed, is damaged."""
ORIENTATIONS: Final = 64
"""A block of metadata that has more to change is taken out whole."""
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


class CrowdedError(ImageDamagedError):
    """A block of metadata has more orientations than any writer means."""


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


def few(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """Return the edits of one block of metadata. Raises ``CrowdedError`` where they are more than a block may have."""
    found = tuple(islice(edits, ORIENTATIONS + 1))
    if len(found) > ORIENTATIONS:
        raise CrowdedError(f"its metadata has more than {ORIENTATIONS} orientations in one block")
    return found


def check_blocks(blocks: int) -> None:
    """Raise ``ImageDamagedError`` for more blocks of metadata than a file may have."""
    if blocks > BLOCKS:
        raise ImageDamagedError(f"it has more than {BLOCKS} blocks of metadata")


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
    """Make edits in a file, in one pass over it: each byte behind the first of them is moved once at most.

    Edits that change no length may overlap; the first of them wins. Others lie apart.
    """
    others = []
    for each in sorted(edits, reverse=True):
        if len(each.content) == each.end - each.start:
            _write_at(file, each.start, each.content)
        else:
            others.append(each)
    if others:
        _resize(file, others[::-1])


def _resize(file: IO[bytes], edits: list[Edit]) -> None:
    """Make edits that change lengths, in ascending order.

    What moves towards the beginning is moved from the first part to the last, what moves towards the end from the last
    to the first: so no part is written over before it is moved.
    """
    size = size_of(file)
    shifts = list(accumulate(len(content) - (end - start) for start, end, content in edits))
    ends = [*(each.start for each in edits[1:]), size]
    parts = [(each.end, end, shift) for each, end, shift in zip(edits, ends, shifts, strict=True)]
    for start, end, shift in parts:
        if shift < 0:
            _move(file, range(start, end, BLOCK), end, shift)
    for start, end, shift in reversed(parts):
        if shift > 0:
            _move(file, range(start, end, BLOCK)[::-1], end, shift)
    for each, shift in zip(edits, [0, *shifts], strict=False):
        _write_at(file, each.start + shift, each.content)
    file.truncate(size + shifts[-1])


def _move(file: IO[bytes], places: Iterable[int], end: int, shift: int) -> None:
    """Move the blocks at these places, which end at ``end``, by so many bytes."""
    for place in places:
        _write_at(file, place + shift, read_at(file, place, min(BLOCK, end - place)))


def _write_at(file: IO[bytes], start: int, content: bytes) -> None:
    file.seek(start)
    file.write(content)
