from __future__ import annotations

import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mask_pictures import SIGNATURE, as_png, chunk, header, picture
from PIL import Image

from labelsnap.masks.decoding.instance import decode_instance
from labelsnap.masks.decoding.pixels import decode_pixels
from labelsnap.masks.decoding.png import Limits, read_png
from labelsnap.masks.decoding.sparse import is_for_sparse
from labelsnap.masks.errors import MaskError

GREY = np.arange(35, dtype=np.uint8).reshape(5, 7)
DATA = chunk(b"IDAT", zlib.compress(b"\0\1\0\0\0\1"))  # two rows of two grey pixels, filter 0


REFUSED = {
    "nothing": (b"", "truncated"),
    "half a signature": (SIGNATURE[:5], "truncated"),
    "half a header": (picture(header())[:30], "truncated"),
    "a JPEG": (as_png(GREY, kind="JPEG"), "not_a_png"),
    "a WebP": (as_png(np.stack([GREY] * 3, axis=-1), kind="WEBP"), "not_a_png"),
    "an error page": (b"<html>", "not_a_png"),
    "an error message": (b'{"error": "no"}', "not_a_png"),
    "line ends changed": (SIGNATURE.replace(b"\r\n", b"\n") + header(), "not_a_png"),
    "no IHDR": (picture(DATA, chunk(b"tEXt", b"a\0b")), "damaged"),
    "no pixels wide": (picture(header(width=0), DATA), "damaged"),
    "no pixels high": (picture(header(height=0), DATA), "damaged"),
    "no IDAT": (picture(header()), "damaged"),
    "no palette": (picture(header(colour=3), DATA), "damaged"),
    "bit depth 3": (picture(header(depth=3), DATA), "unsupported"),
    "colour type 5": (picture(header(colour=5), DATA), "unsupported"),
    "compression 1": (picture(header(compression=1), DATA), "unsupported"),
    "filter method 1": (picture(header(filtering=1), DATA), "unsupported"),
    "interlace 2": (picture(header(interlace=2), DATA), "unsupported"),
    "a critical chunk of one's own": (picture(header(), chunk(b"ABCD"), DATA), "unsupported"),
    "200 million pixels and more": (picture(header(width=20_000, height=10_001), DATA), "too_large"),
    "as large as can be": (picture(header(width=2**31 - 1, height=2**31 - 1), DATA), "too_large"),
    "no IEND": (SIGNATURE + header() + DATA, "truncated"),
    "a chunk without end": (SIGNATURE + header() + DATA[:-2], "truncated"),
    "too few pixels": (picture(header(height=3), DATA), "truncated"),
    "no compressed data": (picture(header(), chunk(b"IDAT", b"abcdefgh")), "damaged"),
    "an unknown filter": (picture(header(), chunk(b"IDAT", zlib.compress(b"\7\1\0\7\0\1"))), "damaged"),
    "two headers": (picture(header(), header(height=3), DATA), "damaged"),
    "a palette after the pixels": (picture(header(colour=3), DATA, chunk(b"PLTE", bytes(3))), "damaged"),
    "two palettes": (picture(header(colour=3), *[chunk(b"PLTE", bytes(3))] * 2, DATA), "damaged"),
    "an unknown filter in the last of seven passes": (
        picture(header(interlace=1), chunk(b"IDAT", zlib.compress(b"\0\1\0\0\5\0\1"))),
        "damaged",
    ),
    "more alphas than colours": (
        picture(header(colour=3), chunk(b"PLTE", bytes(6)), chunk(b"tRNS", bytes(3)), DATA),
        "damaged",
    ),
    "half a colour": (picture(header(colour=3), chunk(b"PLTE", bytes(7)), DATA), "damaged"),
    "an empty palette": (picture(header(colour=3), chunk(b"PLTE"), DATA), "damaged"),
    "a palette index too high": (picture(header(colour=3), chunk(b"PLTE", bytes(3)), DATA), "damaged"),
}


@pytest.mark.parametrize(("png", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_sound_png_is_refused_by_name(png, code, sparse):
    """Each kind of damage has its code, and the reason says what was expected and found."""
    with pytest.raises(MaskError, match=r"expected .* found") as caught:
        decode_instance(png, sparse=sparse)
    assert caught.value.code == code


def test_every_chunk_is_checked():
    """One changed byte in any chunk is found by its checksum."""
    sound = picture(header(), chunk(b"tEXt", b"Comment\0x"), DATA)
    for position in (len(SIGNATURE) + 11, sound.index(b"Comment"), sound.index(b"IDAT") + 8):
        damaged = bytearray(sound)
        damaged[position] ^= 4
        with pytest.raises(MaskError) as caught:
            read_png(bytes(damaged))
        assert caught.value.code == "crc"


def test_more_chunks_than_any_writer_makes_are_refused():
    """Each costs a look, however short it is: as many as a large picture has are read, and no more."""
    empty = chunk(b"tEXt")
    inner = picture(header(), empty * 65_533, DATA)  # IHDR, IDAT and IEND are three
    assert read_png(inner).width == 2
    with pytest.raises(MaskError, match="at most 65536 chunks") as caught:
        read_png(picture(header(), empty * 65_534, DATA))
    assert caught.value.code == "damaged"


def test_a_file_over_the_limit_is_refused():
    """The limit of bytes is looked at before the file is."""
    png = picture(header(), DATA)
    assert read_png(png, limits=Limits(bytes=len(png))).width == 2
    with pytest.raises(MaskError) as caught:
        read_png(png, limits=Limits(bytes=len(png) - 1))
    assert caught.value.code == "too_large"


def test_pixels_up_to_the_limit_are_read():
    """A picture of just as many pixels as allowed is read, one more is refused."""
    png = as_png(GREY)
    assert read_png(png, limits=Limits(pixels=35)).height == 5
    with pytest.raises(MaskError) as caught:
        read_png(png, limits=Limits(pixels=34))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(("width", "sparse"), [(549_755, True), (549_756, False), (1_000_000, False)])
def test_the_sparse_way_reads_what_its_loops_can_write(width, sparse):
    """Their numbers have forty bits, so that they take pictures of fewer than 2^39 pixels: 549,755,813,888."""
    body = picture(header(width=width, height=1_000_000), DATA)
    assert is_for_sparse(read_png(body, limits=Limits(pixels=10**12))) == sparse


def test_pillow_s_own_limit_has_no_say(monkeypatch, sparse):
    """Pillow's limit for the whole process neither warns nor refuses."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 14)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_instance(as_png(GREY), sparse=sparse).area == 34


def test_a_side_over_the_limit_is_refused():
    """A picture may be neither wider nor higher than allowed."""
    for pixels in (GREY, GREY.T):
        assert read_png(as_png(pixels), limits=Limits(side=7))
        with pytest.raises(MaskError) as caught:
            read_png(as_png(pixels), limits=Limits(side=6))
        assert caught.value.code == "too_large"


def test_a_stream_of_more_rows_than_the_picture_is_damaged(sparse):
    """Compressed data that go on after the last row are refused, and no more of them is inflated than shows it."""
    for more in (1, 10_000_000):
        bomb = chunk(b"IDAT", zlib.compress(b"\0\1\0\0\0\1" + bytes(more)))
        with pytest.raises(MaskError, match="expected 6 bytes of rows, found more") as caught:
            decode_instance(picture(header(), bomb), sparse=sparse)
        assert caught.value.code == "damaged"


def test_bytes_after_the_end_of_the_stream_are_left_alone(sparse):
    """What stands in IDAT after a finished zlib stream can hold no pixel."""
    data = zlib.compress(b"\0\1\0\0\0\1")
    assert decode_instance(picture(header(), chunk(b"IDAT", data + b"more")), sparse=sparse).area == 2


@pytest.mark.parametrize(("data", "code"), [(DATA[8:-5], "truncated"), (DATA[8:-5] + b"\xff", "damaged")])
def test_the_stream_s_own_checksum_counts(data, code, sparse):
    """An Adler-32 that is cut or another than the rows' is an error, though the chunk's CRC is right."""
    with pytest.raises(MaskError) as caught:
        decode_instance(picture(header(), chunk(b"IDAT", data)), sparse=sparse)
    assert caught.value.code == code


def test_chunks_without_pixels_are_not_decoded(sparse):
    """A text bomb, a broken colour profile, a broken animation and bytes after IEND change nothing."""
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000)))
    others = [bomb, chunk(b"iCCP", b"?"), chunk(b"acTL", b"?"), chunk(b"gAMA", b"?")]
    assert decode_instance(picture(header(), *others, DATA) + b"more", sparse=sparse).area == 2


def test_interlaced_pictures_are_read(sparse):
    """The seven passes of an interlaced picture give the same pixels: here the first pixel and the rest."""
    passes = zlib.compress(b"\0\1" + b"\0\0" + b"\0\0\1")  # Adam7 of 2 × 2: passes 1, 6 and 7
    runs = decode_instance(picture(header(interlace=1), chunk(b"IDAT", passes)), sparse=sparse)
    assert (runs.area, runs.bounding_box) == (2, (0, 0, 2, 2))


@pytest.mark.parametrize(("colour", "samples"), [(2, 3), (4, 2), (6, 4)])
def test_the_high_byte_of_16_bit_samples_counts(colour, samples):
    """16-bit colour, which Pillow reads but does not write, keeps each sample's high byte."""
    pixel = struct.pack(f">{samples}H", *[0x0100 * (place + 1) for place in range(samples)])
    png = picture(header(width=1, height=1, depth=16, colour=colour), chunk(b"IDAT", zlib.compress(b"\0" + pixel)))
    decoded = decode_pixels(read_png(png))
    assert decoded.rgba()[0, 0] == {2: 0xFF030201, 4: 0x02010101, 6: 0x04030201}[colour]


@pytest.mark.parametrize("rows", [1, 20, 39])
@pytest.mark.parametrize("interlace", [0, 1])
def test_missing_rows_are_no_background(rows, interlace, sparse):
    """Finished data with fewer rows than the header says are truncated, also where they compress to a few bytes."""
    data = zlib.compress(bytes(rows * 1001))
    png = picture(
        header(width=1000, height=40, interlace=interlace), chunk(b"IDAT", data[:7]), chunk(b"IDAT", data[7:])
    )
    with pytest.raises(MaskError) as caught:
        decode_instance(png, sparse=sparse)
    assert caught.value.code == "truncated"


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(["1", "L", "RGB", "RGBA"]), st.integers(0, 9))
def test_blank_pictures_are_whole(sparse, width, height, mode, level):
    """Pictures of one colour, which compress to a few bytes, are decoded to their last row."""
    png = as_png(Image.new(mode, (width, height), "white"), compress_level=level)
    assert decode_instance(png, sparse=sparse).area == width * height


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_changed_byte_is_an_error_of_ours_or_the_same_picture(sparse, position, byte):
    """No damage to one byte gives other pixels or an error of another kind."""
    png = bytearray(as_png(GREY))
    png[position % len(png)] = byte
    try:
        runs = decode_instance(bytes(png), sparse=sparse)
    except MaskError:
        return
    assert runs.area == 34


@given(st.integers(0, 200))
def test_a_cut_file_is_truncated(length):
    """A PNG that ends early is named truncated wherever it was cut."""
    png = as_png(GREY)
    with pytest.raises(MaskError) as caught:
        read_png(png[: length % len(png)])
    assert caught.value.code == "truncated"
