"""Edits of a file: what they make of it, and how much of it they read and write."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from labelsnap.images import files
from labelsnap.images.containers import container_of
from labelsnap.images.files import Edit, ImageDamagedError, edit
from labelsnap.images.orientation import take_out
from tests.images.image_samples import XMP_NAME, after_pixels, chunk, encoded, exif, readers, text, with_segments, xmp


class Counting(io.BytesIO):
    """A file that counts the bytes that are read from it and written to it."""

    moved = 0

    def read(self, size=-1, /):
        """Read, and count."""
        content = super().read(size)
        self.moved += len(content)
        return content

    def write(self, content, /):
        """Write, and count."""
        self.moved += len(content)
        return super().write(content)


def apart(cuts, contents):
    """Edits that lie apart, between each two of an ascending, even number of places."""
    pairs = zip(cuts[0::2], cuts[1::2], strict=True)
    return [Edit(start, end, content) for (start, end), content in zip(pairs, contents, strict=False)]


@given(
    st.lists(st.integers(0, 60), min_size=2, max_size=12, unique=True).map(lambda cuts: sorted(cuts)[len(cuts) % 2 :]),
    st.lists(st.binary(max_size=9), min_size=6, max_size=6),
    st.integers(1, 20),
)
def test_edits_make_what_slices_make(cuts, contents, block):
    """Whether a part of the file moves to its beginning or to its end, and in blocks of whatever size."""
    body = random.Random(0).randbytes(64)  # noqa: S311
    edits = apart(cuts, contents)
    expected = bytearray(body)
    for start, end, content in reversed(edits):
        expected[start:end] = content
    file = io.BytesIO(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "BLOCK", block)
        edit(file, edits[::-1])
    assert file.getvalue() == bytes(expected)


def test_many_damaged_chunks_are_taken_out_in_one_pass():
    """Sixteen of them before a megabyte: the megabyte is moved once."""
    picture = encoded("PNG")
    body = picture[:33] + chunk(b"eXIf", b"x") * 16 + after_pixels(picture, chunk(b"zzZz", bytes(1 << 20)))[33:]
    file = Counting(body)
    take_out(file, container_of(file))
    assert file.getvalue() == after_pixels(picture, chunk(b"zzZz", bytes(1 << 20)))
    assert file.moved < 3 * len(body)


def in_webp(*blocks):
    """A WebP with these chunks of metadata, each a kind and a content of even length."""
    body = encoded("WEBP", exif=exif(1))[12:]
    body += b"".join(kind + struct.pack("<L", len(content)) + content for kind, content in blocks)
    return b"RIFF" + struct.pack("<L", len(body) + 4) + b"WEBP" + body


def entries(count):
    """EXIF of so many orientations, each of which turns."""
    return (
        b"Exif\0\0II*\0\x08\0\0\0"
        + struct.pack("<H", count)
        + struct.pack("<HHLHH", 274, 3, 1, 6, 0) * count
        + bytes(4)
    )


PACKET = b"tiff:Orientation>6" * 3000
CROWDED = {
    "jpeg exif": lambda: with_segments(encoded("JPEG"), entries(5000)),
    "jpeg xmp": lambda: with_segments(encoded("JPEG"), XMP_NAME + PACKET),
    "png exif": lambda: after_pixels(encoded("PNG"), chunk(b"eXIf", entries(5000)[6:])),
    "png xmp": lambda: encoded(
        "PNG", pnginfo=text("XML:com.adobe.xmp", PACKET.decode(), international=True, compressed=True)
    ),
    "webp exif": lambda: in_webp((b"EXIF", entries(5000)[6:])),
    "webp xmp": lambda: in_webp((b"XMP ", PACKET)),
    "tiff xmp": lambda: encoded("TIFF", tiffinfo={700: PACKET}),
}


@pytest.mark.parametrize("name", CROWDED)
def test_a_block_of_thousands_of_orientations_is_taken_out_whole(name):
    """A handful of edits, whatever it holds; no reader turns by it and it needs no second look."""
    body = CROWDED[name]()
    file = io.BytesIO(body)
    assert len(container_of(file).orientation(file).edits) <= 4
    take_out(file, container_of(file))
    assert not container_of(file).orientation(file).edits
    shown = readers(file.getvalue())
    assert all((shown[each] == shown["opencv, orientation ignored"]).all() for each in ("exif_transpose", "opencv"))


MANY = {
    "jpeg exif": lambda: with_segments(encoded("JPEG"), *[entries(5000)] * 600),
    "jpeg empty exif": lambda: with_segments(encoded("JPEG"), *[b"Exif\0\0"] * 60_000),
    "jpeg xmp": lambda: with_segments(encoded("JPEG"), *[XMP_NAME + PACKET] * 200),
    "jpeg xmp of one each": lambda: with_segments(encoded("JPEG"), *[XMP_NAME + xmp(6)] * 10_000),
    "png damaged exif": lambda: after_pixels(encoded("PNG"), chunk(b"eXIf", b"x") * 8000),
    "png xmp": lambda: after_pixels(encoded("PNG"), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(1)) * 8000),
    "webp exif": lambda: in_webp(*[(b"EXIF", exif(6)[6:])] * 20_000),
    "webp damaged exif": lambda: in_webp(*[(b"EXIF", b"xx")] * 50_000),
    "webp headers": lambda: in_webp(*[(b"VP8X", bytes(10))] * 50_000, (b"EXIF", b"xx")),
}


@pytest.mark.parametrize("name", MANY)
def test_thousands_of_blocks_of_metadata_are_damage_that_takes_no_memory(name):
    """The file is refused before edits are kept of it, in what every file is claimed for and a megabyte."""
    file = io.BytesIO(MANY[name]())
    container = container_of(file)
    tracemalloc.start()
    try:
        with pytest.raises(ImageDamagedError, match="more than"):
            take_out(file, container)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(file.getvalue()) + (1 << 20)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("chunks", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_many_chunks_of_a_webp_are_looked_at_one_after_another(chunks):
    """So many empty chunks take no memory of their own."""
    file = io.BytesIO(in_webp(*[(b"ZZZZ", b"")] * chunks))
    container = container_of(file)
    tracemalloc.start()
    try:
        assert container.is_whole(file)
        assert take_out(file, container) == 1
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_bytes_between_segments_are_read_a_few_times():
    """Sixty-five of them before each segment of a JPEG do not cost a megabyte each."""
    picture = encoded("JPEG")
    file = Counting(picture[:2] + b"\xff\xfe\0\x02" + (bytes(65) + b"\xff\xfe\0\x02") * 5000 + picture[2:])
    assert container_of(file).is_whole(file)
    assert file.moved < 20 * len(file.getvalue())


@pytest.mark.slow
def test_chunks_that_pillow_keeps_are_claimed_with_what_it_takes_for_each():
    """Unknown chunks of no bytes are a list of its own; the claim is no less than what it takes to open the file."""
    picture = encoded("PNG")
    file = io.BytesIO(picture[:33] + chunk(b"zzZz", b"") * 50_000 + picture[33:])
    tracemalloc.start()
    try:
        with Image.open(file) as image:
            image.load()
            assert tracemalloc.get_traced_memory()[1] < container_of(file).held(file) + (1 << 20)
    finally:
        tracemalloc.stop()
