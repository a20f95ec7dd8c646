"""The path, whole: from an export to a pulled tree, on a real Prefect server and the real SDK."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from deploy.sandbox import Fault, Sandbox, count_kinds, count_prediction_kinds, row_truth
from flows.refresh import refresh
from labelsnap.errors import ConfigurationError, DatasetRejectedError, LabelboxRefusedError, StorageRefusedError
from labelsnap.references import open_snapshot, pull


def pulled(result, directory, name="coco"):
    """The tree of one format of what a refresh published."""
    pull(result["ref"], name, directory)
    return directory


def annotations(tree):
    """Each split of a COCO tree, read by pycocotools."""
    for path in sorted((tree / "annotations").glob("instances_*.json")):
        with contextlib.redirect_stdout(io.StringIO()):
            yield COCO(path)


def balanced(rows):
    """Whether every exported row is accounted for."""
    return rows["exported"] == rows["published"] + sum(rows["excluded"].values()) + rows["problems"]


def downloads(sandbox):
    """How many masks and images were asked for."""
    return sandbox.requests.count("*mask") + sandbox.requests.count("image")


@pytest.mark.prefect
def test_a_refresh_publishes_what_the_project_holds(sandbox, dataset, tmp_path):
    """Counts by kind are the generator's own, and every mask has the generator's pixels, area and box."""
    result = refresh(dataset())
    assert result["published"]
    assert balanced(result["rows"])
    assert result["rows"]["exported"] == len(sandbox.rows("DONE"))
    assert result["rows"]["problems"] == 0
    truth = {}
    for row in sandbox.rows("DONE"):
        truth |= row_truth(row)
    masks = 0
    for coco in annotations(pulled(result, tmp_path / "tree")):
        for annotation in coco.dataset["annotations"]:
            if isinstance(annotation["segmentation"], dict):
                expected = truth[annotation["feature_id"]]
                assert np.array_equal(coco.annToMask(annotation).astype(bool), expected.pixels)
                assert (annotation["area"], tuple(annotation["bbox"])) == (expected.area, expected.box)
                masks += 1
    assert masks == result["annotations"]["mask"] > 0


@pytest.mark.prefect
def test_a_second_refresh_finds_nothing_changed(sandbox, dataset, first_version):
    """No new version, no mask, no image."""
    first = first_version(dataset())
    second = refresh(dataset())
    assert (second["published"], second["reason"], second["version"]) == (False, "unchanged", first["version"])
    assert first["objects"]["reused"] == first["bytes"]["reused"] == 0
    assert second["objects"]["uploaded"] <= second["requests"]["export_chunks"]
    assert second["bytes"]["uploaded"] + second["bytes"]["reused"] == pytest.approx(first["bytes"]["uploaded"], rel=0.1)
    assert second["ref"] == first["ref"]
    assert second["reused_rows"] == second["rows"]["published"]
    assert downloads(sandbox) == 0


def test_only_a_changed_row_is_fetched_again(sandbox, dataset, first_version):
    """After one edit the next version differs in that row, and nothing else is downloaded."""
    chosen = dataset()
    first = first_version(chosen)
    edited = next(row for row in sandbox.rows("DONE") if row_truth(row))
    sandbox.edit_row(edited.index)
    second = refresh(chosen)
    assert second["version"] == first["version"] + 1
    assert second["reused_rows"] == second["rows"]["published"] - 1
    assert sandbox.requests.count("image") <= 1
    assert sandbox.requests.count("composite_mask") <= 1


@pytest.mark.slow
def test_counts_by_kind_are_the_projects_own(sandbox, dataset):
    """Every kind of annotation of the reference is there, as often as the generator drew it in the published labels."""
    result = refresh(dataset(labels="selected"))
    published = [row for row in sandbox.rows("DONE") if not row.skipped]
    assert result["annotations"] == dict(count_kinds(published))
    assert set(result["annotations"]) == {
        "bounding_box",
        "polygon",
        "polyline",
        "point",
        "mask",
        "relationship",
        "radio",
        "checklist",
        "text",
    }
    held, lost = result["formats"]["coco"]["held"], result["formats"]["coco"]["lost"]
    assert {kind: held.get(kind, 0) + lost.get(kind, 0) for kind in result["annotations"]} == result["annotations"]


def test_a_model_run_has_labels_and_predictions(sandbox, dataset, tmp_path):
    """Both are counted, and predictions lie apart from the ground truth."""
    result = refresh(dataset(model_run=True))
    assert balanced(result["rows"])
    assert result["predictions"] == dict(count_prediction_kinds(row for row in sandbox.rows() if row.in_model_run))
    tree = pulled(result, tmp_path / "tree")
    assert list((tree / "annotations").glob("predictions_*.json"))


def test_broken_and_foreign_lines_are_named_and_the_rest_is_published(sandbox, dataset, tmp_path):
    """Each odd line is one problem with its line number; the raw tree has the export's own lines, those too."""
    sandbox.settings.odd_lines = ("not_json", "truncated", "video", "text", "legacy")
    result = refresh(dataset(problems={"max_share": 0.5}, formats={}))
    assert balanced(result["rows"])
    assert result["rows"]["problems"] == 5
    assert result["rows"]["exported"] == len(sandbox.rows("DONE")) + 5
    tree = pulled(result, tmp_path / "raw", "raw")
    problems = [json.loads(line) for line in (tree / "problems.ndjson").read_bytes().splitlines()]
    lines = (tree / "export.ndjson").read_bytes().splitlines()
    assert len(lines) == result["rows"]["exported"]
    assert len(problems) == 5
    assert [problem["line"] for problem in problems] == sorted(problem["line"] for problem in problems)
    for problem in problems:
        assert set(problem) == {"line", "data_row_id", "path", "code", "reason"}
        assert 1 <= problem["line"] <= len(lines)


@pytest.mark.prefect
def test_too_many_problems_publish_nothing(sandbox, dataset):
    """Above the dataset's own limit the run fails with the whole result, and no version appears."""
    sandbox.settings.odd_lines = ("not_json", "truncated")
    chosen = dataset(problems={"max_share": 0}, formats={})
    with pytest.raises(DatasetRejectedError) as caught:
        refresh(chosen)
    assert caught.value.result["published"] is False
    assert (caught.value.result["version"], caught.value.result["reason"]) == (None, "too_many_problems")
    assert caught.value.result["rows"]["problems"] == 2
    assert not (Path(chosen.store.removeprefix("file://")) / chosen.dataset / "commits").exists()


def test_lines_of_the_error_stream_are_counted_and_kept(sandbox, dataset, tmp_path):
    """A partial export is published, with its errors beside it as they came."""
    sandbox.settings.error_lines = 3
    result = refresh(dataset(problems={"max_share": 0.5}, formats={}))
    assert result["export_errors"] == 3
    tree = pulled(result, tmp_path / "raw", "raw")
    assert len((tree / "errors.ndjson").read_bytes().splitlines()) == 3


def test_an_export_of_errors_alone_is_no_empty_dataset(sandbox, dataset):
    """No row and some errors: refused, not published as nothing."""
    sandbox.settings.error_lines = 3
    chosen = dataset(filters={"global_keys": ["no such key"]})
    with pytest.raises(LabelboxRefusedError) as caught:
        refresh(chosen)
    assert caught.value.code == "export_only_errors"


@pytest.mark.slow
def test_chunks_may_end_inside_a_character(sandbox, dataset, first_version):
    """Cut into many chunks inside lines and characters, the same rows give the same tables."""
    whole = first_version(dataset())
    sandbox.settings.chunk_bytes = 4099
    sandbox.settings.cut = "character"
    again = refresh(dataset())
    assert again["requests"]["export_chunks"] > 10
    assert again["reason"] == "unchanged"
    assert again["annotations"] == whole["annotations"]


@pytest.mark.parametrize(
    ("fault", "lost"),
    [
        (Fault("chunk", "short_body", times=2), 0),
        pytest.param(Fault("chunk", "status", status=503, times=2), 0, marks=pytest.mark.slow),
        pytest.param(Fault("composite_mask", "corrupt", times=1), 0, marks=pytest.mark.slow),
        (Fault("composite_mask", "status", status=404, times=1), 1),
        pytest.param(Fault("image", "status", status=404, times=1), 1, marks=pytest.mark.slow),
        (Fault("image", "wrong_type", times=1), 0),
    ],
    ids=lambda value: f"{value.target}-{value.effect}" if isinstance(value, Fault) else str(value),
)
def test_a_fault_costs_at_most_its_row(sandbox, dataset, fault, lost):
    """What passes is repeated; what stays makes one row a problem, or is had another way; the rest is published."""
    sandbox.faults.add(fault)
    result = refresh(dataset(problems={"max_share": 0.5}, formats={}))
    assert balanced(result["rows"])
    assert result["rows"]["problems"] <= lost


def test_masks_that_cannot_be_had_are_named_and_other_rows_published(sandbox, dataset, tmp_path):
    """With every mask gone, each row that has one is a problem that names the object; those without are published."""
    for kind in ("composite_mask", "instance_mask"):
        sandbox.faults.add(Fault(kind, "status", status=404, times=None))
    with_masks = {row.id for row in sandbox.rows("DONE") if not row.skipped and row_truth(row)}
    result = refresh(dataset(problems={"max_share": 1}, formats={}))
    assert result["rows"]["published"] > 0
    assert result["requests"]["images"] == sandbox.requests.count("image")
    tree = pulled(result, tmp_path / "raw", "raw")
    problems = [json.loads(line) for line in (tree / "problems.ndjson").read_bytes().splitlines()]
    assert {problem["data_row_id"] for problem in problems} == with_masks
    assert {problem["code"] for problem in problems} <= {"mask_http_404", "mask_composite_expired"}
    assert all(problem["path"].startswith("$..objects[?@.feature_id==") for problem in problems)


@pytest.mark.parametrize(("key", "error"), [("wrong", LabelboxRefusedError), ("", ConfigurationError)])
def test_a_wrong_or_missing_key_is_refused_before_the_export(sandbox, dataset, monkeypatch, key, error):
    """Nothing is started, and nothing is written."""
    monkeypatch.setenv("LABELBOX_API_KEY", key)
    with pytest.raises(error):
        refresh(dataset())
    assert sandbox.requests.count("graphql:export*") == 0


def test_an_unknown_project_is_refused_before_the_export(sandbox, dataset):
    """The project's id is in the message."""
    with pytest.raises(LabelboxRefusedError, match="clnothing"):
        refresh(dataset(source={"project": "clnothing"}))
    assert sandbox.requests.count("graphql:export*") == 0


def test_a_store_that_cannot_be_written_is_refused_before_the_export(sandbox, dataset, tmp_path):
    """A file stands where the store's folder should be."""
    (tmp_path / "occupied").write_text("a file", encoding="utf-8")
    with pytest.raises(StorageRefusedError):
        refresh(dataset(store=f"file://{tmp_path}/occupied"))
    with pytest.raises(StorageRefusedError):
        refresh(dataset(store="s3://no-such-bucket/labelsnap"))
    assert sandbox.requests.count("graphql:export*") == 0


def test_referenced_images_are_not_downloaded(sandbox, dataset):
    """With `images: reference` masks are fetched and images are not."""
    result = refresh(dataset(images="reference", formats={}))
    assert result["rows"]["problems"] == 0
    assert sandbox.requests.count("image") == 0
    assert sandbox.requests.count("*mask") > 0


@pytest.mark.slow
def test_two_instances_of_one_colour_are_had_by_their_own_masks(dataset, tmp_path):
    """Where the composite cannot tell two instances apart, each comes in its own request, with its own pixels."""
    with Sandbox(rows=24, directory=tmp_path / "own", shared_colours=frozenset(range(24))) as own:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in own.environment().items():
                patch.setenv(name, value)
            result = refresh(dataset(source={"project": own.project_id}, problems={"max_share": 0.5}))
        truth = {}
        for row in own.rows("DONE"):
            truth |= row_truth(row)
        for coco in annotations(pulled(result, tmp_path / "tree")):
            for annotation in coco.dataset["annotations"]:
                if isinstance(annotation["segmentation"], dict):
                    assert annotation["area"] == truth[annotation["feature_id"]].area
        assert result["requests"]["instance_masks"] > 0


def test_the_same_input_gives_the_same_bytes_in_two_stores(dataset, first_version, tmp_path):
    """Two stores, two exports: every published file but the raw export has the same hash."""
    manifests = []
    for name, publish in (("one", first_version), ("two", refresh)):
        result = publish(dataset(store=f"file://{tmp_path}/{name}"))
        files = open_snapshot(result["ref"]).manifest.files
        manifests.append({file.path: file.sha256 for file in files if not file.path.startswith("raw/")})
    assert manifests[0] == manifests[1]


@pytest.mark.prefect
def test_the_key_is_in_no_byte_of_the_store_and_no_log(sandbox, dataset, tmp_path, caplog):
    """After a run with failures the key is neither in what was written nor in what was said."""
    sandbox.faults.add(Fault("*mask", "status", status=500, times=3))
    result = refresh(dataset())
    assert result["published"]
    key = sandbox.api_key.encode()
    for path in (tmp_path / "store").rglob("*"):
        assert not path.is_file() or key not in path.read_bytes()
    assert sandbox.api_key not in caplog.text


@pytest.mark.slow
@pytest.mark.prefect
def test_nothing_of_a_finished_run_is_left_behind(dataset, tmp_path):
    """The scratch of the run is gone from the store; the moment of its export stays."""
    refresh(dataset())
    left = [path for path in (tmp_path / "store").rglob("work/**/*") if path.is_file()]
    assert [path.name for path in left] == ["exported.json"]
