"""Masks and pictures, decoded with Pillow and compared with the generator's own truth."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests
from PIL import Image

from deploy.sandbox import Sandbox, ground_truth, label_truth, row_truth
from deploy.sandbox.project.labels import Label
from deploy.sandbox.project.lines import model_run_line, project_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from deploy.sandbox.project.rows import Row


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with one export started, so that its masks can be had."""
    with Sandbox(shared_colours=frozenset({0}), hidden_instances=frozenset({12})) as running:
        running.exports.start({"projectId": running.project_id}, {})
        yield running


def _task(sandbox: Sandbox) -> str:
    return next(iter(sandbox.exports))


def _get(sandbox: Sandbox, url: str) -> npt.NDArray[np.uint8]:
    answer = requests.get(url, headers={"Authorization": f"Bearer {sandbox.api_key}"}, timeout=10)
    answer.raise_for_status()
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def _masks(line: dict[str, Any], row: Row) -> list[dict[str, Any]]:
    labels = line["projects"][row.project.id]["labels"]
    return [
        thing for label in labels for thing in label["annotations"]["objects"] if "Mask" in thing["annotation_kind"]
    ]


@pytest.mark.parametrize("index", [2, 3, 6, 23])
def test_composite_shows_the_truth(sandbox: Sandbox, index: int) -> None:
    """Where the composite has an instance's colour the generator has the instance, in every label of the row."""
    row = sandbox.row(index)
    truth = row_truth(row)
    masks = _masks(project_line(row, {}, _task(sandbox)), row)
    assert {mask["feature_id"] for mask in masks} == set(truth)
    for url in {mask["composite_mask"]["url"] for mask in masks}:
        pixels = _get(sandbox, url)
        for mask in (mask for mask in masks if mask["composite_mask"]["url"] == url):
            seen = (pixels == mask["composite_mask"]["color_rgb"]).all(axis=2)
            assert np.array_equal(seen, truth[mask["feature_id"]].pixels)


@pytest.mark.parametrize("index", [2, 4])
def test_instance_masks_show_the_truth(sandbox: Sandbox, index: int) -> None:
    """Instance masks are grey, 255 exactly where the generator has the instance, under both forms of URL."""
    row = sandbox.row(index)
    for mask in _masks(project_line(row, {}, _task(sandbox)), row):
        pixels = _get(sandbox, mask["mask"]["url"])
        assert np.array_equal(pixels == 255, row_truth(row)[mask["feature_id"]].pixels)
        assert set(np.unique(pixels)) <= {0, 255}


def test_predictions_have_masks_of_their_own(sandbox: Sandbox) -> None:
    """A prediction's composite and instance masks show the scene a few pixels off."""
    row = sandbox.row(1)
    line = model_run_line(row, {"includePredictions": True}, _task(sandbox))
    run = line["experiments"][row.project.model_id]["runs"][row.project.model_run_id]
    truth = label_truth(row.prediction, model_run=True)
    masks = [thing for thing in run["predictions"][0]["annotations"]["objects"] if "mask" in thing]
    composite = _get(sandbox, masks[0]["composite_mask"]["url"])
    for mask in masks:
        assert np.array_equal(
            (composite == mask["composite_mask"]["color_rgb"]).all(axis=2), truth[mask["feature_id"]].pixels
        )
        assert np.array_equal(_get(sandbox, mask["mask"]["url"]) == 255, truth[mask["feature_id"]].pixels)


def test_edited_masks_differ_and_the_old_composite_stays(sandbox: Sandbox) -> None:
    """An edit gives the composite a new id; the old URL goes on showing the old masks."""
    row = sandbox.row(8)
    old = _masks(project_line(row, {}, _task(sandbox)), row)[0]["composite_mask"]["url"]
    before = _get(sandbox, old)
    sandbox.edit_row(8)
    edited = sandbox.row(8)
    mask = _masks(project_line(edited, {}, _task(sandbox)), edited)[0]
    assert mask["composite_mask"]["url"] != old
    assert np.array_equal(_get(sandbox, old), before)
    seen = (_get(sandbox, mask["composite_mask"]["url"]) == mask["composite_mask"]["color_rgb"]).all(axis=2)
    assert np.array_equal(seen, row_truth(edited)[mask["feature_id"]].pixels)
    assert not np.array_equal(seen, ground_truth(0, 8)[mask["feature_id"]].pixels)


def test_shared_colour_is_two_instances_in_one(sandbox: Sandbox) -> None:
    """A row told to share colours names one colour twice, and its pixels are both instances'."""
    row = sandbox.row(0)
    first, second = _masks(project_line(row, {}, _task(sandbox)), row)[:2]
    assert first["composite_mask"]["color_rgb"] == second["composite_mask"]["color_rgb"]
    seen = (_get(sandbox, first["composite_mask"]["url"]) == first["composite_mask"]["color_rgb"]).all(axis=2)
    truth = row_truth(row)
    assert np.array_equal(seen, truth[first["feature_id"]].pixels | truth[second["feature_id"]].pixels)


def test_hidden_instance_has_no_pixel_in_the_composite(sandbox: Sandbox) -> None:
    """A row told to hide an instance names a colour that its composite lacks; the instance's own mask has it."""
    row = sandbox.row(12)
    first, second = _masks(project_line(row, {}, _task(sandbox)), row)[:2]
    pixels = _get(sandbox, first["composite_mask"]["url"])
    assert not (pixels == first["composite_mask"]["color_rgb"]).all(axis=2).any()
    assert (pixels == second["composite_mask"]["color_rgb"]).all(axis=2).any()
    assert (_get(sandbox, first["mask"]["url"]) == 255).any()


def test_masks_want_the_key_and_pictures_refuse_it(sandbox: Sandbox) -> None:
    """A mask without the key is 401, a picture with it 400 and a recorded leak."""
    row = sandbox.row(0)
    line = project_line(row, {}, _task(sandbox))
    mask = _masks(line, row)[0]
    assert requests.get(mask["mask"]["url"], timeout=10).status_code == 401
    assert requests.get(mask["composite_mask"]["url"], timeout=10).status_code == 401
    key = {"Authorization": f"Bearer {sandbox.api_key}"}
    assert requests.get(line["data_row"]["row_data"], headers=key, timeout=10).status_code == 400
    assert sandbox.requests.leaks == {"image": 1}
    sandbox.requests.clear()


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/projects/p/annotations/clsivokxg00043b70xuf7x5tz/index/1/mask",
        "/api/v1/tasks/clsiw88n205mw072ke4n78y5o/masks/clsivok5f00023b70r1a4fgzy",
        "/images/clf9spzxq029m071nehy60a6v/0.jpg",
        "/elsewhere",
    ],
)
def test_unknown_ids_are_not_found(sandbox: Sandbox, path: str) -> None:
    """Ids that the sandbox did not make are 404."""
    key = {} if "images" in path else {"Authorization": f"Bearer {sandbox.api_key}"}
    assert requests.get(sandbox.url + path, headers=key, timeout=10).status_code == 404


@pytest.mark.parametrize("index", [0, 1, 3, 4, 8])
def test_picture_has_the_declared_size(sandbox: Sandbox, index: int) -> None:
    """The picture decodes to media_attributes' size and is of a plausible weight, PNG or JPEG by index."""
    line = project_line(sandbox.row(index), {}, "")
    content = requests.get(line["data_row"]["row_data"], timeout=10).content
    picture = Image.open(io.BytesIO(content))
    assert picture.size == (line["media_attributes"]["width"], line["media_attributes"]["height"])
    assert picture.format == ("PNG" if index % 8 == 1 else "JPEG")
    assert 15_000 < len(content) < (900_000 if index % 8 == 1 else 90_000)


def test_sample_has_masks_of_several_parts_and_with_holes() -> None:
    """By Euler's number (parts - holes, 4-connected) the first 48 rows hold split masks and masks with holes."""
    numbers = [_euler(truth.pixels) for index in range(48) for truth in ground_truth(0, index).values()]
    assert sum(number > 1 for number in numbers) >= 5
    assert sum(number < 1 for number in numbers) >= 5


def test_truth_is_consistent() -> None:
    """Area and box are those of the pixels, and instances of one label do not overlap."""
    masks = label_truth(Label(0, 2))
    assert sum(truth.pixels.astype(int) for truth in masks.values()).max() == 1  # type: ignore[union-attr]
    for truth in masks.values():
        rows, columns = np.nonzero(truth.pixels)
        assert truth.area == len(rows)
        extent = columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1
        assert truth.box == tuple(int(value) for value in extent)


def _euler(pixels: npt.NDArray[np.bool_]) -> int:
    """Gray's formula over 2 × 2 windows for 4-connectivity: (ones - threes + 2 · diagonals) / 4."""
    padded = np.pad(pixels, 1).astype(int)
    corners = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    total = np.sum(corners, axis=0)
    diagonal = (total == 2) & (corners[0] == corners[3])
    return int(((total == 1).sum() - (total == 3).sum() + 2 * diagonal.sum()) // 4)


def test_lines_are_json_without_ascii_escapes_only(sandbox: Sandbox) -> None:
    """Lines hold characters of several bytes, so that a chunk can be cut inside one."""
    assert not json.dumps(project_line(sandbox.row(0), {}, ""), ensure_ascii=False).isascii()
