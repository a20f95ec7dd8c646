"""How an image is known from one version to the next: a label's edit neither brings it again nor loses its row."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from deploy.sandbox import Fault
from flows.refresh import refresh
from labelsnap.references import pull
from labelsnap.snapshots.checking.verify import verify
from labelsnap.snapshots.reading.read import read_snapshot
from labelsnap.snapshots.tables.bucket_tables import bucket_files, read_table
from labelsnap.snapshots.writing.small import SMALL_PACK
from labelsnap.storage import open_store

EDITED = 3
WEEK, HOUR = 7 * 86_400, 3600
TABLES = {"formats": {}}


def rows(chosen, version, table="data_rows"):
    """A version's table, by data row id."""
    store = open_store(chosen.url)
    files = bucket_files(read_snapshot(store, version).manifest.files).values()
    return {row["data_row_id"]: row for each in files for row in read_table(store, each[table]).to_pylist()}


@pytest.fixture
def edited(sandbox, first_version):
    """Gives the result of a refresh after one label was edited, and what its image is before and after."""

    def edit(chosen, change=lambda: None):
        first = first_version(chosen)
        row = sandbox.row(EDITED).id
        before = rows(chosen, first["version"])[row]["sha256"]
        sandbox.edit_row(EDITED)
        change()
        sandbox.requests.clear()
        second = refresh(chosen)
        assert second["version"] == first["version"] + 1
        assert (second["rows"], second["reused_rows"]) == (first["rows"], first["rows"]["published"] - 1)
        return second, before, rows(chosen, second["version"])[row]["sha256"]

    return edit


def counted(result):
    """What was asked of images, and how many are unconfirmed."""
    requests = result["requests"]
    return requests["images"], requests["images_not_modified"], result["images"]["unconfirmed"]


def test_the_image_of_an_edited_label_is_not_downloaded_again(sandbox, dataset, edited):
    """Its source says that it is the same, without a body."""
    result, before, after = edited(dataset(**TABLES))
    assert (counted(result), before == after) == ((0, 1, 0), True)
    assert sandbox.requests.statuses["image", 304] == sandbox.requests.count("image") == 1
    assert sandbox.requests.count("composite_mask") + sandbox.requests.count("instance_mask") > 0


def test_an_image_that_was_replaced_with_an_edit_is_the_new_one(sandbox, dataset, edited):
    """Though its URL is the same, and the export says nothing of it."""
    result, before, after = edited(dataset(**TABLES), lambda: sandbox.replace_image(EDITED))
    assert (counted(result), before == after) == ((1, 0, 0), False)


@pytest.mark.slow
@pytest.mark.parametrize(("told", "requests"), [(False, (0, 0, 0)), (True, (1, 0, 0))])
def test_where_the_source_tells_nothing_the_data_row_does(sandbox, dataset, edited, told, requests):
    """An image whose data row was not changed stands unasked; a changed one is downloaded."""
    sandbox.settings.no_validators = True
    change = (lambda: sandbox.replace_image(EDITED, told=True)) if told else lambda: None
    result, before, after = edited(dataset(**TABLES), change)
    assert (counted(result), before != after) == (requests, told)
    assert sandbox.requests.count("image") == requests[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("no_validators", "details", "unconfirmed"),
    [
        (True, True, 0),
        (False, False, 1),
        (False, True, 0),
        (True, False, 1),
    ],
)
def test_an_edit_after_the_images_url_has_ended_costs_no_row(
    sandbox, dataset, edited, *, details, unconfirmed, no_validators
):
    """The image stands, and is noted where nobody says that it is the same; the next night nothing has changed."""
    sandbox.settings.no_validators = no_validators
    sandbox.settings.image_seconds = WEEK
    chosen = dataset(params={"data_row_details": details}, problems={"max_share": 0}, **TABLES)

    def end():
        sandbox.settings.image_seconds = 0

    result, before, after = edited(chosen, end)
    assert (counted(result), before == after) == ((0, 0, unconfirmed), True)
    refused = sandbox.requests.statuses["image", 403]
    assert refused == (0 if details and no_validators else 1)
    again = refresh(chosen)
    assert (again["reason"], counted(again)) == ("unchanged", (0, 0, unconfirmed))
    assert sandbox.requests.statuses["image", 403] == refused
    sandbox.settings.image_seconds = WEEK
    sandbox.edit_row(EDITED)
    assert refresh(chosen)["images"]["unconfirmed"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault("image", "status", status=404),
        pytest.param(Fault("image", "wrong_type", times=None), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_source_that_fails_costs_no_row_that_stands(sandbox, dataset, edited, fault):
    """What it sends in place of the image is not published."""
    chosen = dataset(params={"data_row_details": False}, problems={"max_share": 0}, **TABLES)
    result, before, after = edited(chosen, lambda: sandbox.faults.add(fault))
    assert (counted(result), before == after) == ((0, 0, 1), True)


@pytest.mark.slow
def test_an_image_that_was_replaced_by_none_is_a_problem(sandbox, dataset, first_version):
    """The data row was changed, and its source sends something else: the picture that stands is not the row's."""
    chosen = dataset(problems={"max_share": 0.5}, **TABLES)
    first = first_version(chosen)
    sandbox.edit_row(EDITED)
    sandbox.replace_image(EDITED, told=True)
    sandbox.faults.add(Fault("image", "wrong_type", times=None))
    second = refresh(chosen)
    assert second["rows"]["problems"] == first["rows"]["problems"] + 1
    assert sandbox.row(EDITED).id not in rows(chosen, second["version"])


@pytest.mark.slow
def test_an_image_elsewhere_is_another_one(sandbox, dataset):
    """Where its URL without signature is another, what cannot be had is a problem, as that of a new row."""
    sandbox.settings.odd_lines = ("jpeg_orientation_1",)
    chosen = dataset(problems={"max_share": 0.5}, **TABLES)
    first = refresh(chosen)
    sandbox.settings.odd_lines = ("jpeg_orientation_3",)
    sandbox.faults.add(Fault("*orientation_3*", "status", status=404))
    assert refresh(chosen)["rows"]["problems"] == first["rows"]["problems"] + 1


@pytest.mark.parametrize(
    "formats",
    [
        pytest.param({"coco": {}}, id="from tables"),
        pytest.param({"coco": {}, "voc": {}}, id="from records", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(("seconds", "is_kept"), [pytest.param(WEEK, True, marks=pytest.mark.slow), (HOUR, False)])
def test_a_referenced_url_is_exchanged_before_it_ends(sandbox, dataset, first_version, *, seconds, is_kept, formats):
    """One that lasts another day stays, so that nothing changes; no mask is asked for where one does not."""
    sandbox.settings.image_seconds = seconds
    first = first_version(dataset(images="reference", formats={"coco": {}}))
    sandbox.settings.image_seconds = WEEK
    sandbox.requests.clear()
    chosen = dataset(images="reference", formats=formats)
    second = refresh(chosen)
    assert second["reused_rows"] == first["rows"]["published"] == second["rows"]["published"]
    assert sandbox.requests.count("*mask") + sandbox.requests.count("image") == 0
    before, after = rows(chosen, 1), rows(chosen, second["version"])
    assert {row: before[row]["row_data"] == after[row]["row_data"] for row in before} == dict.fromkeys(before, is_kept)
    assert {row: before[row]["fingerprint"] for row in before} == {row: after[row]["fingerprint"] for row in after}
    assert (second["version"] == 1) is (is_kept and formats == {"coco": {}})
    if not is_kept:
        assert all(f"X-Amz-Expires={WEEK}" in row["row_data"] for row in after.values())
        assert refresh(chosen)["reason"] == "unchanged"


TYPES = ("png_orientation_8", "webp_orientation_5", "tiff_orientation_2", "jpeg_orientation_3", "multi_picture")
"""Odd rows whose images are of several types, three of them no JPEGs."""


def trees(result, names, root):
    """The trees of a version, by format."""
    for name in names:
        pull(result["ref"], name, root / name)
    return {name: root / name for name in names}


@pytest.mark.slow
def test_all_images_are_jpegs_where_that_is_asked_for(sandbox, dataset, tmp_path):
    """In every format that has image files, by the name that readers of VOC ask for; masks and boxes are as ever.

    What was converted is counted, and not again; with the key taken out, all are as they came.
    """
    sandbox.settings.odd_lines = TYPES
    few = {"data_row_ids": [row.id for row in sandbox.rows()[:8]]}
    chosen = {"formats": {"coco": {}, "voc": {}, "yolo": {"task": "segment"}}, "filters": few}
    copied = refresh(dataset(**chosen))
    types = {row: each["mime_type"] for row, each in rows(dataset(**chosen), copied["version"]).items()}
    others = {row for row, mime_type in types.items() if mime_type != "image/jpeg"}
    assert {"image/webp", "image/tiff", "image/png"} <= set(types.values())
    before = trees(copied, chosen["formats"], tmp_path / "copied")
    sandbox.requests.clear()

    result = refresh(dataset(images="jpg", **chosen))

    assert (result["rows"], result["annotations"]) == (copied["rows"], copied["annotations"])
    assert (
        result["images"]["converted"] == result["requests"]["images"] == sandbox.requests.count("image") == len(others)
    )
    assert sandbox.requests.count("*mask") == 0
    found = rows(dataset(**chosen), result["version"])
    assert {row for row, each in found.items() if each["converted_from"]} == others
    assert {each["converted_from"] for each in found.values()} - {None} == set(types.values()) - {"image/jpeg"}
    after = trees(result, chosen["formats"], tmp_path / "jpg")
    for name, tree in after.items():
        assert f"{len(others)} images were made JPEGs" in (tree / "README.md").read_text(encoding="utf-8")
        files = [
            path
            for path in tree.rglob("*")
            if path.parent.parts[-2:][0] == "images" or path.parent.name == "JPEGImages"
        ]
        assert len(files) == result["rows"]["published"], name
        for path in files:
            with Image.open(path) as image:
                assert path.suffix == ".jpg"
                assert image.format in {"JPEG", "MPO"}  # the second is a JPEG with another behind it
    for of in ("SegmentationClass", "SegmentationObject"):
        maps = [{path.name: path.read_bytes() for path in (tree["voc"] / of).iterdir()} for tree in (before, after)]
        assert maps[0] == maps[1] != {}
    for path in (after["voc"] / "Annotations").iterdir():
        assert ET.fromstring(path.read_bytes()).findtext("filename") == f"{path.stem}.jpg"  # noqa: S314 - our own
    documents = [
        json.loads((tree["coco"] / "annotations" / "instances_train.json").read_bytes()) for tree in (before, after)
    ]
    assert documents[0]["annotations"] == documents[1]["annotations"]
    named = [
        [(PurePosixPath(each["file_name"]).stem, each["width"], each["height"]) for each in document["images"]]
        for document in documents
    ]
    assert named[0] == named[1]

    sandbox.requests.clear()
    again = refresh(dataset(images="jpg", **chosen))
    assert (again["reason"], sandbox.requests.count("image")) == ("unchanged", 0)
    sandbox.edit_row(EDITED)
    edited = refresh(dataset(images="jpg", **chosen))
    assert (edited["images"]["converted"], edited["requests"]["images"]) == (len(others), 0)
    back = refresh(dataset(**chosen))
    assert (back["images"]["converted"], back["requests"]["images"]) == (0, len(others))
    digests = (
        {row: each["sha256"] for row, each in rows(dataset(), version).items()} for version in (1, back["version"])
    )
    assert next(digests) == next(digests)


@pytest.fixture(params=["256", pytest.param("4", marks=pytest.mark.slow)])
def buckets(request, monkeypatch):
    """One bucket for all rows, or several."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", request.param)


@pytest.mark.slow
@pytest.mark.usefixtures("buckets")
def test_images_of_rows_that_left_do_not_stay_with_those_that_did_not(sandbox, dataset, first_version, tmp_path):
    """Where most of a pack is of no row any more, what is left of it is packed anew: from the store, byte for byte.

    So it is where there are fewer buckets than before.
    """
    chosen = dataset(formats={"yolo": {}})
    first = first_version(chosen)
    before = read_snapshot(open_store(chosen.url), first["version"]).manifest.packs
    for row in sandbox.rows()[3:]:
        sandbox.remove_row(row.index)
    second = refresh(chosen)
    assert (second["version"], second["requests"]["images"]) == (first["version"] + 1, 0)
    places = rows(chosen, second["version"], "images").values()
    packs = read_snapshot(open_store(chosen.url)).manifest.packs
    assert {each["pack"] for each in places} == {pack.key for pack in packs if pack.key.startswith("data/images/")}
    assert sum(pack.size for pack in packs) < 1.5 * sum(each["size"] for each in places) + 20_000
    assert sum(pack.size for pack in packs) < sum(pack.size for pack in before) / 2
    pulled = {name: bytes_of(each["ref"], tmp_path / name) for name, each in (("kept", second), ("first", first))}
    assert pulled["kept"].items() <= pulled["first"].items()
    assert verify(open_store(chosen.url), second["version"]).faults == ()


@pytest.mark.slow
@pytest.mark.parametrize("nights", [5, 14])
def test_packs_of_images_do_not_gather(sandbox, dataset, nights):
    """Where a row comes each night its image goes into a pack with those of the nights before, while that is small."""
    ids = [row.id for row in sandbox.rows()][:nights]
    for night in range(1, nights + 1):
        chosen = dataset(formats={"yolo": {}}, filters={"data_row_ids": ids[:night]})
        refresh(chosen)
    packs = read_snapshot(open_store(chosen.url)).manifest.packs
    assert sum(pack.size < SMALL_PACK for pack in packs if pack.key.startswith("data/images/")) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["data/packs/", "data/images/"])
def test_what_a_run_reads_as_damaged_is_told(sandbox, dataset, first_version, caplog, folder):
    """A pack that is packed anew is read: where a byte of it is another one the log names it; what is whole moves."""
    chosen = dataset(formats={"yolo": {}})
    first_version(chosen)
    store = open_store(chosen.url)
    (pack,) = (each for each in read_snapshot(store).manifest.packs if each.key.startswith(folder))
    (place, *_) = sorted(each["offset"] for each in rows(chosen, 1, "images").values())
    body = bytearray(store.get(pack.key, most=pack.size))
    body[place if "images" in folder else 0] ^= 255
    store.put(pack.key, bytes(body))
    for row in sandbox.rows()[4:]:
        sandbox.remove_row(row.index) if "images" in folder else sandbox.edit_row(row.index)
    second = refresh(chosen)
    faults = verify(store, second["version"]).faults
    assert second["published"]
    assert ("is lost or damaged" in caplog.text) is bool(faults)
    assert {fault.key for fault in faults} <= {pack.key}


def bytes_of(ref, directory):
    """The images and labels of a version, by their paths in the tree."""
    pull(ref, "yolo", directory)
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.suffix in {".jpg", ".png", ".txt"}
    }
