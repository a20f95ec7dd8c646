"""Images at the door of a snapshot."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile

from labelsnap.buckets.rows.image import ImageError, check_image, publishable
from labelsnap.memory import Budget
from labelsnap.records.model import MediaAttributes

PIXELS = 1_000_000
MEBIBYTE = 1 << 20


def encoded(image, image_format, **options):
    """Bytes of an image file."""
    target = io.BytesIO()
    image.save(target, image_format, **options)
    return target.getvalue()


def gradient(width=40, height=20):
    """An image in which no pixel is like its neighbours."""
    values = np.arange(width * height * 3, dtype=np.uint32).reshape(height, width, 3) * 7 % 256
    return Image.fromarray(values.astype(np.uint8))


def published(body, *, rule="declared", declared=None):
    """What becomes of a file: the picture and its bytes."""
    file = io.BytesIO(body)
    check_image(file, max_pixels=PIXELS)
    width, height = declared or (None, None)
    media = MediaAttributes(width=width, height=height)
    picture = publishable(file, rule=rule, media=media, max_pixels=PIXELS)
    return picture, file.getvalue()


def code_of(body, **options):
    """The code under which a file is refused."""
    with pytest.raises(ImageError) as caught:
        published(body, **options)
    return caught.value.code


@pytest.mark.parametrize(
    ("image_format", "mime_type"),
    [(name, f"image/{name.lower()}") for name in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")]
    + [("MPO", "image/jpeg")],
)
def test_an_upright_image_keeps_its_bytes(image_format, mime_type):
    """Its size and what it really is are read from its header, whatever its name says."""
    options = {"save_all": True, "append_images": [gradient(10, 5)]} if image_format == "MPO" else {}
    body = encoded(gradient(), image_format, **options)
    picture, after = published(body)
    assert after == body
    assert (picture.width, picture.height, picture.mime_type) == (40, 20, mime_type)
    assert (picture.orientation, picture.turned) == (1, False)


@pytest.mark.parametrize("rule", ["declared", "upright"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_an_image_is_turned_where_that_is_asked_for(orientation, rule):
    """Pixels lie as EXIF says they should, and the tag is gone, so that all readers agree."""
    original = gradient()
    exif = Image.Exif()
    exif[0x0112] = orientation
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
    body = encoded(original, "PNG", exif=exif)
    picture, after = published(body, rule=rule, declared=expected.size)
    if rule == "declared" and orientation < 5:
        expected = original
    turned = Image.open(io.BytesIO(after))
    assert np.array_equal(np.asarray(turned), np.asarray(expected))
    assert (picture.width, picture.height) == expected.size
    assert (picture.orientation, picture.turned) == (orientation, expected is not original)
    assert turned.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("image_format", ["JPEG", "MPO"])
def test_a_jpeg_on_its_side_stays_a_jpeg(image_format):
    """It is written again at high quality with its colour profile and keeps its format."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture, after = published(encoded(gradient(), image_format, exif=exif, icc_profile=b"colours"), declared=(20, 40))
    assert picture.mime_type == "image/jpeg"
    assert (picture.width, picture.height) == (20, 40)
    with Image.open(io.BytesIO(after)) as image:
        assert (image.format, image.size, image.info["icc_profile"]) == ("JPEG", (20, 40), b"colours")


@pytest.mark.parametrize("body", [b"", b"<html>", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"\xff\xd8\xff"])
def test_what_is_no_image_is_refused(body):
    """A page, an empty body and a cut header are named, never raised as something else."""
    assert code_of(body) in {"not_an_image", "image_damaged"}


@pytest.mark.slow
def test_a_png_of_more_chunks_than_any_writer_makes_is_refused():
    """Each costs every reader a look, however short it is; as many as a large picture has are published."""
    body = encoded(gradient(), "PNG")
    empty = b"\0\0\0\0tEXt" + struct.pack(">L", zlib.crc32(b"tEXt"))
    assert published(body[:33] + empty * 60_000 + body[33:])[0].width == gradient().width
    with pytest.raises(ImageError) as caught:
        published(body[:33] + empty * 70_000 + body[33:])
    assert caught.value.code == "image_damaged"


@pytest.mark.parametrize("place", [0.3, 0.5, 0.9])
def test_a_png_that_is_cut_or_changed_is_refused(place):
    """Every chunk has a checksum, and all of them must be there."""
    body = encoded(gradient(), "PNG")
    cut = int(len(body) * place)
    for damaged in (body[:cut], body[:cut] + bytes([body[cut] ^ 1]) + body[cut + 1 :]):
        assert code_of(damaged) == "image_damaged"


@pytest.mark.parametrize("share", [0.1, 0.66, 0.99])
@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("BMP", {}),
        ("GIF", {}),
    ],
)
def test_a_cut_image_is_refused(image_format, options, share):
    """Whatever its container, though its header is whole."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    body = encoded(Image.fromarray(noise), image_format, **options)
    assert code_of(body[: int(len(body) * share)]) == "image_damaged"


def test_a_jpeg_without_its_end_is_decoded():
    """It passes where all of it is there, and is damaged where it is not."""
    body = encoded(gradient(), "JPEG")
    assert published(body[:-2] + bytes(100))[0].width == 40
    assert code_of(body[:-2]) == "image_damaged"
    assert code_of(body[: len(body) * 9 // 10]) == "image_damaged"


def test_run_lengths_are_decoded():
    """A BMP in run lengths tells nothing else about its end."""
    header = struct.pack("<LllHHLLllLL", 40, 4, 1, 1, 8, 1, 4, 0, 0, 256, 0)
    offset = 14 + len(header) + 1024
    body = b"BM" + struct.pack("<LLL", offset + 4, 0, offset) + header + bytes(1024) + b"\x04\x07\x00\x01"
    assert published(body)[0].mime_type == "image/bmp"
    assert code_of(body[:-4]) == "image_damaged"


def test_what_is_too_large_is_not_decoded():
    """A cut JPEG of more pixels than are allowed is refused for that."""
    body = bytearray(encoded(gradient(), "JPEG")[:-2])
    place = body.index(b"\xff\xc0") + 5
    body[place : place + 4] = struct.pack(">HH", 60_000, 60_000)
    file = io.BytesIO(bytes(body))
    check_image(file, max_pixels=PIXELS)
    with pytest.raises(ImageError) as caught:
        publishable(file, rule="declared", media=MediaAttributes(), max_pixels=PIXELS)
    assert caught.value.code == "image_too_large"


def test_an_honest_png_is_not_decoded(monkeypatch):
    """Neither its size nor its orientation, which it has not, needs its pixels."""
    body = encoded(gradient(), "PNG")

    def load(_image):
        raise AssertionError("it was decoded")

    monkeypatch.setattr(PngImageFile, "load", load)
    assert published(body)[1] == body


def refused(body, *, rule="declared", memory=MEBIBYTE):
    """The code under which a file is refused, and why; it is not asked for again, within so much memory."""
    file, budget = io.BytesIO(body), Budget(memory)
    check_image(file, max_pixels=PIXELS, memory=budget)
    with pytest.raises(ImageError) as caught:
        publishable(file, rule=rule, media=MediaAttributes(), max_pixels=PIXELS, memory=budget)
    assert budget.taken == 0
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_what_takes_more_memory_than_there_is_to_turn_is_refused(image_format):
    """By name, before it is decoded; in more memory it is turned."""
    exif = Image.Exif()
    exif[274] = 6
    body = encoded(Image.new("RGB", (700, 600)), image_format, exif=exif)
    code, reason = refused(body, rule="upright")
    assert code == "image_too_large"
    assert "LABELSNAP_MEMORY_BYTES" in reason
    assert published(body, rule="upright")[0].turned


@pytest.mark.parametrize("image_format", ["GIF", "JPEG"])
def test_what_takes_more_memory_than_there_is_to_check_is_refused(image_format):
    """A GIF, and a JPEG without its end, tell only decoded whether they are sound."""
    body = encoded(Image.effect_noise((900, 900), 50), image_format)
    assert refused(body[:-2] if image_format == "JPEG" else body)[0] == "image_too_large"


def test_a_tile_that_is_larger_than_its_picture_is_claimed():
    """The header of a TIFF of 8 × 8 pixels asks for 4 MB at once."""
    pixels = zlib.compress(bytes(2000 * 2000))
    numbers = {256: 8, 257: 8, 258: 8, 259: 8, 262: 1, 277: 1, 322: 2000, 323: 2000, 324: 8, 325: len(pixels)}
    entries = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in numbers.items())
    directory = struct.pack("<H", len(numbers)) + entries + bytes(4)
    body = b"II*\0" + struct.pack("<L", 8 + len(pixels)) + pixels + directory
    assert refused(body, memory=4 * MEBIBYTE)[0] == "image_too_large"
    assert published(body)[0].mime_type == "image/tiff"


def test_a_picture_that_pillow_cannot_take_memory_for_is_refused(monkeypatch):
    """Whatever it lacks memory for is the row's problem."""

    def transpose(*_):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "transpose", transpose)
    exif = Image.Exif()
    exif[274] = 6
    assert refused(encoded(gradient(), "PNG", exif=exif), rule="upright")[0] == "image_too_large"


def test_a_picture_bomb_is_refused_by_its_header():
    """50,000 × 50,000 pixels are refused before memory is taken for them."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
    body = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    assert code_of(body) == "image_too_large"


def test_a_size_that_contradicts_the_export_is_refused():
    """Coordinates that were drawn on other pixels would not fit."""
    body = encoded(gradient(), "PNG")
    assert published(body, declared=(40, 20))[0].width == 40
    with pytest.raises(ImageError, match="20×40") as caught:
        published(body, declared=(20, 40))
    assert caught.value.code == "image_size_mismatch"


def with_text_for_a_number():
    """A JPEG of 32 × 24 pixels on its side, whose EXIF has text where its height should stand."""
    tags = struct.pack(">HHLL", 0x0101, 2, 5, 50) + struct.pack(">HHLHH", 0x0112, 3, 1, 6, 0)
    tags += struct.pack(">HHLL", 0x011A, 5, 1, 56)
    block = b"Exif\0\0MM\0*" + struct.pack(">LH", 8, 3) + tags + bytes(4) + b"Make\0\0" + struct.pack(">LL", 72, 0)
    body = encoded(gradient(32, 24).convert("CMYK"), "JPEG")
    return body[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + body[2:]


@pytest.mark.parametrize("declared", [None, (32, 24), (24, 32)])
def test_an_image_with_damaged_exif_is_published(declared):
    """Pillow's ``exif_transpose`` raises over it; its pixels are whole."""
    body = with_text_for_a_number()
    with pytest.raises(struct.error):
        ImageOps.exif_transpose(Image.open(io.BytesIO(body)))
    picture, after = published(body, declared=declared)
    assert (picture.orientation, picture.turned) == (6, declared == (24, 32))
    with Image.open(io.BytesIO(after)) as image:
        assert image.size == (declared or (32, 24))
        assert image.getexif().get(0x0112, 1) == 1


def noisy():
    """A picture that does not compress much, of 120 × 90 pixels."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8))


@pytest.mark.parametrize(("image_format", "options"), [("GIF", {}), ("TIFF", {"compression": "tiff_lzw"})])
def test_damage_inside_is_found(image_format, options):
    """Where no checksum and no length tells of it: a quarter of the pixels is zeros."""
    body = encoded(noisy(), image_format, **options)
    middle, size = len(body) // 2, len(body) // 4
    damaged = body[:middle] + bytes(size) + body[middle + size :]
    with pytest.raises(OSError, match=r"broken data|decoder error"), Image.open(io.BytesIO(damaged)) as image:
        image.load()
    assert published(body)[0].width == 120
    assert code_of(damaged) == "image_damaged"


def on_its_side():
    """EXIF that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize("animated", [False, True])
@pytest.mark.parametrize("lossless", [False, True])
def test_a_turned_webp_stays_what_it_was(lossless, animated):
    """Its colour profile is kept, and a lossless one loses nothing, nor does a still one under transparency."""
    image = gradient().convert("RGBA")
    image.putalpha(255 if animated else 0)
    more = {"save_all": True, "append_images": [noisy().resize(image.size).convert("RGBA")]} if animated else {}
    options = {"lossless": lossless, "exact": True, "exif": on_its_side(), "icc_profile": b"colours"}
    picture, after = published(encoded(image, "WEBP", **options, **more), declared=(20, 40))
    assert picture.turned
    with Image.open(io.BytesIO(after)) as turned:
        assert turned.info["icc_profile"] == b"colours"
        same = np.array_equal(
            *(np.asarray(each)[..., :3] for each in (turned, image.transpose(Image.Transpose.ROTATE_270)))
        )
    assert (b"VP8L" in after) is lossless
    assert same is lossless


def deep(image_format, channels):
    """A picture of 16 bits a sample, which OpenCV writes, with an orientation."""
    values = np.arange(40 * 20 * channels, dtype=np.uint16).reshape(20, 40, channels) * 19
    body = bytes(cv2.imencode(f".{image_format}", values.squeeze())[1])
    if image_format == "png":
        content = on_its_side().tobytes()[6:]
        chunk = struct.pack(">L", len(content)) + b"eXIf" + content + struct.pack(">L", zlib.crc32(b"eXIf" + content))
        return body[:33] + chunk + body[33:]
    entry = struct.pack("<HHLHH", 274, 3, 1, 1, 0)
    place = body.find(entry)
    return body if place < 0 else body[:place] + struct.pack("<HHLHH", 274, 3, 1, 6, 0) + body[place + 12 :]


@pytest.mark.parametrize("channels", [3, 4])
def test_bits_that_turning_would_cut_are_not_lost_in_silence(channels):
    """Pillow has 8 bits for each colour: 16 are published as they are stored, and refused where they must be turned."""
    body = deep("png", channels)
    picture, after = published(body)
    assert (picture.orientation, picture.turned) == (6, False)
    read = (cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_UNCHANGED) for each in (body, after))
    assert {each.dtype for each in read} == {np.dtype(np.uint16)}
    with pytest.raises(ImageError, match="16 bits") as caught:
        published(body, declared=(20, 40))
    assert caught.value.code == "image_unsupported"


def test_grey_of_16_bits_is_turned():
    """Pillow keeps all of them."""
    body = deep("png", 1)
    _, after = published(body, declared=(20, 40))
    stored, turned = (
        cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
        for each in (body, after)
    )
    assert np.array_equal(turned, np.rot90(stored, -1))


@pytest.mark.parametrize("declared", [(40, None), (None, 20), (20, None), (None, 40)])
def test_half_a_size_is_heeded(declared):
    """The image is stored or turned as that half asks; one that fits neither is named."""
    body = encoded(gradient(), "PNG", exif=on_its_side())
    picture, _ = published(body, declared=declared)
    assert picture.turned is (declared in {(20, None), (None, 40)})
    with pytest.raises(ImageError, match=r"declares \?×41") as caught:
        published(body, declared=(None, 41))
    assert caught.value.code == "image_size_mismatch"
