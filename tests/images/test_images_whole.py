"""Whether a file has its end: whole ones of every subtype pass, and what is cut is found out."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from labelsnap.images.containers import container_of
from labelsnap.images.files import ImageDamagedError
from tests.images.image_samples import chunk, encoded, oriented


def noisy(mode="RGB", size=(150, 100)):
    """A picture that compression does not shorten much."""
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(values).convert(mode)


def frames(image_format, **options):
    """An animation of three frames."""
    images = [noisy().rotate(turn) for turn in (0, 90, 180)]
    return encoded(image_format, images[0], save_all=True, append_images=images[1:], **options)


def top_down(bmp):
    """A BMP whose first row is the first in the file."""
    height = struct.unpack_from("<l", bmp, 22)[0]
    return bmp[:22] + struct.pack("<l", -height) + bmp[26:]


def old_bmp():
    """A BMP with the header of OS/2, of 4 × 2 pixels."""
    return b"BM" + struct.pack("<LLLLHHHH", 50, 0, 26, 12, 4, 2, 1, 24) + bytes(range(24))


def run_lengths():
    """A BMP of 4 × 1 pixels in run lengths (RLE8)."""
    palette = bytes(range(256)) * 4
    rows = b"\x04\x07\x00\x01"
    header = struct.pack("<LllHHLLllLL", 40, 4, 1, 1, 8, 1, len(rows), 0, 0, 256, 0)
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<LLL", offset + len(rows), 0, offset) + header + palette + rows


def multi_picture():
    """A JPEG with a second picture, as cameras and phones write it."""
    return encoded("MPO", noisy(), save_all=True, append_images=[noisy(size=(60, 40))])


WHOLE = {
    "jpeg": lambda: encoded("JPEG", noisy()),
    "jpeg, progressive": lambda: encoded("JPEG", noisy(), progressive=True),
    "jpeg, with restarts": lambda: encoded("JPEG", noisy(), restart_marker_blocks=1),
    "jpeg, grey": lambda: encoded("JPEG", noisy("L")),
    "jpeg, CMYK": lambda: encoded("JPEG", noisy("CMYK")),
    "jpeg, with a thumbnail": lambda: encoded("JPEG", noisy(), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0" + encoded("JPEG")),
    "jpeg, with bytes after it": lambda: encoded("JPEG", noisy()) + b"\0 more \xff\xff" * 9,
    "jpeg, of several pictures": multi_picture,
    "png": lambda: encoded("PNG", noisy()),
    "png, of 16 bits": lambda: encoded("PNG", noisy("I").convert("I;16")),
    "png, palette": lambda: encoded("PNG", noisy("P")),
    "png, bits": lambda: encoded("PNG", noisy("1")),
    "png, with bytes after it": lambda: encoded("PNG", noisy()) + bytes(9),
    "png, animated": lambda: frames("PNG"),
    "webp": lambda: encoded("WEBP", noisy(), lossless=False),
    "webp, lossless": lambda: encoded("WEBP", noisy()),
    "webp, animated": lambda: frames("WEBP"),
    "webp, with metadata": lambda: oriented("webp exif", 6),
    "tiff": lambda: encoded("TIFF", noisy()),
    "tiff, LZW": lambda: encoded("TIFF", noisy(), compression="tiff_lzw"),
    "tiff, deflate": lambda: encoded("TIFF", noisy(), compression="tiff_adobe_deflate"),
    "tiff, JPEG": lambda: encoded("TIFF", noisy(), compression="jpeg"),
    "tiff, fax": lambda: encoded("TIFF", noisy("1"), compression="group4"),
    "tiff, strips": lambda: encoded("TIFF", noisy(), compression="tiff_lzw", strip_size=2000),
    "tiff, BigTIFF": lambda: encoded("TIFF", noisy(), big_tiff=True),
    "tiff, pages": lambda: frames("TIFF"),
    "bmp": lambda: encoded("BMP", noisy()),
    "bmp, palette": lambda: encoded("BMP", noisy("P")),
    "bmp, top down": lambda: top_down(encoded("BMP", noisy())),
    "bmp, OS/2": old_bmp,
    "bmp, run lengths": run_lengths,
    "gif": lambda: encoded("GIF", noisy()),
    "gif, interlaced": lambda: encoded("GIF", noisy("P"), interlace=1),
    "gif, animated": lambda: frames("GIF"),
    "gif, with bytes after it": lambda: encoded("GIF", noisy()) + bytes(9),
}
UNTOLD = {"bmp, run lengths"}


def whole(body):
    """What the container tells of a file; a cut header is a cut file."""
    file = io.BytesIO(body)
    try:
        return container_of(file).is_whole(file)
    except ImageDamagedError:
        return False


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_are_whole(name):
    """Pillow decodes each, and the container tells; of run lengths it tells nothing."""
    body = WHOLE[name]()
    with Image.open(io.BytesIO(body)) as image:
        image.load()
    assert whole(body) is (None if name in UNTOLD else True)


def interlaced_png():
    """An interlaced PNG of 1 × 1 pixel: Adam7 has one pass for it."""
    header = chunk(b"IHDR", struct.pack(">LLBBBBB", 1, 1, 8, 0, 0, 0, 1))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\x07")) + chunk(b"IEND", b"")


def tiled_tiff(lengths=True):
    """A grey TIFF of 16 × 32 pixels in two tiles, with or without their lengths."""
    pixels = bytes(range(256)) * 2
    tags = [(256, 3, 1, 16), (257, 3, 1, 32), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    tags += [(322, 3, 1, 16), (323, 3, 1, 16)]
    after = 8 + 2 + 12 * (len(tags) + 1 + lengths) + 4
    tags += [(324, 4, 2, after)] + [(325, 4, 2, after + 8)] * lengths
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHLL", *tag) for tag in tags) + bytes(4)
    arrays = struct.pack("<LL", after + 16, after + 16 + 256) + struct.pack("<LL", 256, 256)
    return b"II*\0" + struct.pack("<L", 8) + directory + arrays + pixels


def test_layouts_that_pillow_does_not_write_are_whole():
    """Adam7, and tiles; tiles without lengths tell nothing."""
    for body in (interlaced_png(), tiled_tiff()):
        with Image.open(io.BytesIO(body)) as image:
            image.load()
        assert whole(body)
    assert whole(tiled_tiff(lengths=False)) is None
    assert whole(tiled_tiff()[:-1]) is None


@pytest.mark.parametrize("share", [0.1, 0.66, 0.99])
@pytest.mark.parametrize("name", sorted(WHOLE.keys() - UNTOLD - {"jpeg, of several pictures"}))
def test_cut_files_are_not_whole(name, share):
    """Where a part of their last bytes is missing. Bytes after an image, or pages after the first, may be."""
    body = WHOLE[name]()
    cut = body[: int(len(body) * share)]
    after = {"jpeg, with bytes after it": 81, "png, with bytes after it": 9, "gif, with bytes after it": 9}
    pictured = len(body) // 3 + 300 if name == "tiff, pages" else len(body) - after.get(name, 0)
    assert (whole(cut) is True) == (len(cut) >= pictured)


@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("image_format", ["BMP", "PNG", "TIFF", "WEBP"])
def test_even_the_last_byte_is_missed(image_format, missing):
    """Though some readers would make do without it."""
    assert whole(encoded(image_format, noisy())[:-missing]) is not True


def test_a_jpeg_without_its_end_must_be_decoded():
    """And a GIF may lack its trailer, behind which nothing can stand, but not the end of a block."""
    assert whole(encoded("JPEG")[:-2]) is None
    assert whole(encoded("GIF")[:-1])
    assert whole(encoded("GIF")[:-2]) is False


def test_the_first_picture_of_several_counts():
    """A second one that is cut takes nothing from it; its own end must be there."""
    body = multi_picture()
    first = body.index(b"\xff\xd9\xff\xd8") + 2
    assert whole(body[: first + 100])
    assert whole(body[: first - 2]) is None


def test_headers_alone_are_not_whole():
    """Each container's beginning with nothing after it."""
    for name in ("jpeg", "png", "webp", "tiff", "bmp", "gif"):
        for length in (8, 16, 30):
            body = WHOLE[name]()[:length]
            assert container_of(io.BytesIO(body)) is None or whole(body) is False, (name, length)
