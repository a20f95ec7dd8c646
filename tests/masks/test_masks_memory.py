"""Masks are decoded in what is claimed for them: by the header first, and for more changes as they are found."""

from __future__ import annotations

import math
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from mmap import ACCESS_READ, mmap

import numpy as np
import pytest
from mask_pictures import chunk, from_mask, header, picture, write_png

from labelsnap.masks.decoding.instance import decode_instance
from labelsnap.masks.decoding.png import Limits
from labelsnap.masks.decoding.sparse import DESKS, Desks
from labelsnap.masks.errors import MaskError
from labelsnap.masks.shapes.polygons import fill_rings, touched
from labelsnap.memory import Budget, Turns

MEBIBYTE = 1 << 20
SIDE = 1200
CHECKS = np.indices((SIDE, SIDE)).sum(axis=0) % 2 == 1
WAYS = pytest.mark.parametrize("sparse", [True, False])


def png(mask):
    """A grey picture of a mask."""
    return write_png(mask[..., np.newaxis] * np.uint8(255), colour=0)


@WAYS
def test_a_mask_that_changes_at_every_pixel_is_read_with_a_larger_claim(sparse):
    """It has 1.4 million changes, more than are claimed at first."""
    budget = Budget(512 * MEBIBYTE)
    assert decode_instance(png(CHECKS), limits=Limits(memory=budget), sparse=sparse) == from_mask(CHECKS)
    assert budget.taken == 0


@WAYS
def test_a_mask_of_more_changes_than_there_is_memory_for_is_refused(sparse):
    """As too large, where one of the same size that changes seldom is read."""
    limits = Limits(memory=Budget((24 if sparse else 80) * MEBIBYTE))
    with pytest.raises(MaskError, match="LABELSNAP_MEMORY_BYTES") as caught:
        decode_instance(png(CHECKS), limits=limits, sparse=sparse)
    assert caught.value.code == "too_large"
    half = np.indices((SIDE, SIDE))[1] < SIDE // 2
    assert decode_instance(png(half), limits=limits, sparse=sparse) == from_mask(half)


@WAYS
def test_the_stream_of_a_mask_is_claimed_with_its_rows(sparse):
    """A file may be long and its picture small: what its chunks are joined to counts."""
    rows = zlib.compress(bytes(8 * 9), 9)
    body = picture(header(width=8, height=8), chunk(b"IDAT", rows + bytes(4 * MEBIBYTE)))
    assert decode_instance(body, limits=Limits(memory=Budget(16 * MEBIBYTE)), sparse=sparse).area == 0
    with pytest.raises(MaskError) as caught:
        decode_instance(body, limits=Limits(memory=Budget(2 * MEBIBYTE)), sparse=sparse)
    assert caught.value.code == "too_large"


@WAYS
@pytest.mark.parametrize("damage", [0, 3, 40])
def test_a_mapped_file_is_read_as_bytes_are(sparse, damage, tmp_path):
    """What it shows, and what is wrong with it."""
    body = bytearray(png(CHECKS[:20, :30]))
    body[damage] ^= 1 if damage else 0
    (tmp_path / "mask.png").write_bytes(body)
    with (tmp_path / "mask.png").open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        assert told(mapped, sparse) == told(bytes(body), sparse)


def told(body, sparse):
    """The runs of a mask, or what is said of its damage."""
    try:
        return decode_instance(body, sparse=sparse)
    except MaskError as error:
        return error.code, error.reason


@WAYS
def test_the_limit_of_changes_holds_however_often_it_is_read(sparse):
    """The reason says the limit, not what was claimed first."""
    limits = Limits(changes=1_000_000, memory=Budget(512 * MEBIBYTE))
    with pytest.raises(MaskError, match="at most 1000000 changes"):
        decode_instance(png(CHECKS), limits=limits, sparse=sparse)


def test_threads_take_turns_at_few_desks():
    """Working memory does not grow with the threads of a process, and each mask is what one thread reads alone."""
    masks = [CHECKS[: 40 + n, : 60 + n] for n in range(16)]
    bodies = [png(mask) for mask in masks]
    with ThreadPoolExecutor(16) as pool:
        read = list(pool.map(decode_instance, bodies * 4))
    assert read == [from_mask(mask) for mask in masks] * 4
    assert len(DESKS.left) <= DESKS.turns.count


def test_a_desk_is_free_again_whatever_became_of_the_picture():
    """Also after a fault."""
    desks = Desks(Turns(1))
    with pytest.raises(ValueError, match="at a desk"), desks.one() as first:
        raise ValueError("at a desk")
    with desks.one() as second:
        assert second is first


def star(vertices, height, width):
    """A ring each of whose edges crosses most of the image."""
    turns = [2.4 * index for index in range(vertices)]
    return [(width * (0.5 + 0.45 * math.cos(turn)), height * (0.5 + 0.45 * math.sin(turn))) for turn in turns]


@pytest.mark.parametrize("draw", [lambda ring, *size: fill_rings([ring], *size), touched], ids=["filled", "touched"])
@pytest.mark.parametrize(
    ("vertices", "height", "width"), [(10_000, 40, 640), pytest.param(4, 1, 4_000_000, marks=pytest.mark.slow)]
)
def test_a_polygon_takes_no_memory_for_its_vertices_times_its_columns(draw, vertices, height, width):
    """Six million crossings of edges and columns are calculated some at a time."""
    ring = star(vertices, height, width)
    tracemalloc.start()
    try:
        assert draw(ring, height, width).area
        assert tracemalloc.get_traced_memory()[1] < 128 * MEBIBYTE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("at_once", [1, 7])
def test_a_polygon_has_the_same_pixels_however_much_is_calculated_at_once(monkeypatch, at_once):
    """Bands of columns are put together as if they were one, where the ring crosses itself and holes lie in it too."""
    rings = [star(9, 20, 30), [(2, 2), (28, 3), (15, 18)], [(-5, 10), (40, 10.2), (40, 10.4)]]
    whole = fill_rings(rings, 20, 30), [touched(ring, 20, 30) for ring in rings]
    monkeypatch.setattr("labelsnap.masks.shapes.polygons._AT_ONCE", at_once)
    assert (fill_rings(rings, 20, 30), [touched(ring, 20, 30) for ring in rings]) == whole
