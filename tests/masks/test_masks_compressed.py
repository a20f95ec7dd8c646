"""What is written of bytes that are mostly zero, read by zlib and libdeflate."""

from __future__ import annotations

import heapq
import zlib
from fractions import Fraction
from itertools import pairwise

import deflate
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.masks.rasters import zero_runs
from labelsnap.masks.rasters.huffman import CODE_BITS, code_sizes, codes_of
from labelsnap.masks.rasters.zero_runs import ALONE, Residuals, compressed


@st.composite
def rows(draw):
    """Draw rows of pixels, each with a first byte that is not zero; most pixels are zero, and some repeat others."""
    width, pixel_bytes = draw(st.integers(1, 900)), draw(st.integers(1, 3))
    drawn = np.zeros((draw(st.integers(1, 4)), 1 + width * pixel_bytes), np.uint8)
    drawn[:, 0] = 2
    for row in drawn:
        pixels = row[1:].reshape(-1, pixel_bytes)
        for _ in range(draw(st.integers(0, 4))):
            place = draw(st.integers(0, width - 1))
            pixel = draw(st.lists(st.integers(0, 255), min_size=pixel_bytes, max_size=pixel_bytes))
            pixels[place : place + draw(st.integers(1, width))] = pixel
    return drawn, pixel_bytes


def residuals_of(drawn, pixel_bytes):
    """List what is not zero in rows of bytes, pixel by pixel."""
    places, values = [], []
    for y, row in enumerate(drawn):
        places.append(y * row.size)
        values.append(ALONE | int(row[0]))
        for x, pixel in enumerate(row[1:].reshape(-1, pixel_bytes)):
            if pixel.any():
                places.append(y * row.size + 1 + x * pixel_bytes)
                values.append(int.from_bytes(pixel.tobytes(), "little"))
    return Residuals(np.array(places), np.array(values, np.uint32), pixel_bytes, drawn.shape[1], drawn.size)


@given(rows(), st.sampled_from([1, 5, 1 << 16]))
def test_two_libraries_inflate_it_to_the_bytes(found, enough):
    """Both check the Adler-32, and read whatever number of blocks."""
    drawn, pixel_bytes = found
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(zero_runs, "_ENOUGH", enough)
        stream = compressed(residuals_of(drawn, pixel_bytes))
    assert zlib.decompress(stream) == drawn.tobytes()
    assert deflate.zlib_decompress(stream, drawn.size) == drawn.tobytes()


def test_many_rows_are_one_block_after_another():
    """Seventy thousand residuals are more than a block has tokens."""
    generator = np.random.default_rng(0)
    drawn = np.full((150, 1001), 2, np.uint8)
    drawn[:, 1:] = generator.integers(0, 256, (150, 1000)) * (generator.random((150, 1000)) < 0.5)
    stream = compressed(residuals_of(drawn, 1))
    assert zlib.decompress(stream) == drawn.tobytes()
    assert len(stream) < len(zlib.compress(drawn.tobytes(), 9))


def huffmans_cost(uses):
    """Give the bits that Huffman's codes take in all: the sum of the weights of all inner nodes."""
    heap = list(uses)
    heapq.heapify(heap)
    cost = 0
    while len(heap) > 1:
        cost += (weight := heapq.heappop(heap) + heapq.heappop(heap))
        heapq.heappush(heap, weight)
    return cost


@given(st.dictionaries(st.integers(0, 285), st.integers(1, 1000), min_size=2))
def test_codes_take_as_few_bits_as_huffmans(uses):
    """None is the beginning of another."""
    sizes = code_sizes(uses)
    assert sum(times * sizes[symbol] for symbol, times in uses.items()) == huffmans_cost(uses.values())
    codes = [f"{code:0{sizes[symbol]}b}"[::-1] for symbol, code in codes_of(sizes).items()]
    assert len(codes) == len(uses)
    assert not any(after.startswith(before) for before, after in pairwise(sorted(codes)))


def test_no_code_is_longer_than_it_may_be():
    """Uses that grow like Fibonacci's numbers would have codes of 39 bits; the shorter ones leave no code over."""
    uses = [1, 1]
    while len(uses) < 40:
        uses.append(uses[-1] + uses[-2])
    sizes = code_sizes(dict(enumerate(uses))).values()
    assert max(sizes) == CODE_BITS
    assert sum(Fraction(1, 2**size) for size in sizes) == 1
