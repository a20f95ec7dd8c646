"""Where columns begin and change → counts strings, areas and borders: the compiled loops of the second half."""

from __future__ import annotations

from typing import Any

from tasks.masks.compiling import compiled, int64
from tasks.masks.unfilter import FIELD, FIELD_BITS

CURSOR, END, ZEROS, ONES, COUNT, AREA, LEFT, TOP, RIGHT, BOTTOM, FIELDS = range(11)  # what is known of an instance
NUMBER_BYTES = 8  # characters that a run length takes at most: 40 bits


@compiled
def encode_number(number: int, characters: Any, at: int) -> int:
    """Write one number of a counts string; return where the next one begins."""
    while True:
        group = number & 0x1F
        number >>= 5
        if number == (-1 if group & 0x10 else 0):
            characters[at] = group + 48
            return at + 1
        characters[at] = (group | 0x20) + 48
        at += 1


@compiled
def encode_run(known: Any, begin: int, end: int, characters: Any) -> None:
    """Write an instance's zeros up to ``begin`` and, where there are any, its ones up to ``end``."""
    zeros, ones = begin - known[END], end - begin
    cursor = encode_number(zeros - known[ZEROS] if known[COUNT] > 1 else zeros, characters, known[CURSOR])
    if ones:
        cursor = encode_number(ones - known[ONES] if known[COUNT] else ones, characters, cursor)
    known[CURSOR], known[END], known[ZEROS], known[ONES] = cursor, end, zeros, ones
    known[COUNT] += 1
    known[AREA] += ones


@compiled
def order_events(events: Any, columns: Any, ordered: Any) -> None:
    """Put events column after column; ``columns`` counts each column's and is used up."""
    place = 0
    for x in range(columns.size):
        place, columns[x] = place + columns[x], place
    for event in events:
        x = event & FIELD
        ordered[columns[x]] = event
        columns[x] += 1


@compiled
def encode_instances(ordered: Any, labels: Any, height: int, width: int, instances: Any, characters: Any) -> None:
    """Turn events, column after column, into each instance's counts string, area and border.

    ``labels`` has the instance of each value's number, or -1. ``instances`` has a row of fields each, the cursors set
    to where the strings begin in ``characters``.
    """
    label, begin, left, top = int64(-1), 0, 0, 0
    for event in ordered:
        following = int64(labels[event >> 2 * FIELD_BITS])
        if following != label:
            x, y = event & FIELD, event >> FIELD_BITS & FIELD
            if label >= 0:
                encode_stretch(instances[label], begin, left, top, x, y, height, characters)
            label, begin, left, top = following, x * height + y, x, y
    if label >= 0:
        encode_stretch(instances[label], begin, left, top, width, 0, height, characters)
    for index in range(instances.shape[0]):
        known = instances[index]
        if known[COUNT] and known[END] < height * width:
            encode_run(known, height * width, height * width, characters)


@compiled
def encode_stretch(known: Any, begin: int, left: int, top: int, x: int, y: int, height: int, characters: Any) -> None:
    """Add the pixels from ``begin``, which is at (left, top), to just before (x, y) to what is known of an instance."""
    encode_run(known, begin, x * height + y, characters)
    right = x + 1 if y else x
    bottom = y or height
    if right - left > 1:
        top, bottom = 0, height
    if known[COUNT] == 1:
        known[LEFT], known[TOP], known[BOTTOM] = left, top, bottom
    known[TOP], known[BOTTOM] = min(known[TOP], top), max(known[BOTTOM], bottom)
    known[RIGHT] = right
