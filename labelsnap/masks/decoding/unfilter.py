"""Filtered rows → where a picture's columns begin and change: the compiled loops of the sparse way's first half.

The filter types: W3C, Portable Network Graphics (PNG) Specification, Third Edition, section 9.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from labelsnap.masks.decoding.compiling import builtin, compiled, inlined, int64

NONE, UP, AVERAGE, PAETH = 0, 2, 3, 4
FIELD_BITS, FIELD = 20, 0xFFFFF  # an event is its column, its row and its value's number, 20, 20 and 24 bits
BLOCK = 64
BLOCK_TYPE = ir.VectorType(ir.IntType(8), BLOCK)  # compiled to whatever the machine compares at once
STEP = 16
int32 = ir.IntType(32)
INVERSE_BITS = 32  # a byte's column is a product, not a quotient: exact for rows of up to 2³⁰ bytes
INVERSE = 1 << INVERSE_BITS
HASH_BITS, FREE = 14, -1
SLOTS = 1 << HASH_BITS
TOO_MANY_EVENTS, TOO_MANY_VALUES = -1, -2


def _load_block(context: Any, builder: Any, signature: Any, arguments: Any, place: int) -> Any:
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    at = builder.gep(builder.bitcast(data, cgutils.voidptr_t), [arguments[place]])
    return builder.load(builder.bitcast(at, BLOCK_TYPE.as_pointer()), align=1)


@builtin  # type: ignore[untyped-decorator]
def other_than_zero(_context: Any, array: Any, _at: Any) -> Any:
    """Tell by a bit each which of an array's 64 bytes from ``at`` on are not zero; all must lie within it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = _load_block(context, builder, signature, arguments, 1)
        return builder.bitcast(builder.icmp_unsigned("!=", block, BLOCK_TYPE([0] * BLOCK)), ir.IntType(64))

    return types.uint64(array, types.int64), generate


@builtin  # type: ignore[untyped-decorator]
def other_than(_context: Any, array: Any, _at: Any, _other: Any) -> Any:
    """Tell by a bit each which of an array's 64 bytes from ``at`` on are not those from ``other`` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        now, other = (_load_block(context, builder, signature, arguments, place) for place in (1, 2))
        return builder.bitcast(builder.icmp_unsigned("!=", now, other), ir.IntType(64))

    return types.uint64(array, types.int64, types.int64), generate


@builtin  # type: ignore[untyped-decorator]
def lowest_bit(_context: Any, _bits: Any) -> Any:
    """Return the place of a word's lowest bit that is set; there must be one."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@inlined
def list_residuals(data: Any, start: int, end: int, pixel_bytes: int, distance: int, places: Any) -> int:
    """List the columns of a row's pixels that have a byte other than zero; return how many there are.

    With a ``distance`` the bytes count that differ from those so far before them.
    """
    inverse = INVERSE // pixel_bytes + 1
    count, last = 0, -1
    for at in range(start, end, BLOCK):
        if at + BLOCK <= data.size:
            bits = other_than(data, at, at - distance) if distance else other_than_zero(data, at)
            if at + BLOCK > end:
                bits &= (np.uint64(1) << np.uint64(end - at)) - np.uint64(1)
        else:
            bits = np.uint64(0)
            for place in range(end - at):
                if data[at + place] != (data[at + place - distance] if distance else 0):
                    bits |= np.uint64(1) << np.uint64(place)
        while bits:
            x = (at - start + lowest_bit(bits)) * inverse >> INVERSE_BITS
            places[count] = x
            count += x != last
            last = x
            bits &= bits - np.uint64(1)
    return count


@builtin  # type: ignore[untyped-decorator]
def other_pixels(_context: Any, row: Any, _x: Any, _value: Any) -> Any:
    """Tell by a bit each which of a row's sixteen pixels from ``x`` on are not ``value``; all must lie within it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pixels = ir.VectorType(ir.IntType(32), STEP)
        first = builder.gep(context.make_array(signature.args[0])(context, builder, arguments[0]).data, [arguments[1]])
        block = builder.load(builder.bitcast(first, pixels.as_pointer()), align=4)
        one = builder.insert_element(pixels(ir.Undefined), builder.trunc(arguments[2], ir.IntType(32)), int32(0))
        each = builder.shuffle_vector(one, one, ir.VectorType(int32, STEP)([0] * STEP))
        others = builder.bitcast(builder.icmp_unsigned("!=", block, each), ir.IntType(STEP))
        return builder.zext(others, ir.IntType(64))

    return types.uint64(row, types.int64, types.int64), generate


@inlined
def next_other(row: Any, x: int, end: int, value: int) -> int:
    """Return the next column of a row whose pixel is not ``value``, or ``end``."""
    while x + STEP <= row.size and x < end:
        others = other_pixels(row, x, value)
        if others:
            return min(x + lowest_bit(others), end)
        x += STEP
    while x < end and int64(row[x]) == value:
        x += 1
    return min(x, end)


@inlined
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


@inlined
def add(a: int, b: int) -> int:
    """Add four bytes each for itself, modulo 256."""
    return ((a & 0x7F7F7F7F) + (b & 0x7F7F7F7F)) ^ ((a ^ b) & 0x80808080)


@inlined
def average(a: int, b: int) -> int:
    """Return the mean of four bytes each, rounded down."""
    return (a & b) + (((a ^ b) & 0xFEFEFEFE) >> 1)


@inlined
def paeth(left: int, up: int, upper_left: int) -> int:
    """Predict four bytes each as filter type 4 does: the neighbour nearest to left + up − upper left."""
    if left == upper_left:
        return up
    if up in (upper_left, left):
        return left
    predicted = int64(0)
    for shift in range(0, 32, 8):
        a, b, c = left >> shift & 255, up >> shift & 255, upper_left >> shift & 255
        to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
        nearest = a if to_a <= to_b and to_a <= to_c else b if to_b <= to_c else c
        predicted |= nearest << shift
    return predicted


@inlined
def number_of(value: int, keys: Any, numbers: Any, values: Any, known: int) -> int:
    """Return the number of a pixel value, ``known`` for one that was not seen before; it is then among the values."""
    slot = (value * 0x9E3779B1 & 0xFFFFFFFF) >> (32 - HASH_BITS)
    while keys[slot] != FREE:
        if keys[slot] == value:
            return int64(numbers[slot])
        slot = (slot + 1) & (keys.size - 1)
    keys[slot], numbers[slot], values[known] = value, known, value
    return known


@inlined
def unfilter_up(data: Any, start: int, pixel_bytes: int, row: Any, changed: Any, count: int) -> None:
    """Up: the pixels that change are those with residuals, ``count`` columns that ``changed`` has already."""
    for index in range(count):
        x = int64(changed[index])
        row[x] = add(int64(row[x]), load_pixel(data, start + x * pixel_bytes, pixel_bytes))


@inlined
def unfilter_none(data: Any, start: int, pixel_bytes: int, row: Any, changed: Any, count: int) -> None:
    """None, below None: the pixels that change are those whose bytes do, ``count`` columns that ``changed`` has."""
    for index in range(count):
        x = int64(changed[index])
        row[x] = load_pixel(data, start + x * pixel_bytes, pixel_bytes)


@inlined
def unfilter_none_anew(data: Any, start: int, pixel_bytes: int, row: Any, changed: Any) -> int:
    """None, below another filter: every pixel is looked at."""
    count = 0
    for x in range(row.size):
        pixel = load_pixel(data, start + x * pixel_bytes, pixel_bytes)
        if pixel != int64(row[x]):
            row[x] = pixel
            changed[count] = x
            count += 1
    return count


@inlined
def unfilter_sub(data: Any, start: int, pixel_bytes: int, row: Any, changed: Any, residuals: Any) -> int:
    """Sub: zeros repeat the pixel on the left."""
    count, x, left = 0, 0, int64(0)
    for index in range(residuals.size + 1):
        stretch = int64(residuals[index]) if index < residuals.size else row.size
        while x + STEP <= row.size and x < stretch:
            others = other_pixels(row, x, left)
            if x + STEP > stretch:
                others &= (np.uint64(1) << np.uint64(stretch - x)) - np.uint64(1)
            while others:
                place = x + lowest_bit(others)
                row[place] = left
                changed[count] = place
                count += 1
                others &= others - np.uint64(1)
            x += STEP
        for place in range(x, stretch):
            changed[count] = place
            count += int64(row[place]) != left
            row[place] = left
        x = stretch
        if x < row.size:
            above = int64(row[x])
            left = add(left, load_pixel(data, start + x * pixel_bytes, pixel_bytes))
            row[x] = left
            changed[count] = x
            count += left != above
            x += 1
    return count


@inlined
def unfilter_average(data: Any, start: int, pixel_bytes: int, row: Any, changed: Any, residuals: Any) -> int:
    """Average: zeros repeat the pixel on the left until the row above has another one."""
    count, x, left = 0, 0, int64(0)
    for index in range(residuals.size + 1):
        stretch = int64(residuals[index]) if index < residuals.size else row.size
        x = next_other(row, x, stretch, left)
        while x < stretch:
            left = average(left, int64(row[x]))
            row[x] = left
            changed[count] = x
            count += 1
            x = next_other(row, x + 1, stretch, left)
        if x < row.size:
            above = int64(row[x])
            left = add(average(left, above), load_pixel(data, start + x * pixel_bytes, pixel_bytes))
            row[x] = left
            changed[count] = x
            count += left != above
            x += 1
    return count


@inlined
def unfilter_paeth(data: Any, start: int, pixel_bytes: int, row: Any, changed: Any, residuals: Any) -> int:
    """Paeth: zeros repeat the pixel above where its left neighbour did, else the left one until a run above ends."""
    count, x, left, upper_left = 0, 0, int64(0), int64(0)
    for index in range(residuals.size + 1):
        stretch = int64(residuals[index]) if index < residuals.size else row.size
        while x < stretch and left != upper_left:
            above = int64(row[x])
            left = paeth(left, above, upper_left)
            row[x] = left
            changed[count] = x
            count += left != above
            upper_left = above
            x += 1
        if x < stretch:
            x = stretch
            left = upper_left = int64(row[x - 1])
        if x < row.size:
            above = int64(row[x])
            left = add(paeth(left, above, upper_left), load_pixel(data, start + x * pixel_bytes, pixel_bytes))
            row[x] = left
            changed[count] = x
            count += left != above
            upper_left = above
            x += 1
    return count


@inlined
def unfilter_row(data: Any, start: int, pixel_bytes: int, row: Any, changed: Any, residuals: Any) -> int:
    """Make ``row`` the row whose bytes start there; return how many of its columns have ``changed``, from the left on.

    ``residuals`` is working memory.
    """
    end = start + row.size * pixel_bytes
    filter_type = data[start - 1]
    if filter_type == NONE:
        above = 2 * start - end - 2
        if above < 0 or data[above] != NONE:
            return unfilter_none_anew(data, start, pixel_bytes, row, changed)
        count = list_residuals(data, start, end, pixel_bytes, start - 1 - above, changed)
        unfilter_none(data, start, pixel_bytes, row, changed, count)
        return count
    if filter_type == UP:
        count = list_residuals(data, start, end, pixel_bytes, 0, changed)
        unfilter_up(data, start, pixel_bytes, row, changed, count)
        return count
    residuals = residuals[: list_residuals(data, start, end, pixel_bytes, 0, residuals)]
    if filter_type == PAETH:
        return unfilter_paeth(data, start, pixel_bytes, row, changed, residuals)
    if filter_type == AVERAGE:
        return unfilter_average(data, start, pixel_bytes, row, changed, residuals)
    return unfilter_sub(data, start, pixel_bytes, row, changed, residuals)


@compiled
def find_events(
    data: Any,
    height: int,
    pixel_bytes: int,
    row: Any,
    changed: Any,
    residuals: Any,
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
    row[:] = 0
    columns[:] = 0
    keys[:] = FREE
    uses[:] = 0
    count, known = 0, 0
    width = row.size
    row_bytes = width * pixel_bytes
    for y in range(height):
        if count + width > events.size:
            return TOO_MANY_EVENTS, known
        start = y * (1 + row_bytes) + 1
        changes = unfilter_row(data, start, pixel_bytes, row, changed, residuals)
        if y == 0:  # where all columns begin
            changes = width
            for x in range(width):
                changed[x] = x
        for index in range(changes):
            x = int64(changed[index])
            number = number_of(int64(row[x]), keys, numbers, values, known)
            if number == known:
                known += 1
                if known == values.size:
                    return TOO_MANY_VALUES, known
            uses[number] += 1
            columns[x] += 1
            events[count] = number << 2 * FIELD_BITS | y << FIELD_BITS | x
            count += 1
    return count, known
