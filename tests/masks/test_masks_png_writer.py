from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from mask_pictures import from_mask
from PIL import Image

from labelsnap.formats.shared.colours import colours
from labelsnap.masks.rasters import zero_runs
from labelsnap.masks.rasters.overlay import Overlay, overlay
from labelsnap.masks.rasters.png_writer import encode_overlay
from labelsnap.memory import BeyondBudgetError, Budget

VALUES = {"L": (np.uint8, ()), "I;16": (np.uint16, ()), "RGB": (np.uint8, (3,))}


@st.composite
def stacks(draw):
    """Draw up to five masks of one size."""
    shape = draw(arrays.array_shapes(min_dims=2, max_dims=2, max_side=12) | st.sampled_from([(1, 300), (300, 1)]))
    return draw(arrays.arrays(np.bool_, (draw(st.integers(0, 5)), *shape)))


def painted(stack, values):
    """Paint masks one after another, pixel by pixel."""
    raster = np.zeros((*stack.shape[1:], *values.shape[1:]), values.dtype)
    for mask, value in zip(stack, values, strict=True):
        raster[mask] = value
    return raster


def overlaid(stack):
    """Lay masks over each other."""
    return overlay([from_mask(mask) for mask in stack], *stack.shape[1:])


@given(stack=stacks(), mode=st.sampled_from(sorted(VALUES)), data=st.data())
def test_pillow_and_opencv_read_the_last_mask_on_top(stack, mode, data):
    """Grey of 8 and 16 bits and RGB, written from runs, are what painting pixel by pixel gives."""
    number, channels = VALUES[mode]
    values = data.draw(arrays.arrays(number, (len(stack), *channels)))
    png, expected = encode_overlay(overlaid(stack), values), painted(stack, values)
    with Image.open(io.BytesIO(png)) as image:
        assert image.mode == mode
        assert np.array_equal(np.asarray(image), expected)
    read = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(read[..., ::-1] if channels else read, expected)


@given(stack=stacks(), colours=st.integers(1, 256))
def test_a_palette_keeps_indexes_and_gives_colours(stack, colours):
    """Pillow opens the picture in mode P with the indexes that were given, and the palette's colours for them."""
    palette = np.arange(colours * 3, dtype=np.uint8).reshape(-1, 3)[::-1]
    values = np.arange(len(stack), dtype=np.uint8) % min(colours, 255)
    expected = painted(stack, values)
    with Image.open(io.BytesIO(encode_overlay(overlaid(stack), values, palette))) as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), expected)
        assert np.array_equal(np.asarray(image.convert("RGB")), palette[expected])


@pytest.mark.parametrize(
    ("values", "palette"),
    [
        (np.zeros(2, np.uint8), None),
        (np.zeros((1, 4), np.uint8), None),
        (np.zeros((1, 3), np.uint16), None),
        (np.zeros(1, np.uint16), np.zeros((2, 3), np.uint8)),
        (np.zeros(1, np.uint8), np.zeros((257, 3), np.uint8)),
    ],
)
def test_values_that_do_not_fit_are_refused(values, palette):
    """One value a mask; of 8 or 16 bits or RGB; palettes for 8 bits, of 256 colours at most."""
    with pytest.raises(ValueError, match=r"^expected"):
        encode_overlay(overlaid(np.ones((1, 2, 2), bool)), values, palette)


@pytest.mark.parametrize("size", [(2**31 - 1, 2**31 - 1), (1, 2**31 - 1), (2000, 2000)])
def test_a_picture_that_the_budget_has_no_room_for_is_not_begun(size):
    """A mask of few bytes may be of any size: its rows are claimed before they are made."""
    shown = Overlay(*size, 0, np.zeros(1, np.int64), np.full(1, -1, np.int32))
    budget = Budget(1 << 20)
    with pytest.raises(BeyondBudgetError, match="LABELSNAP_MEMORY_BYTES"):
        encode_overlay(shown, np.zeros(0, np.uint8), memory=budget)
    assert budget.taken == 0


@given(stack=stacks(), enough=st.integers(1, 60), mode=st.sampled_from(sorted(VALUES)), data=st.data())
def test_a_picture_is_the_same_pixels_in_however_many_blocks_it_is_compressed(stack, enough, mode, data):
    """A block ends where its tokens are enough, in the middle of a byte; each has codes of its own."""
    number, channels = VALUES[mode]
    values = data.draw(arrays.arrays(number, (len(stack), *channels)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(zero_runs, "_ENOUGH", enough)
        png = encode_overlay(overlaid(stack), values)
    with Image.open(io.BytesIO(png)) as image:
        assert np.array_equal(np.asarray(image), painted(stack, values))


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 70_000)])
@pytest.mark.parametrize("mode", sorted(VALUES))
def test_pictures_of_any_shape_are_read(size, mode):
    """Of one pixel, row or column, with and without a mask that has it all, and longer than a match may reach back."""
    number, channels = VALUES[mode]
    values = np.full((1, *channels), 200, number)
    for mask in (np.ones(size, bool), np.zeros(size, bool), np.indices(size).sum(axis=0) % 600 < 300):
        with Image.open(io.BytesIO(encode_overlay(overlaid(mask[np.newaxis]), values))) as image:
            assert np.array_equal(np.asarray(image), painted(mask[np.newaxis], values))


@pytest.mark.parametrize("mode", sorted(VALUES))
def test_a_picture_is_no_larger_than_zlib_makes_its_runs(mode):
    """Discs and squares take what zlib's own strategy for runs makes of the same rows, give or take a hundredth."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:400, :600]
    drawn = [(*generator.uniform((0, 0, 20), (400, 600, 60)), number % 3) for number in range(24)]
    away = [np.abs(rows - y) if square else np.hypot(rows - y, columns - x) for y, x, _, square in drawn]
    stack = np.array([each < size for each, (_, _, size, _) in zip(away, drawn, strict=True)])
    numbers = np.arange(1, 25, dtype=np.uint32)
    png = encode_overlay(overlaid(stack), colours(numbers) if mode == "RGB" else numbers.astype(VALUES[mode][0]))
    begin = png.index(b"IDAT")
    body = png[begin + 4 : begin + 4 + int.from_bytes(png[begin - 4 : begin])]
    runs = zlib.compressobj(strategy=zlib.Z_RLE)
    expected = runs.compress(zlib.decompress(body)) + runs.flush()
    assert len(body) < 1.01 * len(expected)


def test_a_large_picture_takes_little_memory():
    """A picture of 600 MB, in which one mask is seen, is written within a tenth of that."""
    side = 14142
    shown = Overlay(side, side, 1, np.array([0, side * 50, side * 60]), np.array([-1, 0, -1], np.int32))
    budget = Budget(60 << 20)
    png = encode_overlay(shown, np.array([[1, 2, 3]], np.uint8), memory=budget)
    assert struct.unpack(">2I", png[16:24]) == (side, side)
    assert budget.taken == 0


class Recorded(Budget):
    """A budget that says what was claimed last."""

    claimed = 0

    def claim(self, size):
        """Claim it."""
        self.claimed = size
        return super().claim(size)


@pytest.mark.parametrize("mode", sorted(VALUES))
@pytest.mark.parametrize("share", [0.0, 0.002, 0.1, 1.0])
def test_writing_takes_no_more_memory_than_is_claimed(share, mode):
    """Whether a pixel in five hundred, in ten, or every one is another than the one above."""
    number, channels = VALUES[mode]
    generator = np.random.default_rng(0)
    side, masks = 500, 90
    changes = np.flatnonzero(generator.random(side * side) < share)
    positions = np.unique(np.concatenate([[0], changes]))
    labels = generator.integers(-1, masks, positions.size, np.int32)
    values = generator.integers(0, 256, (masks, *channels)).astype(number)
    shown, budget = Overlay(side, side, masks, positions, labels), Recorded(1 << 30)
    encode_overlay(shown, values, memory=budget)
    tracemalloc.start()
    try:
        encode_overlay(shown, values, memory=budget)
        assert tracemalloc.get_traced_memory()[1] < budget.claimed
    finally:
        tracemalloc.stop()
