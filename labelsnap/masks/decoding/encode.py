"""Where columns begin and change, or a mask does → counts strings, areas and borders: compiled loops.

They are for images of ``MAX_PIXELS`` at most; the numpy way writes larger ones.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from labelsnap.masks.decoding.compiling import builtin, compiled, inlined, int64
from labelsnap.masks.decoding.unfilter import FIELD, FIELD_BITS

CURSOR, END, ZEROS, ONES, COUNT, AREA, LEFT, TOP, RIGHT, BOTTOM, FIELDS = range(11)  # what is known of an instance
NUMBER_BYTES = 8  # what a run length takes at most: groups of 5 of its 40 bits
MAX_PIXELS = (1 << 39) - 1  # a longer run takes more bits


@builtin  # type: ignore[untyped-decorator]
def leading_zeros(_context: Any, _number: Any) -> Any:
    """Count the zeros above a number's highest bit that is set."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), generate


@builtin  # type: ignore[untyped-decorator]
def store64(_context: Any, array: Any, _at: Any, _number: Any) -> Any:
    """Write a number's eight bytes to an array from a byte on, wherever they are aligned; they must lie within it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        at = builder.gep(builder.bitcast(data, cgutils.voidptr_t), [arguments[1]])
        builder.store(arguments[2], builder.bitcast(at, ir.IntType(64).as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


@inlined
def encode_number(number: int, characters: Any, at: int) -> int:
    """Write one number of a counts string, eight bytes that the next one overwrites in part; return where it begins.

    Groups of five bits go to a byte each by halves, quarters and eighths of the number's forty bits, at once.
    """
    groups = (69 - leading_zeros(number ^ number >> 63)) // 5  # of the bits that differ from the sign, and one sign
    spread = number & 0xFFFFF | (number & 0xFFFFF00000) << 12
    spread = spread & 0x000003FF000003FF | (spread & 0x000FFC00000FFC00) << 6
    spread = spread & 0x001F001F001F001F | (spread & 0x03E003E003E003E0) << 3
    more = (int64(1) << 8 * (groups - 1)) - 1 & 0x2020202020202020
    store64(characters, at, spread + more + 0x3030303030303030)
    return at + groups


@inlined
def encode_run(of: Any, label: int, begin: int, end: int, characters: Any) -> None:
    """Write an instance's zeros up to ``begin`` and, where there are any, its ones up to ``end``."""
    zeros, ones, count = begin - of[label, END], end - begin, of[label, COUNT]
    cursor = encode_number(zeros - of[label, ZEROS] if count > 1 else zeros, characters, of[label, CURSOR])
    if ones:
        cursor = encode_number(ones - of[label, ONES] if count else ones, characters, cursor)
    of[label, CURSOR], of[label, END], of[label, ZEROS], of[label, ONES] = cursor, end, zeros, ones
    of[label, COUNT] = count + 1
    of[label, AREA] += ones


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


@inlined
def encode_stretch(
    of: Any, label: int, begin: int, left: int, top: int, x: int, y: int, height: int, characters: Any
) -> None:
    """Add the pixels from ``begin``, which is at (left, top), to just before (x, y) to what is known of an instance."""
    if of[label, COUNT] == 0:
        of[label, LEFT], of[label, TOP] = left, height
    encode_run(of, label, begin, x * height + y, characters)
    right = x + 1 if y else x
    bottom = y or height
    if right - left > 1:
        top, bottom = 0, height
    of[label, TOP] = min(of[label, TOP], top)
    of[label, BOTTOM] = max(of[label, BOTTOM], bottom)
    of[label, RIGHT] = right


@compiled
def encode_instances(ordered: Any, labels: Any, height: int, width: int, of: Any, characters: Any) -> None:
    """Turn events, column after column, into each instance's counts string, area and border.

    ``labels`` has the instance of each value's number, or -1. What is known ``of`` an instance is a row of fields, all
    zero but the cursors, which are where the strings begin in ``characters``.
    """
    label, begin, left, top = int64(-1), int64(0), int64(0), int64(0)
    for event in ordered:
        following = int64(labels[event >> 2 * FIELD_BITS])
        if following != label:
            x, y = event & FIELD, event >> FIELD_BITS & FIELD
            if label >= 0:
                encode_stretch(of, label, begin, left, top, x, y, height, characters)
            label, begin, left, top = following, x * height + y, x, y
    if label >= 0:
        encode_stretch(of, label, begin, left, top, int64(width), int64(0), height, characters)
    for index in range(of.shape[0]):
        if of[index, COUNT] and of[index, END] < height * width:
            encode_run(of, index, height * width, height * width, characters)


@compiled
def encode_toggles(toggles: Any, height: int, width: int, of: Any, characters: Any) -> None:
    """Turn where one mask begins and ends, in turn, into its counts string, area and border.

    ``of`` is as in ``encode_instances``, of one instance.
    """
    for index in range(0, toggles.size - 1, 2):
        begin, end = int64(toggles[index]), int64(toggles[index + 1])
        left, x = begin // height, end // height
        top, y = begin - left * height, end - x * height
        encode_stretch(of, int64(0), begin, left, top, x, y, int64(height), characters)
    if of[0, COUNT] and of[0, END] < height * width:
        encode_run(of, int64(0), height * width, height * width, characters)
