"""Damaged and odd PNGs by the thousand: an error of ours or what Pillow sees, both ways the same, and never a hang.

``FUZZ_SECONDS=600 pytest -m slow tests/masks/test_masks_fuzz.py -s`` searches longer and says how much it tried.
"""

from __future__ import annotations

import io
import os
import random
import struct
import sys
import time
import zlib
from collections import Counter

import numpy as np
import pytest
from mask_pictures import SIGNATURE, chunk, write_png
from PIL import Image
from pycocotools import mask as coco

from tasks.masks.composite import decode_composite
from tasks.masks.errors import MaskError
from tasks.masks.instance import decode_instance
from tasks.masks.png import Limits

SECONDS = float(os.environ.get("FUZZ_SECONDS", "5"))
LONGEST = 5.0  # seconds for one picture of a few hundred pixels, also on a busy machine
LIMITS = Limits(pixels=1_000_000)
FORMATS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (4, 16)]
FORMATS += [(6, 8), (6, 16)]
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PILLOW_S_REFUSALS = (OSError, SyntaxError, ValueError, IndexError, struct.error, zlib.error)
PILLOW_S_REFUSALS += (Image.DecompressionBombError, Image.DecompressionBombWarning)
CODES = {"not_a_png", "truncated", "crc", "damaged", "unsupported", "too_large"}


def draw_png(generator):
    """Write a small picture of a random format, most of its pixels like their neighbours, with random filters."""
    colour, depth = generator.choice(FORMATS)
    height, width = generator.randint(1, 20), generator.randint(1, 90)
    random_numbers = np.random.default_rng(generator.getrandbits(32))
    table = random_numbers.integers(0, 2**depth, (generator.randint(1, 6), SAMPLES[colour]))
    labels = random_numbers.integers(0, len(table), (height, width))
    rows, columns = (np.sort(random_numbers.integers(0, side, side)) for side in (height, width))
    labels = labels[rows][:, columns]
    palette = random_numbers.integers(0, 256, (generator.randint(1, 2**depth), 3)) if colour == 3 else None
    filters = [generator.randint(0, 4) for _ in range(generator.randint(1, 5))]
    interlace = int(generator.random() < 0.2)
    return write_png(table[labels], colour=colour, depth=depth, filters=filters, interlace=interlace, palette=palette)


def split_chunks(png):
    """Return a sound PNG's chunks as lists of a name and a body."""
    chunks, start = [], len(SIGNATURE)
    while start < len(png):
        (length,) = struct.unpack_from(">I", png, start)
        chunks.append([png[start + 4 : start + 8], bytearray(png[start + 8 : start + 8 + length])])
        start += 12 + length
    return chunks


def spoil(body, generator):
    """Change, add, drop or repeat a few bytes."""
    for _ in range(generator.randint(1, 4)):
        place = generator.randrange(len(body) + 1)
        kind = generator.randrange(5)
        if kind == 0:
            body[place:place] = generator.randbytes(generator.randint(1, 9))
        elif kind == 1:
            del body[place : place + generator.randint(1, 9)]
        elif kind == 2:
            body[place:place] = body[max(0, place - 20) : place]
        else:
            change(body, generator)


def change(body, generator):
    """Change a byte, if there is one, to a filter type, to an extreme or by one bit."""
    if body:
        place = generator.randrange(len(body))
        body[place] = generator.choice([0, 1, 2, 3, 4, 255, body[place] ^ 1 << generator.randrange(8)])


def mutate(png, generator):
    """Damage a file's bytes, its chunks under right checksums, or its rows under a right zlib stream."""
    kind = generator.randrange(8)
    if kind == 0:
        spoiled = bytearray(png)
        spoil(spoiled, generator)
        return bytes(spoiled)
    chunks = split_chunks(png)
    if kind == 1:
        spoil(generator.choice(chunks)[1], generator)
    elif kind == 2:
        chunks.insert(generator.randrange(len(chunks) + 1), list(generator.choice(chunks)))
    elif kind == 3:
        del chunks[generator.randrange(len(chunks))]
    else:
        body = next(body for name, body in chunks if name == b"IDAT")
        rows = bytearray(zlib.decompress(body))
        if kind == 4:
            spoil(rows, generator)
        for _ in range(generator.randint(0, 30)):
            change(rows, generator)
        body[:] = zlib.compress(rows, generator.randint(0, 9))
        if kind == 5:
            cut = generator.randrange(len(body))
            chunks.insert(-1, [b"IDAT", body[cut:]])
            chunks[-3][1] = body[:cut]
    return SIGNATURE + b"".join(chunk(name, bytes(body)) for name, body in chunks)


def read(png, **options):
    """Return what is read, or the code of its error; anything else than an error of ours is raised."""
    begin = time.monotonic()
    try:
        composite = decode_composite(png, [(1, 2, 3)], limits=LIMITS, **options)
        composite = decode_composite(png, composite.unnamed_colours, limits=LIMITS, **options)
        result = composite, decode_instance(png, limits=LIMITS, **options)
    except MaskError as error:
        result = error.code
    assert isinstance(result, tuple) or result in CODES
    assert time.monotonic() - begin < LONGEST
    return result


def look_by_pillow(png):
    """Return Pillow's pixels as (height, width, 4), or None where it finds none."""
    try:
        image = Image.open(io.BytesIO(png), formats=["PNG"])
        if image.width * image.height > LIMITS.pixels:
            return None
        image.info.pop("transparency", None)
        image.load()
        image.info.pop("transparency", None)
        if image.mode.startswith("I"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return np.asarray(image.convert("RGBA"))
    except PILLOW_S_REFUSALS:
        return None


def assert_agrees(composite, pixels):
    """Compare each colour's runs with pycocotools' of Pillow's pixels."""
    shown = np.unique(pixels[pixels[..., :3].any(axis=-1)][:, :3], axis=0)
    colours = {tuple(colour) for colour in shown.tolist()}
    assert composite.unnamed_colours == ()
    assert len(composite.runs) <= len(colours)
    for runs in composite.runs:
        assert runs is not None
    areas = sorted(runs.area for runs in composite.runs)
    counts = {runs.counts for runs in composite.runs}
    masks = [(pixels[..., :3] == colour).all(axis=-1) for colour in sorted(colours)]
    visible = [mask for mask in masks if (pixels[..., 3][mask] > 0).any()]
    encoded = [coco.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in visible]
    assert areas == sorted(int(coco.area(rle)) for rle in encoded)
    assert counts == {rle["counts"] for rle in encoded}


@pytest.mark.slow
def test_damaged_pngs_by_the_thousand(capsys):
    """Mutated files never crash or hang the reader; both ways give one result, and Pillow's where it reads them too."""
    seed = random.SystemRandom().getrandbits(32) if "FUZZ_SECONDS" in os.environ else 0
    generator = random.Random(seed)  # noqa: S311 - repeatable
    seen, end = Counter(), time.monotonic() + SECONDS
    while time.monotonic() < end:
        png = draw_png(generator)
        for _ in range(20):
            mutated = mutate(png, generator)
            sparse, one_pass = read(mutated), read(mutated, sparse=False)
            assert sparse == one_pass, (seed, mutated.hex())
            seen["read" if isinstance(sparse, tuple) else sparse] += 1
            pixels = look_by_pillow(mutated)
            if pixels is None:
                seen["refused by Pillow"] += 1
            elif isinstance(sparse, tuple):
                seen["read by both"] += 1
                try:
                    assert_agrees(sparse[0], pixels)
                except AssertionError as error:
                    raise AssertionError(seed, mutated.hex()) from error
            else:
                seen[f"read by Pillow, {sparse}"] += 1
    with capsys.disabled():
        sys.stdout.write(f"\nseed {seed}: {dict(seen)}\n")
    assert seen["read by both"]
