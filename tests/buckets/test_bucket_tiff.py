"""TIFFs at the door of a snapshot: those that common readers read, and those that they do not."""

from __future__ import annotations

import io
import struct
from itertools import product

import cv2
import numpy as np
import pytest

from labelsnap.buckets.rows.image import ImageError, check_image
from labelsnap.images.tiff import unsupported
from tests.buckets.test_bucket_image import PIXELS, encoded, gradient, published


def plain_tiff(*, bits=8, samples=1, kind=1, compression=1, photometric=1, size=(4, 4)):
    """A TIFF of zeros in one strip (TIFF 6.0, sections 2 and 8), with a palette where that is asked for."""
    pixels = bytes(size[1] * ((size[0] * bits * samples + 7) // 8))
    tags = {256: (4, [size[0]]), 257: (4, [size[1]]), 258: (3, [bits] * samples), 259: (3, [compression])}
    tags |= {262: (3, [photometric]), 273: (4, [0]), 277: (3, [samples]), 278: (4, [size[1]]), 279: (4, [len(pixels)])}
    if photometric is None:
        del tags[262]
    elif photometric == 3:
        tags[320] = (3, [0] * (3 << min(bits, 16)))
    tags[339] = (3, [kind] * samples)
    formats = {3: "H", 4: "L"}
    after = 8 + 2 + 12 * len(tags) + 4
    packed = {tag: struct.pack(f"<{len(values)}{formats[form]}", *values) for tag, (form, values) in tags.items()}
    start = after + sum(len(value) for value in packed.values() if len(value) > 4)
    packed[273] = struct.pack("<L", start)
    entries, tail = b"", b""
    for tag, (form, values) in tags.items():
        value = packed[tag]
        entries += struct.pack("<HHL", tag, form, len(values))
        entries += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<L", after + len(tail))
        tail += value if len(value) > 4 else b""
    return b"II*\0" + struct.pack("<LH", 8, len(tags)) + entries + bytes(4) + tail + pixels


TIFFS = {
    "bytes": plain_tiff,
    "signed bytes": lambda: plain_tiff(kind=2),
    "colours": lambda: plain_tiff(samples=3, photometric=2),
    "colours of 16 bits": lambda: plain_tiff(samples=3, bits=16, photometric=2),
    "16 bits": lambda: plain_tiff(bits=16),
    "signed 16 bits": lambda: plain_tiff(bits=16, kind=2),
    "one bit": lambda: plain_tiff(bits=1),
    "palette of 4 bits": lambda: plain_tiff(bits=4, photometric=3),
    "palette": lambda: plain_tiff(photometric=3),
    "fax": lambda: encoded(gradient().convert("1"), "TIFF", compression="group4"),
    "fax 3": lambda: encoded(gradient().convert("1"), "TIFF", compression="group3"),
    "fax 2": lambda: encoded(gradient().convert("1"), "TIFF", compression="tiff_ccitt"),
    "LZW": lambda: encoded(gradient(), "TIFF", compression="tiff_lzw"),
    "JPEG": lambda: encoded(gradient(), "TIFF", compression="jpeg"),
    "deflate": lambda: encoded(gradient(), "TIFF", compression="tiff_adobe_deflate"),
    "PackBits": lambda: encoded(gradient(), "TIFF", compression="packbits"),
    "CMYK": lambda: encoded(gradient().convert("CMYK"), "TIFF"),
}
UNREAD = {
    "zstd": lambda: encoded(gradient(), "TIFF", compression="zstd"),
    "LZMA": lambda: encoded(gradient(), "TIFF", compression="lzma"),
    "WebP": lambda: plain_tiff(samples=3, photometric=2, compression=50001),
    "old-style JPEG": lambda: plain_tiff(samples=3, photometric=6, compression=6),
    "number 34676": lambda: plain_tiff(compression=34676),
    "floating-point": lambda: plain_tiff(bits=32, kind=3),
    "32 bits": lambda: plain_tiff(bits=32),
    "12 bits": lambda: plain_tiff(bits=12),
    "4 bits": lambda: plain_tiff(bits=4),
    "2 bits": lambda: plain_tiff(bits=2),
    "5 samples": lambda: plain_tiff(samples=5, photometric=2),
    "64 bits": lambda: plain_tiff(bits=64),
    "CMYK, 16 bits": lambda: plain_tiff(samples=4, bits=16, photometric=5),
    "YCbCr, 8 bits a sample, 1 samples": lambda: plain_tiff(photometric=6),
    "kind 32845": lambda: plain_tiff(samples=3, photometric=32845),
    "an untold kind": lambda: plain_tiff(photometric=None),
}


@pytest.mark.parametrize("name", TIFFS)
def test_tiffs_that_opencv_reads_are_published(name):
    """As colour images, which is how Ultralytics and MMDetection read them."""
    body = TIFFS[name]()
    assert cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR) is not None
    assert published(body)[1] == body


@pytest.mark.parametrize("name", UNREAD)
def test_tiffs_that_opencv_does_not_read_are_named(name):
    """They are whole, so they pass the check that asks for a body again; what they are is told."""
    body = UNREAD[name]()
    assert cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR) is None
    check_image(io.BytesIO(body), max_pixels=PIXELS)
    with pytest.raises(ImageError, match=name) as caught:
        published(body)
    assert caught.value.code == "image_unsupported"


@pytest.mark.parametrize("photometric", [*range(7), 8, 9, 10, 32803, 32844, None])
def test_of_each_kind_what_opencv_reads_is_supported(photometric):
    """However many bits a sample has, and samples a pixel."""
    for bits, samples, kind in product((1, 2, 4, 8, 12, 16, 32), range(1, 6), (1, 2)):
        body = plain_tiff(bits=bits, samples=samples, photometric=photometric, kind=kind)
        is_read = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR) is not None
        assert (unsupported(io.BytesIO(body)) is None) is is_read, (bits, samples, kind)
