"""Files that are called what people call their rows: over versions, in trees, and when the setting changes."""

from __future__ import annotations

import json
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import pytest

from flows.backfill import backfill
from flows.refresh import refresh
from flows.reprocess import reprocess
from labelsnap.records.choices.names import folded
from labelsnap.references import compare, open_snapshot, pull
from labelsnap.snapshots.checking.verify import verify
from labelsnap.snapshots.tables.bucket_tables import bucket_files, read_table
from tests.flows.versions import store_of


def named(result):
    """The file name of each row of a version."""
    buckets = bucket_files(open_snapshot(result["ref"]).manifest.files).values()
    tables = [read_table(store_of(result), files["data_rows"]) for files in buckets if "data_rows" in files]
    return {row["data_row_id"]: row["file_name"] for table in tables for row in table.to_pylist()}


def done(sandbox):
    """The rows that are published and whose pictures are JPEGs, in the order of their ids."""
    rows = [row for row in sandbox.rows("DONE") if not row.skipped and row.image_format == "JPEG"]
    return sorted(rows, key=lambda row: row.id)


def members(files):
    """The names in all tars among files."""
    found = set()
    for path in files:
        if path.suffix == ".tar":
            with tarfile.open(path) as tar:
                found.update(tar.getnames())
    return found


def asked(sandbox):
    """How many masks and images were asked for."""
    return sandbox.requests.count("*mask"), sandbox.requests.count("image")


@pytest.mark.slow
def test_files_are_called_by_their_keys_and_stay_so_whoever_comes_or_goes(dataset, sandbox, monkeypatch):
    """The lowest id has the name first; who stands keeps it, and who has an id beside it keeps that, too.

    The first version has one bucket, and later ones have several.
    """
    low, mid, high, late, *_ = done(sandbox)
    for row, key in ((low, "Ampel.JPG"), (mid, "ampel.jpg"), (high, "AMPEL.jpeg")):
        sandbox.set_key(row.index, key)
    sandbox.set_status(low.index, "IN_REVIEW")
    chosen = dataset(formats={}, file_names="key")
    first = refresh(chosen)
    assert named(first)[mid.id] == "ampel.jpg"
    assert named(first)[high.id] == f"AMPEL--{high.id}.jpeg"
    assert named(first)[late.id] == late.external_id
    assert len({folded(PurePosixPath(name).stem) for name in named(first).values()}) == len(named(first))
    assert refresh(chosen)["reason"] == "unchanged"

    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "4")
    sandbox.set_status(low.index, "DONE")
    second = refresh(chosen)
    assert len(bucket_files(open_snapshot(second["ref"]).manifest.files)) > 1
    assert named(second) == named(first) | {low.id: f"Ampel--{low.id}.JPG"}

    sandbox.set_status(mid.index, "IN_REVIEW")
    sandbox.edit_row(high.index)
    third = refresh(chosen)
    without = {row_id: name for row_id, name in named(second).items() if row_id != mid.id}
    assert named(third) == without
    assert "renamed" not in third["names"]

    sandbox.set_status(mid.index, "DONE")
    sandbox.set_key(late.index, "ampel.jpg")
    fourth = refresh(chosen)
    assert named(fourth) == named(second) | {late.id: f"ampel--{late.id}.jpg"}
    assert fourth["names"]["renamed"] == 1
    assert verify(store_of(fourth)).faults == ()


@pytest.mark.slow
def test_the_setting_renames_and_asks_for_nothing(dataset, sandbox, tmp_path):
    """Every row that is called otherwise is counted; images and masks stand, and back again all is as it was."""
    before = refresh(dataset())
    sandbox.requests.clear()
    by_key = refresh(dataset(file_names="key"))
    assert asked(sandbox) == (0, 0)
    changed = {row_id for row_id, name in named(by_key).items() if name != named(before)[row_id]}
    assert by_key["names"]["renamed"] == len(changed) == len(named(by_key))
    assert set(compare(before["ref"], by_key["ref"])[1].rows.changed) == changed
    pull(by_key["ref"], "coco", tmp_path / "tree")
    document = json.loads((tmp_path / "tree/annotations/instances_train.json").read_bytes())
    in_tree = {image["data_row_id"]: image["file_name"] for image in document["images"]}
    assert in_tree.items() <= named(by_key).items()
    assert {path.name for path in (tmp_path / "tree/images/train").iterdir()} == set(in_tree.values())
    back = refresh(dataset())
    assert named(back) == named(before)
    content = [open_snapshot(each["ref"]).manifest.files for each in (before, back)]
    tables = [{file.sha256 for file in files if file.path.startswith("tables/data_rows")} for files in content]
    assert tables[0] == tables[1]


@pytest.mark.slow
@pytest.mark.parametrize("output", ["yolo", "voc", "labelme", "masks", "huggingface", "webdataset"])
def test_every_format_has_the_names_in_its_tree(dataset, sandbox, tmp_path, output):
    """A key with dots and letters of its own script names a file in every tree, and two that differ in dots are two."""
    one, other, *_ = done(sandbox)
    sandbox.set_key(one.index, "Größe.v1.jpg")
    sandbox.set_key(other.index, "Größe_v1.jpg")
    options = {"huggingface": {"layout": "imagefolder"}}.get(output, {})
    first = refresh(dataset(file_names="key", formats={output: options}))
    assert {named(first)[row.id] for row in (one, other)} == {"Größe.v1.jpg", f"Größe_v1--{other.id}.jpg"}
    pull(first["ref"], output, tmp_path / "tree")
    files = [path for path in (tmp_path / "tree").rglob("*") if path.is_file()]
    if output == "webdataset":
        assert {"Größe_v1.jpg", f"Größe_v1--{other.id}.jpg"} <= members(files)
    else:
        assert {"Größe.v1.jpg", f"Größe_v1--{other.id}.jpg"} <= {path.name for path in files}
    assert verify(store_of(first)).faults == ()


def test_a_version_made_anew_keeps_the_names_that_stand(dataset, sandbox):
    """Reading the kept lines again names no row otherwise, also one whose name another row has left."""
    low, high, *_ = done(sandbox)
    for row in (low, high):
        sandbox.set_key(row.index, "one.jpg")
    chosen = dataset(formats={}, file_names="key")
    refresh(chosen)
    sandbox.set_status(low.index, "IN_REVIEW")
    second = refresh(chosen)
    assert named(second)[high.id] == f"one--{high.id}.jpg"
    again = reprocess(dataset(formats={}, file_names="key", classes={"car": "vehicle"}), second["ref"])
    assert named(again) == named(second)


@pytest.mark.slow
@pytest.mark.parametrize("images", ["jpg", "reference"])
def test_images_that_are_made_jpegs_or_referred_to_have_their_keys_for_names(dataset, sandbox, images):
    """A JPEG always ends with `.jpg`; what a reference is called is what its file would be called."""
    row, other, *_ = done(sandbox)
    sandbox.set_key(row.index, "Ampel.JPEG")
    sandbox.set_key(other.index, "ampel.png")
    first = refresh(dataset(file_names="key", images=images, formats={"coco": {}}))
    endings = {"jpg": "jpg", "reference": "JPEG"}
    assert named(first)[row.id] == f"Ampel.{endings[images]}"
    assert named(first)[other.id] == f"ampel--{other.id}.jpg"


@pytest.mark.slow
def test_a_backfill_takes_no_name_from_a_row_that_stands(dataset, sandbox):
    """Rows of earlier years come beside those of the base, whose names are theirs; nothing of the base is renamed."""
    low, high, *_ = done(sandbox)
    for row in (low, high):
        sandbox.set_key(row.index, "one.jpg")
    sandbox.set_status(low.index, "IN_REVIEW")
    chosen = dataset(formats={}, file_names="key")
    first = refresh(chosen)
    assert named(first)[high.id] == "one.jpg"
    sandbox.set_status(low.index, "DONE")
    moments = datetime(2022, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1)
    second = backfill(chosen, *moments, timedelta(days=2000))
    assert named(second) == named(first) | {low.id: f"one--{low.id}.jpg"}
