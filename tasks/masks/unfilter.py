"""Filtered rows → where a picture's columns begin and change: the compiled loops of the sparse way's first half.

The filter types: W3C, Portable Network Graphics (PNG) Specification, Third Edition, section 9.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from tasks.masks.compiling import compiled, int64

builtin: Any = intrinsic

NONE, UP, AVERAGE, PAETH = 0, 2, 3, 4
FIELD_BITS, FIELD = 20, 0xFFFFF  # an event is its column, its row and its value's number, 20, 20 and 24 bits
HASH_BITS, FREE = 14, -1
SLOTS = 1 << HASH_BITS
TOO_MANY_EVENTS, TOO_MANY_VALUES = -1, -2


@builtin  # type: ignore[untyped-decorator]
def load64(_context: Any, array: Any, _offset: Any) -> Any:
    """Read the eight bytes of an array from a byte on, wherever they are aligned; they must lie within it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        at = builder.gep(builder.bitcast(data, cgutils.voidptr_t), [arguments[1]])
        return builder.load(builder.bitcast(at, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(array, types.int64), generate


@builtin  # type: ignore[untyped-decorator]
def lowest_byte(_context: Any, _word: Any) -> Any:
    """Tell which byte, counted from the lowest, is the first of a word that is not zero."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.lshr(builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1)), ir.Constant(ir.IntType(64), 3))

    return types.int64(types.uint64), generate


@compiled
def next_nonzero(data: Any, at: int, end: int) -> int:
    """Return where the next byte stands that is not zero, or ``end``."""
    if at + 8 <= end:
        word = load64(data, at)
        if word:
            return at + lowest_byte(word)
        at += 8
    while at + 64 <= end:
        if (
            load64(data, at)
            | load64(data, at + 8)
            | load64(data, at + 16)
            | load64(data, at + 24)
            | load64(data, at + 32)
            | load64(data, at + 40)
            | load64(data, at + 48)
            | load64(data, at + 56)
        ):
            break
        at += 64
    while at + 8 <= end:
        word = load64(data, at)
        if word:
            return at + lowest_byte(word)
        at += 8
    while at < end and data[at] == 0:
        at += 1
    return at


@compiled
def next_difference(data: Any, at: int, distance: int, end: int) -> int:
    """Return where the next byte stands that differs from the one ``distance`` before it, or ``end``."""
    while at + 32 <= end:
        if (
            (load64(data, at) ^ load64(data, at - distance))
            | (load64(data, at + 8) ^ load64(data, at + 8 - distance))
            | (load64(data, at + 16) ^ load64(data, at + 16 - distance))
            | (load64(data, at + 24) ^ load64(data, at + 24 - distance))
        ):
            break
        at += 32
    while at + 8 <= end:
        word = load64(data, at) ^ load64(data, at - distance)
        if word:
            return at + lowest_byte(word)
        at += 8
    while at < end and data[at] == data[at - distance]:
        at += 1
    return at


@compiled
def next_other(row: Any, x: int, end: int, value: int) -> int:
    """Return the next column of a row whose pixel is not ``value``, or ``end``."""
    pair = np.uint64(value) | np.uint64(value) << np.uint64(32)
    while x + 16 <= end:
        at = 4 * x
        if (
            (load64(row, at) ^ pair)
            | (load64(row, at + 8) ^ pair)
            | (load64(row, at + 16) ^ pair)
            | (load64(row, at + 24) ^ pair)
            | (load64(row, at + 32) ^ pair)
            | (load64(row, at + 40) ^ pair)
            | (load64(row, at + 48) ^ pair)
            | (load64(row, at + 56) ^ pair)
        ):
            break
        x += 16
    while x < end and int64(row[x]) == value:
        x += 1
    return x


@compiled
def load_pixel(data: Any, at: int, pixel_bytes: int) -> int:
    """Return a pixel as one number, its first byte lowest."""
    value = int64(data[at])
    if pixel_bytes > 1:
        value |= int64(data[at + 1]) << 8
    if pixel_bytes > 2:  # noqa: PLR2004 - LA has no third byte
        value |= int64(data[at + 2]) << 16
    if pixel_bytes > 3:  # noqa: PLR2004 - nor RGB a fourth
        value |= int64(data[at + 3]) << 24
    return value


@compiled
def add(a: int, b: int) -> int:
    """Add four bytes each for itself, modulo 256."""
    return ((a & 0x7F7F7F7F) + (b & 0x7F7F7F7F)) ^ ((a ^ b) & 0x80808080)


@compiled
def average(a: int, b: int) -> int:
    """Return the mean of four bytes each, rounded down."""
    return (a & b) + (((a ^ b) & 0xFEFEFEFE) >> 1)


@compiled
def paeth(left: int, up: int, upper_left: int) -> int:
    """Predict four bytes each as filter type 4 does: the neighbour nearest to left + up − upper left."""
    predicted = 0
    for shift in range(0, 32, 8):
        a, b, c = left >> shift & 255, up >> shift & 255, upper_left >> shift & 255
        to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
        nearest = a if to_a <= to_b and to_a <= to_c else b if to_b <= to_c else c
        predicted |= nearest << shift
    return predicted


@compiled
def number_of(value: int, keys: Any, numbers: Any, values: Any, known: int) -> int:
    """Return the number of a pixel value, ``known`` for one that was not seen before; it is then among the values."""
    slot = (value * 0x9E3779B1 & 0xFFFFFFFF) >> (32 - HASH_BITS)
    while keys[slot] != FREE:
        if keys[slot] == value:
            return int64(numbers[slot])
        slot = (slot + 1) & (keys.size - 1)
    keys[slot], numbers[slot], values[known] = value, known, value
    return known


@compiled
def unfilter_up(data: Any, start: int, end: int, pixel_bytes: int, row: Any, changed: Any) -> int:
    """Up: a pixel changes where it has a byte that is not zero."""
    count, at = 0, next_nonzero(data, start, end)
    while at < end:
        x = (at - start) // pixel_bytes
        at = start + x * pixel_bytes
        row[x] = add(int64(row[x]), load_pixel(data, at, pixel_bytes))
        changed[count] = x
        count += 1
        at = next_nonzero(data, at + pixel_bytes, end)
    return count


@compiled
def unfilter_none(data: Any, start: int, end: int, pixel_bytes: int, row: Any, changed: Any) -> int:
    """None, below a row of any filter: a pixel changes where it is not the one above."""
    count = 0
    for x in range((end - start) // pixel_bytes):
        pixel = load_pixel(data, start + x * pixel_bytes, pixel_bytes)
        if pixel != int64(row[x]):
            row[x] = pixel
            changed[count] = x
            count += 1
    return count


@compiled
def unfilter_none_again(data: Any, start: int, end: int, pixel_bytes: int, row: Any, changed: Any) -> int:
    """None below None: a pixel changes where its bytes are not those of the row above in the file."""
    row_bytes = end - start + 1
    count, at = 0, next_difference(data, start, row_bytes, end)
    while at < end:
        x = (at - start) // pixel_bytes
        at = start + x * pixel_bytes
        row[x] = load_pixel(data, at, pixel_bytes)
        changed[count] = x
        count += 1
        at = next_difference(data, at + pixel_bytes, row_bytes, end)
    return count


@compiled
def unfilter_sub(data: Any, start: int, end: int, pixel_bytes: int, row: Any, changed: Any, halved: bool) -> int:
    """Sub and, where ``halved``, Average: zeros repeat the pixel on the left until the row above has another one."""
    width = (end - start) // pixel_bytes
    count, x, left = 0, 0, int64(0)
    while x < width:
        stretch = (next_nonzero(data, start + x * pixel_bytes, end) - start) // pixel_bytes
        x = next_other(row, x, stretch, left)
        while x < stretch:
            if halved:
                left = average(left, int64(row[x]))
            row[x] = left
            changed[count] = x
            count += 1
            x = next_other(row, x + 1, stretch, left)
        if x < width:
            above = int64(row[x])
            left = add(average(left, above) if halved else left, load_pixel(data, start + x * pixel_bytes, pixel_bytes))
            if left != above:
                row[x] = left
                changed[count] = x
                count += 1
            x += 1
    return count


@compiled
def unfilter_paeth(data: Any, start: int, end: int, pixel_bytes: int, row: Any, changed: Any) -> int:
    """Paeth: zeros repeat the pixel above where its left neighbour did, else the left one until a run above ends."""
    width = (end - start) // pixel_bytes
    count, x, left, upper_left = 0, 0, int64(0), int64(0)
    while x < width:
        stretch = (next_nonzero(data, start + x * pixel_bytes, end) - start) // pixel_bytes
        while x < stretch and left != upper_left:
            above = int64(row[x])
            if above != upper_left:
                left = paeth(left, above, upper_left)
            if left != above:
                row[x] = left
                changed[count] = x
                count += 1
            upper_left = above
            x += 1
        if x < stretch:
            x = stretch
            left = upper_left = int64(row[x - 1])
        if x < width:
            above = int64(row[x])
            left = add(paeth(left, above, upper_left), load_pixel(data, start + x * pixel_bytes, pixel_bytes))
            if left != above:
                row[x] = left
                changed[count] = x
                count += 1
            upper_left = above
            x += 1
    return count


@compiled
def unfilter_row(data: Any, start: int, end: int, pixel_bytes: int, row: Any, changed: Any) -> int:
    """Make ``row`` the row at hand; return how many columns have ``changed``, which they are from the left on.

    The row's filtered bytes are those of ``data`` from ``start`` to ``end``, its filter type the one before them.
    """
    filter_type = data[start - 1]
    if filter_type == UP:
        return unfilter_up(data, start, end, pixel_bytes, row, changed)
    if filter_type == PAETH:
        return unfilter_paeth(data, start, end, pixel_bytes, row, changed)
    if filter_type != NONE:
        return unfilter_sub(data, start, end, pixel_bytes, row, changed, filter_type == AVERAGE)
    above = start - 1 - (end - start + 1)
    if above >= 0 and data[above] == NONE:
        return unfilter_none_again(data, start, end, pixel_bytes, row, changed)
    return unfilter_none(data, start, end, pixel_bytes, row, changed)


@compiled
def find_events(
    data: Any,
    height: int,
    width: int,
    pixel_bytes: int,
    row: Any,
    changed: Any,
    keys: Any,
    numbers: Any,
    values: Any,
    uses: Any,
    columns: Any,
    events: Any,
) -> tuple[int, int]:
    """List where a picture's columns begin and change, row after row; return how many events and how many values.

    ``data`` has the filtered rows. Where a pixel differs from the one above it is an event. The distinct ``values`` of
    pixels are numbered as they come; ``uses`` counts the events of each, ``columns`` those of each column; the other
    arrays are working memory. A negative first number says which of two arrays is too small.
    """
    row[:width] = 0
    columns[:width] = 0
    keys[:] = FREE
    uses[:] = 0
    count, known = 0, 0
    value, number = int64(FREE), 0
    row_bytes = width * pixel_bytes
    for y in range(height):
        if count + width > events.size:
            return TOO_MANY_EVENTS, known
        start = y * (1 + row_bytes) + 1
        changes = unfilter_row(data, start, start + row_bytes, pixel_bytes, row, changed)
        if y == 0:  # where all columns begin
            changes = width
            for x in range(width):
                changed[x] = x
        for index in range(changes):
            x = int64(changed[index])
            if int64(row[x]) != value:
                value = int64(row[x])
                number = number_of(value, keys, numbers, values, known)
                if number == known:
                    known += 1
                    if known == values.size:
                        return TOO_MANY_VALUES, known
            uses[number] += 1
            columns[x] += 1
            events[count] = number << 2 * FIELD_BITS | y << FIELD_BITS | x
            count += 1
    return count, known
