"""Small files that are large pictures: a refresh stays within the budget of memory, and names what it refuses."""

from __future__ import annotations

import ctypes
import gc
import json
import struct
import sys
import zlib
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import pytest
from test_hostile_bodies import MEBIBYTE, SIGNATURE, chunk, memory

from deploy.sandbox import Fault, row_truth
from deploy.sandbox.project import lines
from deploy.sandbox.server import exports
from flows.refresh import refresh
from labelsnap.references import pull

pytestmark = pytest.mark.slow

BUDGET = 256 * MEBIBYTE
BESIDE = 256 * MEBIBYTE
"""What a refresh of the sandbox takes beside the budget: libraries, tables, bodies."""
RGBA = 4
TURNED_RIGHT = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHLHH", 274, 3, 1, 6, 0) + bytes(4)


class Shown(NamedTuple):
    """A picture's width and height, and whether it has an EXIF orientation of 6."""

    size: tuple[int, int]
    turned: bool

    @property
    def declared(self) -> tuple[int, int]:
        """What the export declares: the size that it has upright."""
        return self.size[::-1] if self.turned else self.size


LARGE, LARGE_TURNED = Shown((14142, 14142), turned=False), Shown((14142, 14142), turned=True)
TALL_TURNED = Shown((1, 199_999_999), turned=True)
TALL = Shown((1, 199_999_999), turned=False)
LARGEST_FILE = 1_000_000
"""Bytes of each."""
TURNED = Shown((4000, 4000), turned=True)
CHECKERED = Shown((4300, 4300), turned=False)
LARGEST_MASK = 24_000
"""Bytes of it."""


@cache
def png(shown):
    """A transparent picture in few bytes."""
    width, height = shown.size
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    compressor = zlib.compressobj(9)
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


def without_labels(wanted, lines_, *_):
    """The lines of an export; those of these rows' indexes have labels without objects."""
    for line in lines_:
        row = json.loads(line)
        if row["data_row"]["id"] in wanted:
            for entry in row["projects"].values():
                for label in entry["labels"]:
                    label["annotations"] = {"objects": [], "classifications": [], "relationships": []}
        yield json.dumps(row)


class Refreshed(NamedTuple):
    """A refresh's result, its problems' codes by row, the most memory that it took beside what was there, in bytes."""

    result: dict
    problems: dict
    peak: int


@pytest.fixture
def refreshed(sandbox, dataset, tmp_path, monkeypatch, request):
    """Refreshes with other pictures for some rows, by row, and says what came of it; the budget is the test's."""

    def refresh_with(shown, **changes):
        of_index = {row.index: each for row, each in shown.items()}
        drawn = lines.picture_size
        exports._packed_line.cache_clear()  # lines of other sizes, which other tests asked for
        request.addfinalizer(exports._packed_line.cache_clear)
        monkeypatch.setattr(
            lines,
            "picture_size",
            lambda at: of_index[at].declared if at in of_index else drawn(at),
        )
        bodies = {each: png(each) for each in {*shown.values()}}
        for row, each in shown.items():
            sandbox.faults.add(Fault(f"/images/{row.id}/*", times=None, effect="body", body=bodies[each]))
        monkeypatch.setenv("LABELSNAP_MEMORY_BYTES", str(BUDGET))
        chosen = dataset(problems={"max_share": 1}, **changes)
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # what earlier tests left would be taken again, and not be seen
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = memory("VmRSS")
        result = refresh(chosen)
        peak = memory("VmHWM") - before
        pull(result["ref"], "raw", tmp_path / "raw")
        problems = [json.loads(line) for line in (tmp_path / "raw" / "problems.ndjson").read_bytes().splitlines()]
        sys.stdout.write(f"peak {peak // MEBIBYTE} MiB of {(BUDGET + BESIDE) // MEBIBYTE}\n")
        return Refreshed(result, {each["data_row_id"]: each["code"] for each in problems}, peak)

    return refresh_with


def masked_rows(sandbox):
    """Rows that have masks, which they are published with."""
    return [row for row in sandbox.rows("DONE") if row_truth(row) and not row.skipped and not row.style.old]


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read as Linux tells it")
@pytest.mark.parametrize(
    "picture", [LARGE, LARGE_TURNED, TALL, TALL_TURNED], ids=["large", "large turned", "tall", "tall turned"]
)
def test_twelve_large_pictures_in_small_files(picture, sandbox, refreshed, monkeypatch):
    """They are published with their bytes, decoded by nothing, and label maps of the square ones are written.

    Where they must be turned they are named problems.
    """
    assert len(png(picture)) < LARGEST_FILE
    rows = [row for row in sandbox.rows("DONE") if not row.skipped and not row.style.old][:12]
    assert len(rows) == 12
    monkeypatch.setattr(exports, "with_oddities", partial(without_labels, {row.id for row in rows}))

    formats = {"coco": {}, "masks": {}} if picture.size == LARGE.size else {"coco": {"panoptic": False}}
    found = refreshed(dict.fromkeys(rows, picture), orientation="upright", formats=formats)

    refused = dict.fromkeys((row.id for row in rows), "image_too_large") if picture.turned else {}
    assert found.problems == refused
    counts = found.result["rows"]
    assert counts["published"] + sum(counts["excluded"].values()) == counts["exported"] - len(refused)
    assert found.peak < BUDGET + BESIDE


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read as Linux tells it")
def test_large_pictures_in_small_files_stay_within_the_budget(sandbox, refreshed):
    """Six that must be turned take turns; what alone is larger than the budget is a named problem, a mask likewise.

    The sandbox's own masks do not fit the pictures: what is past the picture's own check is refused for that.
    """
    pictures = [LARGE_TURNED, TALL_TURNED, LARGE, *[TURNED] * 6]
    masked, *others = masked_rows(sandbox)[: 1 + len(pictures)]
    board = checkerboard(CHECKERED.size)
    assert len(board) < LARGEST_MASK
    for path in ("masks", "annotations"):
        sandbox.faults.add(Fault(f"*/{path}/{masked.id[:7]}*", times=None, effect="body", body=board))

    found = refreshed(dict(zip([masked, *others], [CHECKERED, *pictures], strict=True)), orientation="upright")

    past = dict.fromkeys((row.id for row in others[2:]), "mask_size_mismatch")
    too_large = dict.fromkeys((row.id for row in others[:2]), "image_too_large")
    assert found.problems == {**past, **too_large, masked.id: "mask_too_large"}
    assert found.peak < BUDGET + BESIDE
