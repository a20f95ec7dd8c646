"""Small files that are large pictures: a refresh stays within the budget of memory, and names what it refuses."""

from __future__ import annotations

import json
import struct
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import pytest
from test_hostile_bodies import MEBIBYTE, SIGNATURE, chunk, memory

from deploy.sandbox import Fault, exports, lines, row_truth
from flows.refresh import refresh
from flows.trees import lay_out

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]

BUDGET = 256 * MEBIBYTE
BESIDE = 256 * MEBIBYTE
"""What a refresh of the sandbox takes beside the budget: libraries, tables, bodies."""
RGBA = 4
TURNED_RIGHT = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHLHH", 274, 3, 1, 6, 0) + bytes(4)


class Shown(NamedTuple):
    """A picture's width and height, and whether it has an EXIF orientation of 6."""

    size: tuple[int, int]
    turned: bool


LARGE, LARGE_TURNED = Shown((14142, 14142), turned=False), Shown((14142, 14142), turned=True)
TALL_TURNED = Shown((1, 199_999_999), turned=True)
TURNED = Shown((4000, 4000), turned=True)
CHECKERED = Shown((4470, 4470), turned=False)


def png(shown):
    """A transparent picture in few bytes."""
    width, height = shown.size
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    compressor = zlib.compressobj(1)
    left = height * (1 + RGBA * width)
    pixels = [compressor.compress(bytes(min(MEBIBYTE, left - at))) for at in range(0, left, MEBIBYTE)]
    exif = chunk(b"eXIf", TURNED_RIGHT) if shown.turned else b""
    return SIGNATURE + header + exif + chunk(b"IDAT", b"".join([*pixels, compressor.flush()])) + chunk(b"IEND", b"")


def checkerboard(size):
    """A grey mask of which every pixel differs from its neighbours."""
    width, height = size
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    row = (b"\0\xff" * width)[:width]
    rows = (b"\0" + row + b"\0" + b"\xff" + row[:-1]) * (height // 2)
    return SIGNATURE + header + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read as Linux tells it")
def test_large_pictures_in_small_files_stay_within_the_budget(sandbox, dataset, tmp_path, monkeypatch, request):
    """Six that must be turned take turns; what alone is larger than the budget is a named problem, a mask likewise.

    The sandbox's own masks do not fit the pictures: what is past the picture's own check is refused for that.
    """
    rows = [row for row in sandbox.rows("DONE") if row_truth(row) and not row.skipped and not row.style.old]
    pictures = [LARGE_TURNED, TALL_TURNED, LARGE, *[TURNED] * 6]
    masked, *others = rows[: 1 + len(pictures)]
    shown = {row.index: each for row, each in zip(others, pictures, strict=True)} | {masked.index: CHECKERED}
    drawn = lines.picture_size
    exports._packed_line.cache_clear()  # lines of other sizes, which other tests asked for
    request.addfinalizer(exports._packed_line.cache_clear)
    monkeypatch.setattr(lines, "picture_size", lambda at: shown[at].size[::-1] if at in shown else drawn(at))
    bodies = {each: png(each) for each in {*shown.values()}}
    for row in (masked, *others):
        body = bodies[shown[row.index]]
        sandbox.faults.add(Fault(f"/images/{row.id}/*", times=None, effect="body", body=body))
    for path in ("masks", "annotations"):
        fault = Fault(f"*/{path}/{masked.id[:7]}*", times=None, effect="body", body=checkerboard(CHECKERED.size))
        sandbox.faults.add(fault)
    monkeypatch.setenv("LABELSNAP_MEMORY_BYTES", str(BUDGET))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = memory("VmRSS")

    result = refresh(dataset(orientation="upright", problems={"max_share": 1}))

    peak = memory("VmHWM") - before
    lay_out(result["ref"], "raw", tmp_path / "raw", lambda *_: None)
    problems = [json.loads(line) for line in (tmp_path / "raw" / "problems.ndjson").read_bytes().splitlines()]
    found = {each["data_row_id"]: each["code"] for each in problems}
    past = dict.fromkeys((row.id for row in others[2:]), "mask_size_mismatch")
    too_large = dict.fromkeys((row.id for row in others[:2]), "image_too_large")
    assert found == {**past, **too_large, masked.id: "mask_too_large"}
    assert peak < BUDGET + BESIDE
