"""The rows of a version made anew from the raw export in it: without Labelbox, and without any host of images."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from pycocotools.coco import COCO

from flows.backfill import backfill
from flows.refresh import refresh
from flows.reprocess import reprocess
from labelsnap.errors import ConfigurationError, DatasetRejectedError, StorageRefusedError
from labelsnap.records.model import Problem
from labelsnap.records.parsing.parse import parse
from labelsnap.references import open_snapshot, pull
from labelsnap.snapshots.checking.verify import verify
from labelsnap.snapshots.reading.read import list_versions
from labelsnap.snapshots.tables.bucket_tables import bucket_files, read_table
from labelsnap.storage import open_store
from tasks.run.hints import last_exported
from tasks.telling.progress import listening
from tests.flows.versions import splits, store_of


@pytest.fixture
def cut_off(sandbox, monkeypatch):
    """Called, it leaves no key and no host of images that may be reached, and forgets what was asked for so far."""

    def cut():
        for name in ("LABELBOX_API_KEY", "LABELSNAP_ALLOW_HOSTS"):
            monkeypatch.delenv(name, raising=False)
        sandbox.requests.clear()

    return cut


@pytest.fixture
def first(dataset, first_version, cut_off):
    """The result of a refresh, after which nobody can be asked for anything."""
    result = first_version(dataset())
    cut_off()
    return result


def images(result):
    """What the table of images has of each row, but for where it lies and the split, which stays."""
    found = bucket_files(open_snapshot(result["ref"]).manifest.files).values()
    rows = (row for files in found for row in read_table(store_of(result), files["images"]).to_pylist())
    return {row["data_row_id"]: {key: row[key] for key in row.keys() - {"pack", "offset", "split"}} for row in rows}


def masks(result, directory):
    """Area, box and run lengths of every mask in a COCO tree by feature id, decoded by pycocotools; and its classes."""
    pull(result["ref"], "coco", directory)
    found, classes = {}, set()
    for path in sorted((directory / "annotations").glob("instances_*.json")):
        coco = COCO(path)
        classes |= {each["name"] for each in coco.dataset["categories"]}
        for each in coco.dataset["annotations"]:
            found[each["feature_id"]] = coco.annToMask(each).tobytes(), coco.cats[each["category_id"]]["name"]
    return found, classes


def test_another_class_map_makes_the_same_rows_with_the_same_masks(first, dataset, sandbox, tmp_path):
    """Nothing is asked of Labelbox or of a host of images; every mask is pixel for pixel what it was."""
    before, names = masks(first, tmp_path / "before")
    old, other = sorted({name for _, name in before.values()})[:2]
    chosen = dataset(classes={old: other})
    result = reprocess(chosen, first["ref"])
    assert (result["published"], result["version"], result["base"]) == (True, 2, 1)
    assert (result["origin"], open_snapshot(result["ref"]).manifest.result["origin"]) == (first["ref"], first["ref"])
    assert sandbox.requests.count("*") == 0
    assert set(result["requests"].values()) == {0}
    for same in ("rows", "labels", "annotations"):
        assert result[same] == first[same]
    assert splits(result) == splits(first)
    after, _ = masks(result, tmp_path / "after")
    assert after == {name: (mask, other if cls == old else cls) for name, (mask, cls) in before.items()}
    assert {old, other} <= names
    assert verify(open_store(chosen.url)).faults == ()
    raw = [tmp_path / f"raw-{each['version']}" for each in (first, result)]
    for each, directory in zip((first, result), raw, strict=True):
        pull(each["ref"], "raw", directory)
    assert len({(directory / "export.ndjson").read_bytes() for directory in raw}) == 1


def test_the_same_dataset_file_publishes_nothing(first, dataset, sandbox):
    """What would be made is what there is."""
    result = reprocess(dataset(), first["ref"])
    assert (result["published"], result["reason"], result["version"]) == (False, "unchanged", 1)
    assert sandbox.requests.count("*") == 0
    assert last_exported(open_store(dataset().url), dataset()) is not None


@pytest.mark.parametrize("store", ["store", pytest.param("elsewhere", marks=pytest.mark.slow)])
def test_another_dataset_holds_what_a_refresh_would_give_it(first, dataset, sandbox, tmp_path, store):
    """Images, masks, raw lines and splits are copied, also from another store: nothing of the first is needed."""
    chosen = dataset(dataset="another", store=f"file://{tmp_path}/{store}", formats={"yolo": {}, "coco": {}})
    result = reprocess(chosen, first["ref"])
    assert (result["version"], result["origin"], sandbox.requests.count("*")) == (1, first["ref"], 0)
    assert splits(result) == splits(first)
    assert result["ontology"] == first["ontology"] | {"read": False, "reason": "reprocessed"}
    (tmp_path / "store/street-scenes").rename(tmp_path / "gone")
    assert verify(open_store(chosen.url)).faults == ()
    pull(result["ref"], "yolo", tmp_path / "yolo")
    assert len(list((tmp_path / "yolo/images").rglob("*.*"))) == first["rows"]["published"]


@pytest.mark.slow
def test_what_the_snapshot_does_not_hold_is_a_problem_by_name(sandbox, dataset, cut_off, tables):
    """Masks of a class that was dropped, and images that were referenced; boxes and polygons need nothing."""
    whole = refresh(dataset(dataset="whole"))
    of_masks = {row["name"] for row in tables(whole, "annotations") if row["kind"] == "mask"}
    with_masks = {row["data_row_id"] for row in tables(whole, "annotations") if row["kind"] == "mask"}
    without = refresh(dataset(classes=dict.fromkeys(of_masks), empty="keep"))
    referenced = refresh(dataset(dataset="by-url", images="reference"))
    cut_off()
    lost = reprocess(dataset(problems={"max_share": 1}), without["ref"])
    assert lost["problems"] == {"mask_not_in_snapshot": len(with_masks)}
    assert splits(lost).keys() == splits(whole).keys() - with_masks
    copied = reprocess(dataset(dataset="by-url", problems={"max_share": 1}), referenced["ref"])
    assert copied["problems"] == {"not_in_snapshot": referenced["rows"]["published"]}
    with pytest.raises(DatasetRejectedError, match=re.escape("problems.max_share allows 10%")):
        reprocess(dataset(dataset="by-url"), referenced["ref"])
    assert sandbox.requests.count("*") == 0


@pytest.mark.slow
def test_a_row_that_could_not_be_read_then_is_published_where_all_that_it_needs_is_held(
    sandbox, dataset, cut_off, monkeypatch, tables
):
    """An earlier labelsnap refused a line that this one reads: its image is referenced, and it has no masks."""
    whole = refresh(dataset(dataset="whole"))
    of_masks = {row["name"] for row in tables(whole, "annotations") if row["kind"] == "mask"}
    chosen = dataset(images="reference", classes=dict.fromkeys(of_masks))
    refused = next(row for row in sandbox.rows("DONE") if not row.skipped)

    def refusing(line, *given, number, **named):
        if refused.id.encode() in line:
            return Problem(number, refused.id, "$", "not_understood", "an earlier labelsnap")
        return parse(line, *given, number=number, **named)

    with monkeypatch.context() as patch:
        patch.setattr("labelsnap.buckets.build.parse", refusing)
        before = refresh(chosen)
    cut_off()
    result = reprocess(chosen, before["ref"])
    assert (before["problems"], "problems" in result) == ({"not_understood": 1}, False)
    assert splits(result).keys() == splits(before).keys() | {refused.id}
    assert sandbox.requests.count("*") == 0


@pytest.mark.slow
def test_what_is_held_of_a_row_counts_for_the_line_that_it_was_made_of(
    sandbox, dataset, cut_off, monkeypatch, tmp_path
):
    """Of two lines of a row the later one was refused then: its masks and its image are not those of the other."""
    edited = next(row for row in sandbox.rows("DONE") if not row.skipped)
    pull(refresh(dataset())["ref"], "raw", tmp_path / "raw")
    first = next(
        line for line in (tmp_path / "raw/export.ndjson").read_bytes().splitlines() if edited.id.encode() in line
    )
    sandbox.replace_image(edited.index, told=True)
    sandbox.edit_row(edited.index)

    def refusing(line, *given, number, **named):
        if edited.id.encode() in line and line.strip() != first:
            return Problem(number, edited.id, "$", "not_understood", "an earlier labelsnap")
        return parse(line, *given, number=number, **named)

    since, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)
    chosen = dataset(problems={"max_share": 1})
    with monkeypatch.context() as patch:
        patch.setattr("labelsnap.buckets.build.parse", refusing)
        before = backfill(chosen, since, until, until - since)
    truth = refresh(dataset(dataset="truth"))
    cut_off()
    result = reprocess(dataset(problems={"max_share": 1}, formats={"coco": {}, "yolo": {}}), before["ref"])
    assert edited.id not in splits(result)
    assert sum(result["problems"].values()) == before["rows"]["problems"] == 1
    rest = {row: image for row, image in images(truth).items() if row != edited.id}
    assert images(result) == rest


@pytest.mark.slow
@pytest.mark.parametrize("name", ["street-scenes", "another"])
def test_more_buckets_leave_no_row_behind(first, dataset, monkeypatch, name):
    """No row has left that was never there, or is there in another bucket."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "4")
    result = reprocess(dataset(dataset=name, formats={}), first["ref"])
    assert (result["published"], result["rows"], "rows_left" in result) == (True, first["rows"], False)
    assert splits(result) == splits(first)


def test_a_class_that_nobody_has_is_refused(first, dataset):
    """As a refresh refuses it: a name that was misspelt would leave every object out."""
    with pytest.raises(ConfigurationError) as refused:
        reprocess(dataset(formats={"few": {"format": "coco", "classes": ["carr"]}}), first["ref"])
    assert (refused.value.code, "'car'" in refused.value.remedy) == ("unknown_class", True)


def test_lines_are_known_by_their_rows_by_whatever_fingerprint(first, dataset, sandbox, monkeypatch, tmp_path):
    """A later labelsnap may digest lines otherwise: masks and images are still those of the version."""
    for module in ("labelsnap.records.parsing.parse", "labelsnap.buckets.rows.reuse"):
        monkeypatch.setattr(f"{module}.fingerprint", lambda line: sha256(line).hexdigest())
    result = reprocess(dataset(), first["ref"])
    assert (result["published"], result["reused_rows"], result["rows"]) == (True, 0, first["rows"])
    assert masks(result, tmp_path / "after") == masks(first, tmp_path / "before")
    assert images(result) == images(first)
    assert sandbox.requests.count("*") == 0


def test_a_reference_that_cannot_be_used_is_refused_before_anything(first, dataset, dataset_file, tmp_path, labelsnap):
    """No such version, lines of another source or asked for otherwise, and an export of which an object is gone."""
    path = dataset_file(dataset="another")
    for ref, status, code in (
        (first["ref"].replace("@1", "@7"), 2, "unknown_version"),
        (f"file://{tmp_path}/store/nowhere", 2, "unknown_version"),
        ("s3:/nothing", 2, "store_url"),
    ):
        found, told = labelsnap.json("reprocess", ref, "--config", path)
        assert (found, told["error"]["code"]) == (status, code)
    for changes, said in (
        ({"source": {"project": "another-project"}}, "project another-project"),
        ({"filters": {"workflow_status": "ToLabel"}}, "filters.workflow_status"),
        ({"filters": {"workflow_status": "Done", "batch_ids": ["b"]}}, "filters.batch_ids"),
        ({"params": {"embeddings": True}}, "params.embeddings"),
    ):
        found, told = labelsnap.json("reprocess", first["ref"], "--config", dataset_file(dataset="another", **changes))
        assert (found, told["error"]["code"]) == (2, "other_export")
        assert said in told["error"]["message"]
    chunk = next(tmp_path.glob("store/street-scenes/data/raw/result-*"))
    chunk.unlink()
    found, told = labelsnap.json("reprocess", first["ref"], "--config", dataset_file(dataset="another"))
    assert (found, told["error"]["code"]) == (4, "object_damaged")
    assert chunk.name in told["error"]["message"]
    assert not (tmp_path / "store/another").exists()


def test_an_image_that_is_another_now_ends_the_run(first, dataset, tmp_path):
    """Nothing is published of damaged bytes, and the object is named."""
    pack = next(tmp_path.glob("store/street-scenes/data/images/*.tar"))
    body = bytearray(pack.read_bytes())
    body[len(body) // 2] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(bytes(body))
    with pytest.raises(StorageRefusedError, match=re.escape(pack.name)):
        reprocess(dataset(dataset="another"), first["ref"])
    assert list_versions(open_store(dataset(dataset="another").url)) == ()


def test_a_listener_makes_the_dataset_again_after_that(first, dataset, sandbox):
    """What was made anew of older lines is not as of the last export any more."""
    store, chosen = open_store(dataset().url), dataset(formats={"yolo": {}})
    assert last_exported(store, dataset()) is not None
    assert reprocess(chosen, first["ref"])["published"]
    assert last_exported(store, dataset()) is None


@pytest.mark.slow
def test_of_a_backfill_the_rows_that_it_had_are_made_anew(dataset, sandbox, cut_off):
    """Lines out of its range and lines of rows that came again are passed on to no version."""
    refresh(dataset())
    sandbox.edit_row(next(row for row in sandbox.rows("DONE") if not row.skipped).index)
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)
    before = backfill(dataset(), start, end, end - start)
    assert before["rows"]["excluded"]["duplicate"] == 1
    cut_off()
    result = reprocess(dataset(formats={"yolo": {}}), before["ref"])
    assert splits(result) == splits(before)
    assert result["rows"]["excluded"].get("duplicate", 0) == 0
    assert sandbox.requests.count("*") == 0


@pytest.mark.slow
def test_of_a_model_run_labels_and_predictions_are_made_anew(dataset, sandbox, cut_off):
    """As of a project; it has no ontology."""
    before = refresh(dataset(model_run=True))
    cut_off()
    result = reprocess(dataset(model_run=True, formats={"yolo": {}}), before["ref"])
    for same in ("rows", "annotations", "predictions", "ontology"):
        assert result[same] == before[same]
    assert sandbox.requests.count("*") == 0


@pytest.fixture
def small_buckets(monkeypatch):
    """Several buckets, one after another."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "8")
    monkeypatch.setenv("LABELSNAP_WORKERS", "1")


class PowerCutError(RuntimeError):
    """What no part of a run expects."""


class PowerCut:
    """A cut in the middle of the rows, once."""

    left = 1

    def __call__(self, stage, done, total):
        if self.left and stage == "rows" and done >= total / 2:
            self.left = 0
            raise PowerCutError


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True], ids=["retried", "again"])
def test_one_that_is_broken_off_is_gone_on_with(first, dataset, sandbox, tmp_path, small_buckets, *, again):
    """By a retry of its flow run and by another run: what is published is what an undisturbed one gives."""
    chosen, elsewhere = (dataset(dataset="another", store=f"file://{tmp_path}/{name}") for name in ("one", "other"))
    whole = reprocess(elsewhere, first["ref"])
    if again:
        with pytest.raises(PowerCutError), listening(PowerCut()):
            reprocess(chosen, first["ref"])
        result = reprocess(chosen, first["ref"])
    else:
        with listening(PowerCut()):
            result = reprocess.with_options(retries=1, retry_delay_seconds=0)(chosen, first["ref"])
    assert (result["resumed"], result["version"], sandbox.requests.count("*")) == (True, 1, 0)
    found, expected = (
        {each.path: each.sha256 for each in open_snapshot(of["ref"]).manifest.files if each.path.startswith("tables/")}
        for of in (result, whole)
    )
    assert found == expected
    assert not [each.key for each in open_store(chosen.url).list("work/")]


@pytest.mark.slow
def test_a_broken_off_refresh_is_not_gone_on_with(dataset, sandbox, cut_off):
    """Of the same dataset file: its export is no matter of a run that reads other lines, which asks for nothing."""
    before = refresh(dataset())
    chosen = dataset(formats={"yolo": {}})
    with pytest.raises(PowerCutError), listening(PowerCut()):
        refresh(chosen)
    cut_off()
    result = reprocess(chosen, before["ref"])
    assert (result["version"], "resumed" in result, sandbox.requests.count("*")) == (2, False, 0)


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"images": "jpg"}, {"orientation": "upright"}], ids=["jpg", "upright"])
def test_images_are_made_of_those_that_are_held(dataset, sandbox, cut_off, change):
    """Byte for byte what a refresh makes of those at their sources, whose orientation stands in no published file."""
    sandbox.settings.odd_lines = ("png_orientation_1", "png_orientation_3", "jpeg_orientation_2")
    anew = refresh(dataset(dataset="anew", filters={}, formats={}, **change))
    before = refresh(dataset(filters={}, formats={}))
    cut_off()
    result = reprocess(dataset(filters={}, formats={}, **change), before["ref"])
    assert images(result) == images(anew) != images(before)
    assert {kind: result[kind] for kind in ("rows", "images")} == {kind: anew[kind] for kind in ("rows", "images")}
    assert sandbox.requests.count("*") == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "count"),
    [({"images": "jpg"}, "converted"), ({"orientation": "upright"}, "turned")],
    ids=["jpg", "upright"],
)
def test_of_an_image_that_was_made_anew_the_first_is_not_held(dataset, sandbox, cut_off, change, count):
    """Pixels that were encoded anew are no way back: each such row is a problem."""
    sandbox.settings.odd_lines = ("png_orientation_1", "png_orientation_3", "jpeg_orientation_2")
    before = refresh(dataset(filters={}, formats={}, **change))
    cut_off()
    result = reprocess(dataset(filters={}, formats={}, problems={"max_share": 1}), before["ref"])
    assert result["problems"] == {"not_in_snapshot": before["images"][count]}
    assert before["images"][count] > 0
