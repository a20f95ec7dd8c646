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
from PIL import Image
from png_damage import draw_png, mutate
from pycocotools import mask as coco

from labelsnap.masks.decoding.composite import decode_composite
from labelsnap.masks.decoding.instance import decode_instance
from labelsnap.masks.decoding.png import Limits
from labelsnap.masks.errors import MaskError

SECONDS = float(os.environ.get("FUZZ_SECONDS", "5"))
LONGEST = 5.0  # seconds for one picture of a few hundred pixels, also on a busy machine
LIMITS = Limits(pixels=1_000_000)
PILLOW_S_REFUSALS = (OSError, SyntaxError, ValueError, IndexError, struct.error, zlib.error)
PILLOW_S_REFUSALS += (Image.DecompressionBombError, Image.DecompressionBombWarning)
CODES = {"not_a_png", "truncated", "crc", "damaged", "unsupported", "too_large"}


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
