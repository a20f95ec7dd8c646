"""An orientation is taken out of a file, and every reader sees the pixels as they are stored."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from labelsnap.images.containers import container_of
from labelsnap.images.files import ImageDamagedError
from labelsnap.images.orientation import placed, take_out, turned_size
from tests.images.image_samples import (
    BOX,
    ORIENTATIONS,
    PLACES,
    SQUARE,
    WIDE,
    XMP_NAME,
    after_pixels,
    box_of,
    chunk,
    encoded,
    exif,
    oriented,
    pixels,
    readers,
    red,
    text,
    with_segments,
    xmp,
)


def taken_out(body):
    """What was seen in a file, and its bytes afterwards."""
    file = io.BytesIO(body)
    orientation = take_out(file, container_of(file))
    return orientation, file.getvalue()


def compressed(body):
    """The compressed pixels of a file, found by each container's own specification."""
    if body.startswith(b"\xff\xd8"):
        return body[body.index(b"\xff\xda") :]
    if body.startswith(b"\x89PNG"):
        return [content for kind, content in png_chunks(body) if kind in {b"IHDR", b"PLTE", b"IDAT"}]
    if body.startswith(b"RIFF"):
        start = max(body.find(b"VP8L"), body.find(b"VP8 "))
        return body[start : start + 8 + struct.unpack_from("<L", body, start + 4)[0]]
    with Image.open(io.BytesIO(body)) as image:
        starts, counts = (np.ravel(image.tag_v2[tag]) for tag in (273, 279))
        return [body[start : start + count] for start, count in zip(starts, counts, strict=True)]


def png_chunks(body):
    """Type and content of each chunk of a PNG."""
    position = 8
    while position < len(body):
        length, kind = struct.unpack_from(">L4s", body, position)
        yield kind, body[position + 8 : position + 8 + length]
        position += 12 + length


@pytest.mark.parametrize("size", [WIDE, SQUARE], ids=["wide", "square"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("place", PLACES)
def test_every_reader_sees_the_stored_pixels(place, orientation, size):
    """Pillow with and without ``exif_transpose`` and OpenCV with and without orientation; compressed bytes stay."""
    body = oriented(place, orientation, size)
    seen, after = taken_out(body)
    assert seen == orientation
    assert compressed(after) == compressed(body)
    if orientation == 1:
        assert after == body
    expected = readers(encoded({"j": "JPEG", "p": "PNG", "w": "WEBP", "t": "TIFF"}[place[0]], pixels(size)))
    for name, shown in readers(after).items():
        assert shown.shape == (size[1], size[0], 3), name
        assert box_of(red(shown)) == BOX, name
        if place != "webp lossy":
            assert np.array_equal(shown, expected[name]), name


@pytest.mark.parametrize("place", PLACES)
def test_what_pillow_turns_is_seen(place):
    """Whatever Pillow would do to the file, its orientation says."""
    with Image.open(io.BytesIO(oriented(place, 6))) as image:
        plain = image.size
        assert ImageOps.exif_transpose(image).size == WIDE[::-1]
    assert plain in {WIDE, WIDE[::-1]}
    assert taken_out(oriented(place, 6))[0] == 6


def test_other_metadata_stays():
    """What stands in a block beside the orientation is still read."""
    for image_format in ("JPEG", "PNG", "WEBP"):
        _, after = taken_out(encoded(image_format, exif=exif(6)))
        with Image.open(io.BytesIO(after)) as image:
            assert dict(image.getexif()) == {271: "Maker", 274: 1, 296: 2}
    packet = xmp(8)
    _, after = taken_out(encoded("WEBP", xmp=packet))
    with Image.open(io.BytesIO(after)) as image:
        assert image.info["xmp"] == packet.replace(b'"8"', b'"1"')


def entry(kind, count, value, order=">"):
    """A directory with one entry, an orientation of this type, as EXIF."""
    head = {">": b"MM\0*", "<": b"II*\0"}[order] + struct.pack(f"{order}L", 8)
    return b"Exif\0\0" + head + struct.pack(f"{order}HHHL4sL", 1, 274, kind, count, value, 0)


@pytest.mark.parametrize(
    ("block", "orientation"),
    [
        (entry(4, 1, b"\0\0\0\x06"), 6),  # LONG, as Pillow reads it
        (entry(3, 1, b"\x06\0\0\0", order="<"), 6),
        (entry(1, 1, b"\x06\0\0\0", order="<"), 6),  # BYTE, as OpenCV reads it
        (entry(3, 2, b"\0\x06\0\x01"), 6),  # two of them, likewise
        (entry(3, 1, b"\0\0\0\0"), 1),
        (entry(3, 1, b"\0\x09\0\0"), 1),
    ],
)
def test_orientations_of_unusual_types_are_seen(block, orientation):
    """And are set to 1, so that no reader's way of reading them matters."""
    seen, after = taken_out(with_segments(encoded("JPEG"), block))
    assert seen == orientation
    assert {name: box_of(red(shown)) for name, shown in readers(after).items()} == dict.fromkeys(readers(after), BOX)


DAMAGED = (b"Exif\0\0", b"Exif\0\0II", b"Exif\0\0" + bytes(40), b"Exif\0\0II*\0" + b"\xff" * 8, exif(6)[:20])


@pytest.mark.parametrize("block", DAMAGED)
@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP"])
def test_damaged_metadata_is_taken_out(container, block):
    """No reader raises over it or turns by it, and the picture is what it was."""
    if container == "PNG":
        body = after_pixels(encoded("PNG"), chunk(b"eXIf", block.removeprefix(b"Exif\0\0")))
    elif container == "WEBP":
        body = encoded("WEBP", exif=block)
    else:
        body = with_segments(encoded("JPEG"), block)
    seen, after = taken_out(body)
    assert seen == 1
    for name, shown in readers(after).items():
        assert box_of(red(shown)) == BOX, name


@pytest.mark.parametrize(
    "info",
    [
        text("Raw profile type exif", "\nexif\n   4\nno digits\n"),
        text("Raw profile type exif", "\nexif\n   2\nzz\n", compressed=True),
        text("xmp", "which Pillow cannot search"),
        text("exif", "which is none"),
    ],
)
def test_texts_over_which_pillow_stumbles_are_taken_out(info):
    """They stand under the names of metadata and are none."""
    seen, after = taken_out(encoded("PNG", pnginfo=info))
    assert seen == 1
    assert [kind for kind, _ in png_chunks(after)] == [b"IHDR", b"IDAT", b"IEND"]
    readers(after)


def test_a_packet_over_which_pillow_stumbles_gets_another_tag():
    """XMP in a TIFF is bytes; as ASCII it stops every reader that is Pillow."""
    body = bytearray(oriented("tiff xmp", 6))
    place = body.index(struct.pack("<HH", 700, 1))
    body[place + 2] = 2
    with Image.open(io.BytesIO(bytes(body))) as image, pytest.raises(TypeError):
        image.load()
    seen, after = taken_out(bytes(body))
    assert seen == 1
    assert {name: box_of(red(shown)) for name, shown in readers(after).items()} == dict.fromkeys(readers(after), BOX)


def test_a_text_bomb_is_taken_out_unread():
    """A hundred megabytes behind the name of a profile cost no memory."""
    bomb = zlib.compress(bytes(100 << 20))
    body = after_pixels(encoded("PNG"), chunk(b"zTXt", b"Raw profile type exif\0\0" + bomb))
    assert taken_out(body) == (1, encoded("PNG"))


def test_a_webp_without_its_damaged_chunk_is_well_formed():
    """RIFF's size is the file's, and no flag stands for a chunk that is not there."""
    _, after = taken_out(encoded("WEBP", exif=b"garbage garbage", xmp=xmp(3)))
    assert struct.unpack_from("<L", after, 4)[0] + 8 == len(after)
    assert b"EXIF" not in after
    assert after[20] & 0x0C == 0x04
    with Image.open(io.BytesIO(after)) as image:
        assert image.getexif() == {274: 1}


def test_an_orientation_that_cannot_be_taken_out_is_refused():
    """Two directories in one place, each of which is the other's damage."""
    overlapping = bytearray(b"Exif\0\0" + b"MM\0*" + struct.pack(">LH", 8, 40))
    overlapping += struct.pack(">HHL4s", 274, 3, 1, b"\0\x06\0\0") * 2
    seen, after = taken_out(with_segments(encoded("JPEG"), bytes(overlapping), XMP_NAME + xmp(5)))
    assert seen == 6
    assert taken_out(after) == (1, after)


@pytest.mark.parametrize(
    ("rule", "orientation", "declared", "expected"),
    [
        ("declared", 1, None, "stored"),
        ("declared", 6, None, "stored"),
        ("declared", 6, (48, 32), "stored"),
        ("declared", 6, (32, 48), "turned"),
        ("declared", 3, (48, 32), "stored"),
        ("declared", 3, (32, 48), "mismatch"),
        ("declared", 1, (32, 48), "mismatch"),
        ("declared", 6, (40, 30), "mismatch"),
        ("stored", 6, None, "stored"),
        ("stored", 6, (48, 32), "stored"),
        ("stored", 6, (32, 48), "mismatch"),
        ("stored", 2, (48, 32), "stored"),
        ("upright", 1, (48, 32), "stored"),
        ("upright", 1, (32, 48), "mismatch"),
        ("upright", 2, (48, 32), "turned"),
        ("upright", 6, None, "turned"),
        ("upright", 6, (32, 48), "turned"),
        ("upright", 6, (48, 32), "mismatch"),
        ("declared", 6, (48, None), "stored"),
        ("declared", 6, (32, None), "turned"),
        ("declared", 6, (None, 48), "turned"),
        ("declared", 6, (40, None), "mismatch"),
        ("declared", 1, (None, 48), "mismatch"),
        ("stored", 6, (32, None), "mismatch"),
        ("upright", 6, (None, 32), "mismatch"),
    ],
)
def test_rule_and_sizes_decide(rule, orientation, declared, expected):
    """Of a file of 48 × 32 pixels."""
    assert placed(rule, orientation, (48, 32), declared or (None, None)) == expected


@given(
    st.sampled_from(["declared", "stored", "upright"]),
    st.sampled_from(ORIENTATIONS),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.none() | st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_what_is_published_has_the_declared_size(rule, orientation, stored, declared):
    """Whatever the rule; and nothing is turned that has no orientation."""
    place = placed(rule, orientation, stored, declared or (None, None))
    size = turned_size(stored, orientation) if place == "turned" else stored
    assert place == "mismatch" or declared in {None, size}
    assert place != "turned" or orientation > 1


def mutations(bodies):
    """Files with a few bytes changed, a part taken out or doubled, or their end cut off."""

    def mutate(body, places, values, cut, part):
        changed = bytearray(body)
        for place, value in zip(places, values, strict=False):
            changed[place % len(changed)] = value
        start, end = sorted((part[0] % len(changed), part[1] % len(changed)))
        if part[2] == 1:
            del changed[start : min(end, start + 64)]
        elif part[2] == 2:
            changed[start:start] = changed[start : min(end, start + 64)]
        return bytes(changed[: len(changed) - cut])

    wide = st.integers(0, 1 << 16)
    return st.builds(
        mutate,
        st.sampled_from(bodies),
        st.lists(wide | st.integers(0, 200), max_size=6),
        st.lists(st.sampled_from([0, 1, 6, 18, 0x7F, 0xFF]) | st.integers(0, 255), min_size=6, max_size=6),
        st.just(0) | st.integers(0, 200),
        st.tuples(wide, wide, st.integers(0, 2)),
    )


PILLOW_REFUSES = (OSError, SyntaxError, ValueError, TypeError, AttributeError, LookupError, struct.error)
PILLOW_REFUSES += (Image.DecompressionBombError, Image.DecompressionBombWarning)
BODIES = [oriented(place, 6, (16, 8)) for place in PLACES] + [
    encoded(image_format, pixels((32, 16))) for image_format in ("GIF", "BMP")
]


@given(mutations(BODIES))
def test_no_bytes_raise_anything_else_and_what_passes_is_upright(body):
    """Damaged files are refused by one error; of what is left Pillow sees no orientation."""
    file = io.BytesIO(body)
    container = container_of(file)
    if container is None:
        return
    try:
        assert container.is_whole(file) in {True, False, None}
        take_out(file, container)
    except ImageDamagedError:
        return
    after = file.getvalue()
    try:
        image = Image.open(io.BytesIO(after))
    except PILLOW_REFUSES:
        return
    with image:
        blocks = {name: image.info[name] for name in ("exif", "Raw profile type exif", "xmp") if name in image.info}
        copied = Image.new("1", (1, 1))
        copied.info = blocks
        read = image if image.format == "TIFF" else copied
        assert read.getexif().get(274, 1) not in range(2, 9)
