"""What a hostile or broken host may send: each a named problem in its time, in bounded memory, the rest published."""

from __future__ import annotations

import io
import json
import random
import struct
import sys
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image

from deploy.sandbox import Fault, row_truth
from flows.refresh import refresh
from labelsnap.references import pull

pytestmark = pytest.mark.slow

MEBIBYTE = 1 << 20
LIMIT = 16 * MEBIBYTE
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(name, content):
    """One chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, *pixels):
    """An 8-bit RGB PNG of these chunks."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return SIGNATURE + header + b"".join(pixels) + chunk(b"IEND", b"")


def zeros(size):
    """A zlib stream of so many zeros, a thousandth as long."""
    compressor = zlib.compressobj()
    blocks = [compressor.compress(bytes(MEBIBYTE)) for _ in range(size // MEBIBYTE)]
    return b"".join(blocks) + compressor.flush()


def picture(image_format):
    """A noisy image, whose bytes compression does not shorten."""
    target = io.BytesIO()
    Image.frombytes("RGB", (64, 40), random.Random(0).randbytes(64 * 40 * 3)).save(target, image_format)  # noqa: S311
    return target.getvalue()


WHOLE = picture("PNG")
HUGE = png(50_000, 50_000, chunk(b"IDAT", zlib.compress(bytes(1000))))
TRUNCATED = WHOLE[: len(WHOLE) // 2]


def hostile_masks():
    """What is sent in place of masks, each with the code of its problem."""
    bomb = png(640, 400, chunk(b"IDAT", zeros(2048 * MEBIBYTE)))
    return [
        ("mask_too_large", {"effect": "body", "body": HUGE}),
        ("mask_truncated", {"effect": "body", "body": TRUNCATED}),
        ("mask_damaged", {"effect": "body", "body": bomb}),
        ("mask_not_a_png", {"effect": "body", "body": picture("JPEG")}),
        ("mask_timed_out", {"effect": "delay", "seconds": 3600}),
    ]


def hostile_images():
    """The same in place of images."""
    bomb = png(640, 400, chunk(b"zTXt", b"a\0\0" + zeros(512 * MEBIBYTE)), chunk(b"IDAT", zlib.compress(b"")))
    return [
        ("image_too_large", {"effect": "body", "body": HUGE}),
        ("image_damaged", {"effect": "body", "body": TRUNCATED}),
        ("image_damaged", {"effect": "body", "body": bomb}),
        ("image_damaged", {"effect": "body", "body": picture("JPEG")[:-200]}),
        ("not_an_image", {"effect": "body", "body": b"<html>"}),
        ("too_large", {"effect": "flood", "size": 200 * MEBIBYTE}),
        ("timed_out", {"effect": "delay", "seconds": 3600}),
    ]


def memory(name):
    """A figure of this process's memory in bytes: VmRSS is now, VmHWM the peak since it was forgotten."""
    line = next(line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if name in line)
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read as Linux tells it")
def test_each_hostile_body_is_a_named_problem_and_the_rest_is_published(sandbox, dataset, tmp_path, monkeypatch):
    """Twelve rows with twelve hostile bodies are named problems; others are published, and memory stays bounded."""
    for name, value in {"MAX_MASK_BYTES": LIMIT, "MAX_IMAGE_BYTES": LIMIT, "DOWNLOAD_TIMEOUT": 4}.items():
        monkeypatch.setenv(f"LABELSNAP_{name}", str(value))
    monkeypatch.setenv("LABELSNAP_DOWNLOAD_SECONDS", "12")
    masks, images = hostile_masks(), hostile_images()
    rows = [row for row in sandbox.rows("DONE") if not row.skipped]
    masked = [row for row in rows if row_truth(row) and not row.style.old][: len(masks)]
    others = [row for row in rows if row not in masked][: len(images)]
    for row, (_, fault) in zip(masked, masks, strict=True):  # their ids begin with the row's index
        sandbox.faults.add(Fault(f"*/masks/{row.id[:7]}*", times=None, **fault))
        sandbox.faults.add(Fault(f"*/annotations/{row.id[:7]}*", times=None, **fault))
    for row, (_, fault) in zip(others, images, strict=True):
        sandbox.faults.add(Fault(f"/images/{row.id}/*", times=None, **fault))
    expected = {row.id: code for row, (code, _) in zip(masked + others, masks + images, strict=True)}
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, begin = memory("VmRSS"), time.monotonic()

    result = refresh(dataset(problems={"max_share": 1}))

    assert memory("VmHWM") - before < 256 * MEBIBYTE
    assert time.monotonic() - begin < 60
    pull(result["ref"], "raw", tmp_path / "raw")
    problems = [json.loads(line) for line in (tmp_path / "raw" / "problems.ndjson").read_bytes().splitlines()]
    assert {each["data_row_id"]: each["code"] for each in problems} == expected
    assert result["rows"]["published"] == len(rows) - len(expected) > 0
