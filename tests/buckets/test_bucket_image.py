"""Images at the door of a snapshot."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tasks.buckets.image import ImageError, check_declared, upright
from tasks.records.model import MediaAttributes

PIXELS = 1_000_000


def encoded(image, image_format, **options):
    """Bytes of an image file."""
    target = io.BytesIO()
    image.save(target, image_format, **options)
    return target.getvalue()


def gradient(width=40, height=20):
    """An image in which no pixel is like its neighbours."""
    values = np.arange(width * height * 3, dtype=np.uint32).reshape(height, width, 3) * 7 % 256
    return Image.fromarray(values.astype(np.uint8))


@pytest.mark.parametrize(
    ("image_format", "mime_type"),
    [(name, f"image/{name.lower()}") for name in ("JPEG", "PNG", "WEBP", "TIFF", "BMP")],
)
def test_an_upright_image_keeps_its_bytes(image_format, mime_type):
    """Its size and what it really is are read from its header, whatever its name says."""
    body = encoded(gradient(), image_format)
    file = io.BytesIO(body)
    picture = upright(file, max_pixels=PIXELS)
    assert file.getvalue() == body
    assert (picture.width, picture.height, picture.mime_type) == (40, 20, mime_type)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_an_image_on_its_side_is_put_upright(orientation):
    """Pixels lie as EXIF says they should, and the tag is gone, so that all readers agree."""
    original = gradient()
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO(encoded(original, "PNG", exif=exif))
    picture = upright(file, max_pixels=PIXELS)
    turned = Image.open(file)
    flips = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    expected = original.transpose(flips[orientation])
    assert np.array_equal(np.asarray(turned), np.asarray(expected))
    assert (picture.width, picture.height) == expected.size
    assert 0x0112 not in turned.getexif()


def test_a_jpeg_on_its_side_stays_a_jpeg():
    """It is written again at high quality and keeps its format."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = upright(io.BytesIO(encoded(gradient(), "JPEG", exif=exif)), max_pixels=PIXELS)
    assert picture.mime_type == "image/jpeg"
    assert (picture.width, picture.height) == (20, 40)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_what_is_no_image_is_refused(body):
    """A page, an empty body and a cut header are named, never raised as something else."""
    with pytest.raises(ImageError) as caught:
        upright(io.BytesIO(body), max_pixels=PIXELS)
    assert caught.value.code in {"not_an_image", "image_damaged"}


@pytest.mark.parametrize("place", [0.3, 0.5, 0.9])
def test_a_png_that_is_cut_or_changed_is_refused(place):
    """Every chunk has a checksum, and all of them must be there."""
    body = encoded(gradient(), "PNG")
    cut = int(len(body) * place)
    for damaged in (body[:cut], body[:cut] + bytes([body[cut] ^ 1]) + body[cut + 1 :]):
        with pytest.raises(ImageError) as caught:
            upright(io.BytesIO(damaged), max_pixels=PIXELS)
        assert caught.value.code == "image_damaged"


def test_a_picture_bomb_is_refused_by_its_header():
    """50,000 × 50,000 pixels are refused before memory is taken for them."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
    body = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    with pytest.raises(ImageError) as caught:
        upright(io.BytesIO(body), max_pixels=PIXELS)
    assert caught.value.code == "image_too_large"


def test_a_size_that_contradicts_the_export_is_refused():
    """Coordinates that were drawn on other pixels would not fit."""
    picture = upright(io.BytesIO(encoded(gradient(), "PNG")), max_pixels=PIXELS)
    check_declared(picture, MediaAttributes(height=20, width=40))
    check_declared(picture, MediaAttributes())
    with pytest.raises(ImageError, match="20×40") as caught:
        check_declared(picture, MediaAttributes(height=40, width=20))
    assert caught.value.code == "image_size_mismatch"
