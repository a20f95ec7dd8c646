"""GIF (89a): blocks of all frames, each to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labelsnap.images.files import read_at

if TYPE_CHECKING:
    from typing import IO

_IMAGE, _EXTENSION, _TRAILER = b",", b"!", b";"
_TABLE: Final = 0x80
"""The bit that says that a table of colours follows."""
_HEADER: Final = 13
_BLOCK: Final = 1 << 16


def is_whole(file: IO[bytes]) -> bool | None:
    """Tell whether no block is cut, and a frame is there; None for what is no block before the first frame.

    The file may end without the trailer, and may go on with anything where blocks end: its frames are all there.
    """
    head = read_at(file, 0, _HEADER)
    if len(head) < _HEADER:
        return False
    position, frames = _HEADER + _colours(head[10]), 0
    while True:
        kind = read_at(file, position, 1)
        if kind == _EXTENSION:
            position += 2
        elif kind == _IMAGE:
            descriptor = read_at(file, position, 10)
            if len(descriptor) < len(b",LLTTWWHHF"):
                return False
            position += len(descriptor) + _colours(descriptor[9]) + 1
            frames += 1
        elif kind and kind != _TRAILER and not frames:
            return None
        else:
            return frames > 0
        end = _after_blocks(file, position)
        if end is None:
            return False
        position = end


def _colours(flags: int) -> int:
    """Return how many bytes a table of colours has, by the flags before it."""
    return 3 << (flags & 7) + 1 if flags & _TABLE else 0


def _after_blocks(file: IO[bytes], position: int) -> int | None:
    """Find where a chain of blocks has ended; None where the file ends first."""
    buffer, begin = b"", position
    while True:
        if position - begin >= len(buffer):
            begin, buffer = position, read_at(file, position, _BLOCK)
            if not buffer:
                return None
        size = buffer[position - begin]
        position += 1 + size
        if not size:
            return position
