"""Pictures for the mask tests, and a PNG writer that leaves every choice to the test."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image
from pycocotools import mask as coco

from labelsnap.records.geometry import Runs

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # a pixel, by colour type
ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def as_png(image, *, kind="PNG", **options):
    """Write an array or a Pillow picture as the bytes of a PNG, or of another kind of file."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def pixels(picture):
    """Read a boolean array (height, width) from a picture of ``#`` and ``.``, rows apart by white space."""
    return np.array([[pixel == "#" for pixel in line] for line in picture.split()])


def from_mask(mask):
    """Read the runs of a boolean array (height, width) by pycocotools."""
    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    box = tuple(int(part) for part in coco.toBbox(encoded))
    return Runs(*mask.shape, encoded["counts"], int(coco.area(encoded)), box)


def compressed(lengths):
    """Write run lengths as COCO's string, one number after another, as maskApi.c's rleToString does."""
    text = []
    for run, length in enumerate(lengths):
        number, more = length - (lengths[run - 2] if run > 2 else 0), True
        while more:
            group, number = number & 31, number >> 5
            more = number != (-1 if group & 16 else 0)
            text.append(chr(48 + group + 32 * more))
    return "".join(text).encode()


def to_mask(runs):
    """Paint runs as a boolean array (height, width) by pycocotools."""
    return coco.decode({"size": [runs.height, runs.width], "counts": runs.counts}).astype(bool)


def chunk(name, body=b""):
    """Write one chunk as the specification's section 5.3 has it."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def header(*, width=2, height=2, depth=8, colour=0, compression=0, filtering=0, interlace=0):
    """Write an IHDR chunk."""
    return chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, colour, compression, filtering, interlace))


def picture(*chunks):
    """Put chunks between the signature and IEND."""
    return SIGNATURE + b"".join(chunks) + chunk(b"IEND")


def write_png(samples, *, colour, depth=8, filters=(0,), interlace=0, palette=None):
    """Write samples (height, width, samples a pixel) with the filter types given, used row after row in turn."""
    samples = np.asarray(samples)
    height, width = samples.shape[:2]
    parts = [samples[y::down, x::right] for y, x, down, right in (ADAM7 if interlace else [(0, 0, 1, 1)])]
    distance = max(1, SAMPLES[colour] * depth // 8)
    rows, number = [], 0
    for part in parts:
        above = None
        for row in part if part.size else ():
            packed = _pack(row.ravel(), depth)
            above = np.zeros_like(packed) if above is None else above
            filter_type = filters[number % len(filters)]
            rows.append(bytes([filter_type]) + _filter(packed, above, filter_type, distance))
            above, number = packed, number + 1
    chunks = [header(width=width, height=height, depth=depth, colour=colour, interlace=interlace)]
    if palette is not None:
        chunks.append(chunk(b"PLTE", np.asarray(palette, np.uint8).tobytes()))
    return picture(*chunks, chunk(b"IDAT", zlib.compress(b"".join(rows), 1)))


def _pack(samples, depth):
    """Write samples of a row as bytes, the first one in the highest bits."""
    if depth == 16:
        return np.frombuffer(samples.astype(">u2").tobytes(), np.uint8)
    if depth == 8:
        return samples.astype(np.uint8)
    bits = samples[:, np.newaxis] >> np.arange(depth - 1, -1, -1) & 1
    return np.packbits(bits.astype(np.uint8).ravel())


def _filter(row, above, filter_type, distance):
    """Filter a row of bytes as the specification's section 9.2 has it."""
    padding = np.zeros(distance, np.uint8)
    left, upper_left = (np.concatenate([padding, line])[: row.size].astype(int) for line in (row, above))
    up = above.astype(int)
    estimate = left + up - upper_left
    to_left, to_up, to_upper_left = (abs(estimate - one) for one in (left, up, upper_left))
    nearest = np.where(
        (to_left <= to_up) & (to_left <= to_upper_left), left, np.where(to_up <= to_upper_left, up, upper_left)
    )
    predicted = (np.zeros_like(left), left, up, (left + up) // 2, nearest)[filter_type]
    return (row - predicted).astype(np.uint8).tobytes()
