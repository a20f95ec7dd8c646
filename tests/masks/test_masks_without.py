"""Without numba: machines that lack it, or a directory for compiled code, and processes that read no mask."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from mask_pictures import as_png
from PIL import Image

WITHOUT_NUMBA = "import sys; sys.modules['numba'] = None"
READ = """
import sys
from labelsnap.masks.decoding.composite import decode_composite
from labelsnap.masks.decoding.instance import decode_instance
png = sys.stdin.buffer.read()
runs = decode_instance(png)
assert decode_composite(png, [(255, 0, 0)]).runs == (runs,)
print(runs.area, runs.bounding_box)
"""
WRITE = """
import numpy as np
from hashlib import sha256
from labelsnap.masks.rasters.cut_out import encode_cut_out
from labelsnap.masks.rasters.overlay import overlay
from labelsnap.masks.rasters.png_writer import encode_overlay
from labelsnap.masks.shapes.polygons import fill_rings
rings = [[(30 * number, 7 * number), (90 * number, 200), (45 * number, 11.5 * number)] for number in range(1, 9)]
shown = overlay([fill_rings([ring], 240, 320) for ring in rings], 240, 320)
for values in (np.arange(1, 9, dtype=np.uint8), np.arange(250, 258, dtype=np.uint16), np.eye(8, 3, dtype=np.uint8)):
    print(sha256(encode_overlay(shown, values)).hexdigest())
print(sha256(encode_cut_out(fill_rings(rings, 240, 320))).hexdigest())
"""


def read_in_another_process(code, **environment):
    """Read a red mask of 3 × 2 pixels in a new interpreter; return what it printed and what it warned of."""
    png = as_png(Image.new("RGB", (3, 2), "red"))
    finished = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", code], input=png, capture_output=True, check=True, env=os.environ | environment
    )
    return finished.stdout.decode().strip(), finished.stderr.decode()


def test_masks_are_read_without_numba():
    """Where numba cannot be imported the numpy way reads the same, and the process says so once."""
    printed, warned = read_in_another_process(WITHOUT_NUMBA + READ)
    assert printed == "6 (0, 0, 3, 2)"
    assert warned.count("masks are read the slower way, as numba cannot be imported") == 1


@pytest.mark.slow
def test_numba_is_loaded_by_the_first_mask():
    """A process that reads none, such as a refresh in which no row changed, does not load it."""
    loaded = "print('numba' in sys.modules)"
    printed, _ = read_in_another_process(READ.replace("png =", f"{loaded}\npng =") + loaded)
    assert printed.split("\n") == ["False", "6 (0, 0, 3, 2)", "True"]


@pytest.mark.slow
def test_pictures_of_masks_are_the_same_bytes_without_numba():
    """Where numba cannot be imported the loops run as they stand, more slowly."""
    assert read_in_another_process(WITHOUT_NUMBA + WRITE) == read_in_another_process(WRITE)


@pytest.mark.slow
def test_masks_are_read_where_compiled_code_cannot_be_kept():
    """Without a directory to write to, each process compiles for itself."""
    nowhere = {"NUMBA_CACHE_DIR": os.devnull, "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    assert read_in_another_process(READ, **nowhere) == ("6 (0, 0, 3, 2)", "")
