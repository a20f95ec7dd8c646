"""Images that are made JPEGs, where a dataset asks for one type: ``images: jpg``."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from labelsnap.buckets.rows.image import ImageError, check_image, publishable
from labelsnap.memory import Budget
from labelsnap.records.model import MediaAttributes
from tests.images.image_samples import encoded, exif, oriented, pixels, turned

PIXELS = 1_000_000
SMOOTH = np.linspace((0, 60, 250), (250, 90, 10), 48 * 32).reshape(32, 48, 3).astype(np.uint8)
"""A picture of 48 × 32 pixels that a JPEG keeps almost as it is."""
NEARLY = 6
"""What a JPEG of this quality moves a smooth picture by, at most."""


def made(body, *, rule="declared", declared=(None, None), **options):
    """What is published of a file under ``images: jpg``: the picture and its bytes."""
    file = io.BytesIO(body)
    check_image(file, max_pixels=PIXELS)
    media = MediaAttributes(width=declared[0], height=declared[1])
    picture = publishable(file, rule=rule, media=media, max_pixels=PIXELS, as_jpeg=True, **options)
    return picture, file.getvalue()


def refusal(body, **options):
    """The code under which a file is refused, and the reason."""
    with pytest.raises(ImageError) as caught:
        made(body, **options)
    return caught.value.code, str(caught.value)


def shown(body):
    """A file as Pillow and as OpenCV show it in three colours, H × W × RGB."""
    with Image.open(io.BytesIO(body)) as image:
        by_pillow = np.asarray(image.convert("RGB")).astype(int)
    by_opencv = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    return by_pillow, by_opencv


def check_same(after, before):
    """Each reader sees in the JPEG what it saw in the file as it came."""
    with Image.open(io.BytesIO(after)) as image:
        assert image.format == "JPEG"
    for found, expected in zip(shown(after), shown(before), strict=True):
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= NEARLY


@pytest.mark.parametrize(
    ("image_format", "mode"),
    [
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "L"),
        ("PNG", "LA"),
        ("PNG", "1"),
        ("PNG", "P"),
        ("WEBP", "RGB"),
        ("WEBP", "RGBA"),
        ("TIFF", "RGB"),
        ("TIFF", "L"),
        ("BMP", "RGB"),
        ("BMP", "P"),
        ("GIF", "P"),
    ],
)
def test_each_type_becomes_what_readers_saw_in_it(image_format, mode):
    """Its pixels and its size, so that whatever was drawn on it lies where it lay."""
    picture = {
        "1": lambda smooth: Image.new("1", smooth.size, 1),
        "P": lambda smooth: smooth.quantize(256, dither=Image.Dither.NONE),
    }.get(mode, lambda smooth: smooth.convert(mode))(Image.fromarray(SMOOTH))
    body = encoded(image_format, picture)
    found, after = made(body)
    check_same(after, body)
    assert (found.width, found.height, found.mime_type) == (48, 32, "image/jpeg")
    assert found.converted_from == f"image/{image_format.lower()}"


@pytest.mark.parametrize("image_format", ["JPEG", "MPO"])
def test_a_jpeg_keeps_its_bytes(image_format):
    """So does a camera's of several pictures."""
    options = {"save_all": True, "append_images": [Image.new("RGB", (4, 4))]} if image_format == "MPO" else {}
    body = encoded(image_format, Image.fromarray(SMOOTH), **options)
    picture, after = made(body)
    assert (after, picture.converted_from, picture.mime_type) == (body, None, "image/jpeg")


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "BMP", "TIFF"])
def test_transparency_is_left_out(image_format):
    """What lies under it is shown, as Pillow shows it in three colours, and OpenCV but of a TIFF; nothing is behind."""
    image = Image.fromarray(SMOOTH).convert("RGBA")
    image.putalpha(0)
    body = encoded(image_format, image, **({"exact": True} if image_format == "WEBP" else {}))
    _, after = made(body)
    assert np.abs(shown(after)[0] - SMOOTH).max() <= NEARLY
    by_pillow, by_opencv = shown(body)
    assert np.array_equal(by_pillow, SMOOTH)
    assert np.array_equal(by_opencv, np.zeros_like(SMOOTH) if image_format == "TIFF" else SMOOTH)


@pytest.mark.parametrize("ending", ["png", "tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_of_16_bits_the_highest_8_stay(channels, ending):
    """A sample of 0x7F80 is 0x7F: neither cut off at 255, as Pillow does with grey, nor stretched."""
    deep = (SMOOTH.astype(np.uint16) << 8 | 0x80)[..., :channels].squeeze()
    _, after = made(bytes(cv2.imencode(f".{ending}", deep[..., ::-1] if channels > 1 else deep)[1]))
    expected = SMOOTH if channels > 1 else SMOOTH[..., :1]
    assert np.abs(shown(after)[0] - expected).max() <= NEARLY
    with Image.open(io.BytesIO(after)) as image:
        assert image.mode == ("RGB" if channels > 1 else "L")


@pytest.mark.parametrize("bits", [1, 8, 16])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_what_counts_from_white_is_no_negative(bits, compression):
    """A TIFF's PhotometricInterpretation 0: OpenCV shows the greatest sample as black, and so does the JPEG."""
    grey = SMOOTH[..., 0]
    samples = {1: grey > 127, 8: grey, 16: grey.astype(np.uint16) << 8 | 0x80}[bits]
    body = encoded("TIFF", Image.fromarray(samples), tiffinfo={262: 0}, compression=compression)
    _, after = made(body)
    expected = shown(body)[1]
    assert np.ptp(expected) > 200
    assert np.abs(np.stack(shown(after)) - expected).max() <= 2 * NEARLY


def test_what_counts_from_white_is_turned_as_it_is_seen():
    """Its 16 bits are kept, whether OpenCV gives the samples or shows them in three colours."""
    deep = SMOOTH[..., 0].astype(np.uint16) << 8 | 0x80
    body = encoded("TIFF", Image.fromarray(deep), tiffinfo={262: 0, 274: 6})
    file = io.BytesIO(body)
    publishable(file, rule="upright", media=MediaAttributes(), max_pixels=PIXELS)
    for flag, kind in ((cv2.IMREAD_ANYDEPTH, np.uint16), (cv2.IMREAD_COLOR, np.uint8)):
        before, after = (cv2.imdecode(np.frombuffer(each, np.uint8), flag) for each in (body, file.getvalue()))
        assert (after.dtype, after.shape[:2], np.ptp(after) > np.iinfo(kind).max * 0.9) == (kind, (48, 32), True)
        assert np.array_equal(after, before)


@pytest.mark.parametrize("place", ["png eXIf", "webp exif", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_lies_as_it_would_lie_in_its_own_type(place, orientation):
    """Stored pixels stay stored, and what must be turned is turned; no orientation stands in the JPEG."""
    body = oriented(place, orientation)
    for rule, expected in (("stored", pixels()), ("upright", turned(pixels(), orientation))):
        picture, after = made(body, rule=rule)
        assert picture.orientation == orientation
        assert picture.turned is (rule == "upright" and orientation > 1)
        assert (picture.height, picture.width) == expected.shape[:2]
        with Image.open(io.BytesIO(after)) as image:
            assert not image.getexif()
            off = np.abs(np.asarray(image).astype(int) - expected)
        assert np.median(off) <= NEARLY
        assert (off.max(-1) > 40).mean() < 0.05


def test_the_first_of_several_pictures_counts():
    """As readers take it; its comment does not come along."""
    body = encoded(
        "GIF", Image.fromarray(SMOOTH), save_all=True, append_images=[Image.new("RGB", (48, 32))], comment=b"x"
    )
    _, after = made(body)
    check_same(after, body)
    with Image.open(io.BytesIO(after)) as image:
        assert "comment" not in image.info


@pytest.mark.parametrize(("mode", "profile"), [("RGB", b"colours"), ("RGBA", b"colours"), ("L", b"colours")])
def test_a_colour_profile_is_kept(mode, profile):
    """The numbers mean the same colours as before."""
    _, after = made(encoded("PNG", Image.fromarray(SMOOTH).convert(mode), icc_profile=profile))
    with Image.open(io.BytesIO(after)) as image:
        assert image.info["icc_profile"] == profile


def test_the_profile_of_inks_is_not_that_of_the_colours():
    """Four inks become three colours, and their profile would be read for these."""
    _, after = made(encoded("TIFF", Image.fromarray(SMOOTH).convert("CMYK"), icc_profile=b"inks"))
    with Image.open(io.BytesIO(after)) as image:
        assert image.mode == "RGB"
        assert "icc_profile" not in image.info


def test_colours_are_not_halved():
    """Red beside blue keeps its place to the pixel: each has colours of its own in the file (4:4:4)."""
    _, after = made(encoded("PNG", Image.fromarray(SMOOTH)))
    with Image.open(io.BytesIO(after)) as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3


def test_the_same_image_gives_the_same_bytes():
    """Whatever metadata lay about its pixels."""
    image = Image.fromarray(SMOOTH)
    assert made(encoded("PNG", image))[1] == made(encoded("PNG", image, exif=exif(1), dpi=(72, 72)))[1]


def test_what_no_jpeg_can_hold_is_named():
    """A side that is too long, and pixels of a kind that has no colours of 8 bits."""
    code, reason = refusal(encoded("PNG", Image.new("L", (65_501, 1))))
    assert (code, "65501×1" in reason) == ("image_unsupported", True)
    assert made(encoded("PNG", Image.new("L", (65_500, 1))))[0].width == 65_500
    assert refusal(encoded("TIFF", Image.fromarray(SMOOTH).convert("LAB")))[0] == "image_unsupported"


def test_what_it_takes_is_claimed():
    """An image that is decoded for this alone does not fit a budget that is too small for it."""
    body = encoded("PNG", Image.fromarray(np.zeros((100, 100, 3), np.uint8)))
    assert made(body, memory=Budget(200_000))[0].width == 100
    assert refusal(body, memory=Budget(100_000))[0] == "image_too_large"


def test_damage_within_is_found():
    """A PNG whose checksums are right and whose pixels are not: decoding tells."""
    body = bytearray(encoded("PNG", Image.fromarray(SMOOTH)))
    place = body.index(b"IDAT")
    length = struct.unpack(">L", body[place - 4 : place])[0]
    body[place + 4 + length // 2 : place + 4 + length] = bytes(length - length // 2)
    body[place + 4 + length : place + 8 + length] = struct.pack(">L", zlib.crc32(body[place : place + 4 + length]))
    assert refusal(bytes(body))[0] == "image_damaged"
