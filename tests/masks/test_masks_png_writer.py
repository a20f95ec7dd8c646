from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from tasks.masks.png_writer import encode_png

SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=20)
RASTERS = st.one_of(
    arrays.arrays(np.uint8, SHAPES),
    arrays.arrays(np.uint16, SHAPES),
    arrays.arrays(np.uint8, SHAPES.map(lambda shape: (*shape, 3))),
)


@given(RASTERS)
def test_pillow_and_opencv_read_what_was_written(raster):
    """Grey of 8 and 16 bits and RGB come back pixel by pixel from two readers."""
    png = encode_png(raster)
    with Image.open(io.BytesIO(png)) as image:
        assert image.mode == {1: "RGB" if raster.ndim == 3 else "L", 2: "I;16"}[raster.itemsize]
        assert np.array_equal(np.asarray(image), raster)
    read = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(read[..., ::-1] if raster.ndim == 3 else read, raster)


@given(arrays.arrays(np.uint8, SHAPES), st.integers(1, 256))
def test_a_palette_keeps_indexes_and_gives_colours(raster, colours):
    """Pillow opens the picture in mode P with the indexes that were given, and the palette's colours for them."""
    palette = np.arange(colours * 3, dtype=np.uint8).reshape(-1, 3)[::-1]
    indexes = raster % colours if colours < 256 else raster
    with Image.open(io.BytesIO(encode_png(indexes, palette))) as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), indexes)
        assert np.array_equal(np.asarray(image.convert("RGB")), palette[indexes])


def test_an_array_laid_down_its_columns_is_written_by_rows():
    """Rasters painted from runs lie in memory column by column; the picture is the same."""
    raster = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert encode_png(np.asfortranarray(raster)) == encode_png(raster)


@pytest.mark.parametrize(
    ("raster", "palette"),
    [
        (np.zeros((0, 4), np.uint8), None),
        (np.zeros((4, 4, 4), np.uint8), None),
        (np.zeros((4, 4, 3), np.uint16), None),
        (np.zeros((4, 4), np.uint16), np.zeros((2, 3), np.uint8)),
        (np.zeros((4, 4), np.uint8), np.zeros((257, 3), np.uint8)),
    ],
)
def test_other_arrays_are_refused(raster, palette):
    """No pixels, four channels, wide colours, and a palette that does not fit are named."""
    with pytest.raises(ValueError, match=r"^expected"):
        encode_png(raster, palette)
