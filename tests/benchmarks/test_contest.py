"""The comparison of whole refreshes: its check, its pictures, its light server; and one small round of it."""

from __future__ import annotations

import asyncio
import io
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from tests.benchmarks.__main__ import is_wrong
from tests.benchmarks.bench_compare import play, ratios, table, waited
from tests.benchmarks.contest.arena import Run, arena
from tests.benchmarks.contest.checking import faults
from tests.benchmarks.contest.measuring import Cost
from tests.benchmarks.contest.scenes import SIZE, drawn_scene, kept_scene, scene_colours, scenes
from tests.benchmarks.light_http import Connection, answer

ROWS = 12


@pytest.fixture
def pixels():
    """A mask of 2 × 3 pixels, 5 to the right and 1 down."""
    drawn = np.zeros((4, 10), np.uint8, order="F")
    drawn[1:4, 5:7] = 1
    return drawn


def instances(pixels, **changes):
    """A document with one image that has that mask and two outlines, the mask's annotation with changes."""
    encoded = coco.encode(pixels)
    mask = {"segmentation": {"size": [4, 10], "counts": encoded["counts"].decode()}, "area": 6, "bbox": [5, 1, 2, 3]}
    outline = {"segmentation": [[0, 0, 1, 0, 1, 1]], "area": 0.5, "bbox": [0, 0, 1, 1]}
    about = {"image_id": 1, "category_id": 1, "iscrowd": 0}
    annotations = [
        {**about, **shape, "feature_id": f"f{number}"} for number, shape in enumerate((mask, outline, outline))
    ]
    annotations[0] |= changes
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    images = [{"id": 1, "file_name": "a.jpg", "data_row_id": "r1", "width": 10, "height": 4}]
    return json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "car"}]}).encode()


TRUTH = {"r1": {"f0": [6, 5, 1, 2, 3]}}


def test_what_is_true_has_no_fault(pixels):
    """A mask whose pixels have the area and box that were drawn, and say so, is right."""
    assert list(faults([instances(pixels)], TRUTH)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"area": 7},
        {"bbox": [5, 1, 2, 2]},
        {"iscrowd": 1},
        {"category_id": 2},
        {"feature_id": "f1"},
        {"feature_id": "x"},
    ],
    ids=str,
)
def test_what_an_annotation_says_wrongly_is_a_fault(pixels, changes):
    """Its area and box must be its pixels', its category one that there is, its feature its own."""
    assert list(faults([instances(pixels, **changes)], TRUTH))


def test_other_pixels_are_a_fault(pixels):
    """A mask that lies one pixel beside what was drawn is found, though its area is the same."""
    moved = np.asfortranarray(np.roll(pixels, 1, axis=1))
    assert list(faults([instances(moved, bbox=[6, 1, 2, 3])], TRUTH))


def test_rows_that_are_missing_or_too_many_are_faults(pixels):
    """The documents' rows must be the project's."""
    assert list(faults([], TRUTH)) == ["row r1: is missing"]
    assert "row r1: is not in the project" in faults([instances(pixels)], {})


def test_a_scene_says_what_its_pictures_show():
    """Composite and instances' masks agree, and pycocotools measures in them what the scene says."""
    scene = drawn_scene(0)
    composite = np.asarray(Image.open(io.BytesIO(scene.composite)))
    assert composite.shape == (*reversed(SIZE), 3)
    colours = scene_colours(0, len(scene.extents))
    for mask, colour, extent in zip(scene.masks, colours, scene.extents, strict=True):
        shown = (composite == colour).all(axis=-1)
        assert np.array_equal(shown, np.asarray(Image.open(io.BytesIO(mask))) == 255)
        encoded = coco.encode(np.asfortranarray(shown.astype(np.uint8)))
        assert extent == (coco.area(encoded), *coco.toBbox(encoded))
    assert np.count_nonzero(composite.any(axis=-1)) == sum(area for area, *_ in scene.extents)


def test_a_scene_is_drawn_once(tmp_path):
    """The second time it comes from the folder, as it was."""
    first = kept_scene(tmp_path, 1)
    (path,) = tmp_path.iterdir()
    written = path.stat().st_mtime_ns
    assert kept_scene(tmp_path, 1) == first
    assert path.stat().st_mtime_ns == written


def test_light_http_answers_each_whole_request():
    """Requests that come in pieces, or two at once, are each answered, with their bodies."""

    class Echo(Connection):
        def asked(self, request):
            self.reply(0, lambda: answer("200 OK", request.target.encode() + request.body))

    async def talk():
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"POST /a HTTP/1.1\r\ncontent-length: 3\r\n\r\nab")
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(b"cGET /d HTTP/1.1\r\nHost: x\r\n\r\n")
            expected = answer("200 OK", b"/aabc") + answer("200 OK", b"/d")
            assert await reader.readexactly(len(expected)) == expected
            writer.close()
            await writer.wait_closed()

    asyncio.run(talk())


def run_of(seconds, *, faults=()):
    """A run that took so long, with these faults."""
    cost = Cost(seconds, cpu=2 * seconds, memory=10**8, output="")
    return Run(cost, {"images": 3}, {"PUT": 4}, servers=0.1, ref="s3://bench/a", faults=faults)


def test_the_table_has_ratios_within_rounds_and_names_what_is_wrong():
    """A ratio is the median of the rounds' own, not that of medians; a contestant with a fault is not right."""
    name = "labelsnap, instances, new"
    first = {"packed": run_of(10), name: run_of(5), "recipe": run_of(80, faults=("row r1: is missing", "more"))}
    second, third = ({"packed": run_of(packed), name: run_of(ours)} for packed, ours in ((20, 5), (40, 30)))
    *_, packed, ours, recipe = table("3 rows", [first, second, third])
    assert packed == "| packed | 20.0 s | 40.0 s | 100 MB | 0.1 s | 3 + 4 | yes |"
    assert ours == f"| {name} | 0.50 × (5.0 s) | 0.50 × (10.0 s) | 1.00 × (100 MB) | 0.1 s | 3 + 4 | yes |"
    assert recipe.endswith("| 3 + 4 | **no**: row r1: is missing and 1 more |")
    figures = ratios([first, second, third])
    assert (figures[f"wall, {name} to packed"], figures["wall, recipe to packed"], figures["faults"]) == (0.5, 8.0, 2)
    assert waited({0: [first], 50: [second]})[f"50 ms: seconds more than at 0 ms, {name}"] == 0.0


@pytest.mark.parametrize(
    ("figure", "expected"),
    [("faults", True), ("50 ms: faults", True), ("files_that_differ", True), ("masks_per_second_with_faults", False)],
)
def test_what_must_not_be_is_known_by_its_name(figure, expected):
    """A benchmark that counts faults or other bytes ends with a failure; one that measures under faults does not."""
    assert is_wrong(figure) is expected


@pytest.mark.slow
@pytest.mark.integration
def test_every_contestant_is_right(prefect_server, tmp_path):
    """Every mask of every contestant is as it was drawn, and each asks for what it must and for nothing else."""
    formats = ("instances", "seven")
    with arena(ROWS, tmp_path / "pictures") as servers:
        played = play(servers, ("packed", "recipe", *formats), ROWS, milliseconds=0, changed=1, number=0)
    assert {name: run.faults for name, run in played.items()} == dict.fromkeys(played, ())
    things = sum(len(scene.masks) for scene in scenes(tmp_path / "pictures", ROWS))
    kinds = ("images", "composites", "masks")
    asked = {name: [run.requests.get(kind, 0) for kind in kinds] for name, run in played.items()}
    assert asked["packed"] == [ROWS, ROWS, 0]
    assert asked["recipe"] == [ROWS, 0, things]
    assert played["packed"].store_requests == played["recipe"].store_requests == {"PUT": ROWS + 1}
    for name in formats:
        assert asked[f"labelsnap, {name}, new"] == [ROWS, ROWS, 0]
        assert asked[f"labelsnap, {name}, unchanged"] == [0, 0, 0]
        assert asked[f"labelsnap, {name}, changed"] in ([0, 1, 0], [1, 1, 0])
    assert len(list(table("12 rows", [played]))) == 2 + len(played) == 2 + 8
    assert ratios([played])["faults"] == 0
