"""Compiles the loops over masks, which each worker would else do for itself: ``python -m tests.loops``.

What is compiled is kept beside the code, and is found there by all processes.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from labelsnap.masks.decoding.composite import decode_composite
from labelsnap.masks.decoding.instance import decode_instance
from labelsnap.masks.rasters.overlay import overlay
from labelsnap.masks.rasters.png_writer import encode_overlay
from labelsnap.snapshots.checking.extents import mask_extents


def png():
    """A red picture of 40 × 30 pixels, which is a mask of all of them."""
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, "PNG")
    return file.getvalue()


def compile_all():
    """Call each loop once, by the ways on which tests come to it."""
    runs = decode_instance(png())
    decode_composite(png(), [(255, 0, 0)])
    mask_extents([runs.counts], np.array([30]), np.array([40]))
    shown = overlay([runs, runs], 30, 40)
    for values in (np.arange(2, dtype=np.uint8), np.arange(2, dtype=np.uint16), np.eye(2, 3, dtype=np.uint8)):
        encode_overlay(shown, values)


if __name__ == "__main__":
    compile_all()
