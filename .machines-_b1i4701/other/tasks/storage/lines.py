"""Blocks of bytes → lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a text given as blocks that may end inside a line and inside a character; nothing is decoded.

    Each line has its line break; the last one need not have any.
    """
    rest: list[bytes] = []
    for block in blocks:
        first, *others = block.split(b"\n")
        rest.append(first)
        if others:
            yield b"".join(rest) + b"\n"
            *whole, last = others
            for line in whole:
                yield line + b"\n"
            rest = [last]
    if end := b"".join(rest):
        yield end
