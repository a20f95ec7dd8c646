"""Compressed runs → run lengths → extents: the gate's own loops, compiled. What runs are is said in ``extents``."""

from __future__ import annotations

from typing import Any

from labelsnap.masks.decoding.compiling import compiled, int64

BITS, GROUP, MORE, SIGN, FIRST = 5, 0x1F, 0x20, 0x10, 48
MOST_BITS = 60
"""Of a number: a run of 200 million pixels takes 30."""
AREA, LEFT, TOP, WIDTH, HEIGHT = range(5)
"""The columns of extents."""
SOUND, NEGATIVE, UNFILLED, UNREADABLE = range(4)
"""What is found of masks."""


@compiled
def read_lengths(characters: Any, ends: Any, lengths: Any, uses: Any) -> Any:
    """Read the runs of masks that have their characters one after another, each up to one of ``ends``.

    ``lengths`` are written one after another, ``uses`` are how many each mask has. Returns SOUND and how many there are
    of all, NEGATIVE and a length that is none, or UNREADABLE.
    """
    at, count, negative = int64(0), int64(0), int64(0)
    for index in range(ends.size):
        begin = count
        while at < ends[index]:
            number, bits, group = int64(0), int64(0), int64(MORE)
            while group & MORE:
                if at == ends[index] or bits == MOST_BITS:
                    return UNREADABLE, int64(0)
                group = int64(characters[at]) - FIRST
                if group < 0 or group > (MORE | GROUP):
                    return UNREADABLE, int64(0)
                number |= (group & GROUP) << bits
                bits += BITS
                at += 1
            if group & SIGN:
                number -= int64(1) << bits
            if count - begin > 2:  # noqa: PLR2004 - from the fourth on
                number += lengths[count - 2]
            negative = min(negative, number)
            lengths[count] = number
            count += 1
        uses[index] = count - begin
    return (NEGATIVE, negative) if negative else (SOUND, count)


@compiled
def measure_lengths(lengths: Any, uses: Any, heights: Any, widths: Any, extents: Any) -> Any:
    """Write the extents of masks that have their run lengths, none negative, one after another.

    Returns SOUND and 0, or UNFILLED and the mask whose runs do not fill its pixels.
    """
    run = int64(0)
    for index in range(uses.size):
        height, size = int64(heights[index]), int64(heights[index]) * int64(widths[index])
        area, position, left, right, top, bottom = int64(0), int64(0), int64(-1), int64(0), height, int64(0)
        for place in range(uses[index]):
            length = int64(lengths[run])
            run += 1
            if length > size - position:
                return UNFILLED, index
            if place % 2 and length:
                first, last = position // height, (position + length - 1) // height
                across = first != last
                left = first if left < 0 else left
                right = last + 1
                top = 0 if across else min(top, position - first * height)
                bottom = height if across else max(bottom, position + length - last * height)
                area += length
            position += length
        if position != size:
            return UNFILLED, index
        if area:
            extents[index, AREA], extents[index, LEFT], extents[index, TOP] = area, left, top
            extents[index, WIDTH], extents[index, HEIGHT] = right - left, bottom - top
    return SOUND, int64(0)
