"""Blocks of bytes → lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labelsnap.storage.interface import too_long

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


LINE_BYTES: Final = 1 << 30
"""No line is longer: it is held whole."""


def lines(blocks: Iterable[bytes], name: str = "a line", *, most: int | None = None) -> Iterator[bytes]:
    """The lines of a text given as blocks that may end inside a line and inside a character; nothing is decoded.

    Each line has its line break; the last one need not have any. Raises StorageRefusedError, with ``name``, for one of
    more than ``most`` bytes.
    """
    rest: list[bytes] = []
    held, allowed = 0, LINE_BYTES if most is None else most
    for block in blocks:
        first, *others = block.split(b"\n")
        rest.append(first)
        held += len(first)
        if held > allowed:
            raise too_long(name, allowed)
        if others:
            yield b"".join(rest) + b"\n"
            *whole, last = others
            for line in whole:
                yield line + b"\n"
            rest, held = [last], len(last)
    if end := b"".join(rest):
        yield end
