"""Outputs by name over versions: their own trees and counts, and what of them is made anew when something changes."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from msgspec.structs import replace
from pycocotools.coco import COCO

from deploy.sandbox import Fault
from flows.backfill import backfill
from flows.refresh import refresh
from labelsnap.errors import ConfigurationError, LabelsnapError
from labelsnap.formats.coco.writer import Coco
from labelsnap.formats.description.narrowing import Narrowed, narrowed
from labelsnap.references import open_snapshot, pull
from labelsnap.snapshots.checking.verify import verify
from labelsnap.storage import open_store
from tests.formats.yolo_rules import read_labels

KINDS_OF_BOXES = ("bounding_box", "polygon", "mask")
FORMATS = {
    "yolo-detect": {"format": "yolo", "task": "detect", "classes": ["person", "car"]},
    "yolo-segment": {
        "format": "yolo",
        "task": "segment",
        "classes": {"car": "thing", "road": "ground", "vehicle": "thing"},
        "kinds": ["mask", "polygon"],
    },
    "coco": {},
}


def laid_out(result, directory, names=tuple(FORMATS)):
    """The trees of a version's outputs, by name."""
    trees = {name: directory / str(result["version"]) / name for name in names}
    for name, tree in trees.items():
        pull(result["ref"], name, tree)
    return trees


def objects_in_coco(tree):
    """How many objects of a class an image has in COCO: (image without its ending, class) → count."""
    found = Counter()
    for path in sorted((tree / "annotations").glob("instances_*.json")):
        coco = COCO(path)
        for each in coco.loadAnns(coco.getAnnIds()):
            image = coco.imgs[each["image_id"]]["file_name"].rpartition(".")[0]
            found[image, coco.cats[each["category_id"]]["name"]] += 1
    return found


def rows_in_yolo(tree):
    """The same of a YOLO tree, read by the rules of Ultralytics."""
    names = yaml.safe_load((tree / "data.yaml").read_bytes())["names"]
    found = Counter()
    for path in sorted((tree / "labels").glob("*/*.txt")):
        labels = read_labels(path.read_text(), len(names))
        found.update((path.stem, names[number]) for number in labels.classes.tolist())
    return names, found


def objects(result, name):
    """The objects in the store that an output's files lie in, but for what describes it."""
    files = open_snapshot(result["ref"]).manifest.below(f"formats/{name}/")
    told = ("README.md", "croissant.json")
    return {part.key for file in files if not file.path.endswith(told) for part in file.ranges}


def test_two_classes_of_eleven_in_one_output_and_all_in_another(sandbox, dataset, tmp_path):
    """Each tree has what it selects, under the numbers of its list; for each, counts come to what was annotated."""
    result = refresh(dataset(formats=FORMATS))
    trees = laid_out(result, tmp_path)
    everything = objects_in_coco(trees["coco"])
    assert len({name for _, name in everything}) > 5
    names, boxes = rows_in_yolo(trees["yolo-detect"])
    assert names == {0: "person", 1: "car"}
    assert boxes == {key: count for key, count in everything.items() if key[1] in {"person", "car"}}
    names, outlines = rows_in_yolo(trees["yolo-segment"])
    assert names == {0: "thing", 1: "ground"}
    assert {name for _, name in outlines} == {"thing", "ground"}
    images = {path.name for path in (trees["coco"] / "images").rglob("*.*")}
    assert images == {path.name for path in (trees["yolo-detect"] / "images").rglob("*.*")}
    for name in FORMATS:
        told = result["formats"][name]
        parts = (told[part] for part in ("held", "lost", "not_selected") if part in told)
        assert sum(map(Counter, parts), Counter()) == result["annotations"]
    assert "not_selected" not in result["formats"]["coco"]
    (detect, segment) = (result["formats"][name] for name in FORMATS if name != "coco")
    assert sum(detect["held"].values()) == sum(boxes.values())
    assert detect["not_selected"]["polyline"] == result["annotations"]["polyline"]
    assert segment["not_selected"]["bounding_box"] == result["annotations"]["bounding_box"]
    assert "lost" in segment
    card = (trees["yolo-detect"] / "README.md").read_text()
    assert "as the output `yolo-detect` in the format `yolo`" in card
    assert "| kind | held | lost | not selected |" in card
    described = json.loads((trees["yolo-segment"] / "croissant.json").read_bytes())
    (classes,) = (each["data"] for each in described["recordSet"] if each["@id"] == "class")
    assert [each["class/name"] for each in classes] == ["thing", "ground"]
    assert "<td>yolo-segment</td>" in (trees["coco"] / "report.html").read_text().replace('<td class="text">', "<td>")
    assert open_snapshot(result["ref"]).manifest.format_version == 2


@pytest.mark.slow
def test_a_changed_list_makes_its_own_output_anew_and_no_other(sandbox, dataset, tmp_path, monkeypatch):
    """Over three versions: another order in one output, then another label; what others have is taken over, unread."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "8")
    first = refresh(dataset(formats=FORMATS))
    changed = FORMATS | {"yolo-detect": FORMATS["yolo-detect"] | {"classes": ["car", "person"]}}
    with monkeypatch.context() as patch:
        patch.setattr(Coco, "_annotations", lambda *_: pytest.fail("a row of COCO was made"))
        second = refresh(dataset(formats=changed))
    assert (second["version"], second["reused_rows"]) == (2, second["rows"]["published"])
    assert second["requests"]["images"] == second["requests"]["composite_masks"] == 0
    for name in ("yolo-segment", "coco"):
        assert objects(first, name) == objects(second, name)
    before, after = (rows_in_yolo(laid_out(each, tmp_path)["yolo-detect"]) for each in (first, second))
    assert before[0] == {0: "person", 1: "car"}
    assert after == ({0: "car", 1: "person"}, before[1])
    sandbox.edit_row(next(row.index for row in sandbox.rows("DONE")))
    third = refresh(dataset(formats=changed))
    assert third["version"] == 3
    assert third["reused_rows"] == third["rows"]["published"] - 1
    for name in changed:
        shared = objects(second, name) & objects(third, name)
        assert shared
    anew = refresh(dataset(formats=changed, store=f"file://{tmp_path}/anew"))
    for name, tree in laid_out(third, tmp_path).items():
        other = tmp_path / "anew-trees" / name
        pull(anew["ref"], name, other)
        files = {path.relative_to(tree) for path in tree.rglob("*.*")} - {tree / "snapshot.json"}
        for path in files:
            if path.name not in {"snapshot.json", "croissant.json", "report.html"}:
                assert (tree / path).read_bytes() == (other / path).read_bytes(), path
    assert verify(open_store(dataset().url), third["version"]).faults == ()


@pytest.mark.slow
def test_outputs_come_and_go_like_formats(sandbox, dataset, tmp_path, monkeypatch):
    """One that is removed is in no later version, a renamed one is another; what stands beside them is taken over."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "8")
    renamed = {"coco": {}, "boxes": FORMATS["yolo-detect"]}
    results = [refresh(dataset(formats=formats)) for formats in (FORMATS, {"coco": {}}, renamed, FORMATS)]
    assert [each["version"] for each in results] == [1, 2, 3, 4]
    for result, names in zip(results, (FORMATS, {"coco"}, renamed, FORMATS), strict=True):
        held = {file.path.split("/")[1] for file in open_snapshot(result["ref"]).manifest.below("formats/")}
        assert held == {*names, "parquet", "raw"}
        assert result["formats"].keys() == {*names}
        assert objects(result, "coco") == objects(results[0], "coco")
        assert verify(open_store(dataset().url), result["version"]).faults == ()
    with pytest.raises(ConfigurationError, match="found 'yolo-detect'") as refused:
        pull(results[2]["ref"], "yolo-detect", tmp_path / "none")
    assert "boxes" in refused.value.remedy
    trees = [laid_out(results[0], tmp_path)["yolo-detect"], laid_out(results[2], tmp_path, ["boxes"])["boxes"]]
    assert rows_in_yolo(trees[0]) == rows_in_yolo(trees[1])
    assert refresh(dataset(formats=FORMATS))["reason"] == "unchanged"


@pytest.mark.slow
def test_a_class_that_there_is_not_is_refused_before_anything_is_exported(sandbox, dataset):
    """With the nearest name; one that the ontology has is none of these, whether anybody has drawn it or not."""
    sandbox.add_class("tram", "rectangle")
    formats = {"boxes": {"format": "coco", "classes": ["tram", "preson"]}}
    with pytest.raises(ConfigurationError, match="'boxes' names the class 'preson'") as refused:
        refresh(dataset(formats=formats))
    assert refused.value.code == "unknown_class"
    assert "Did you mean 'person'?" in refused.value.remedy
    assert sandbox.requests.count("graphql:GetProjectOntologyPyApi") == 1
    assert sandbox.requests.count("graphql:exportDataRows*") == 0
    formats["boxes"]["classes"] = ["tram", "person"]
    result = refresh(dataset(formats=formats))
    assert result["version"] == 1
    assert not any("tram" in note for note in result["formats"]["boxes"].get("notes", ()))


@pytest.mark.slow
def test_a_backfill_refuses_such_a_class_too(sandbox, dataset):
    """Before its first window is exported."""
    chosen = dataset(filters={}, formats={"coco": {"classes": ["preson"]}})
    with pytest.raises(ConfigurationError, match="'preson'"):
        backfill(chosen, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC), timedelta(days=30))
    assert sandbox.requests.count("graphql:exportDataRows*") == 0


@pytest.mark.slow
def test_where_the_ontology_is_not_known_a_class_that_there_is_not_is_told(sandbox, dataset, tmp_path):
    """A model run has none: the class has its number and no object, and the result and the card say so."""
    formats = {"boxes": {"format": "coco", "classes": ["preson", "person"]}}
    result = refresh(dataset(model_run=True, formats=formats))
    (note, *_) = result["formats"]["boxes"]["notes"]
    assert note.startswith("No class is called preson, as `classes` says")
    assert note.endswith("Did you mean person?")
    tree = laid_out(result, tmp_path, ["boxes"])["boxes"]
    assert "No class is called preson" in (tree / "README.md").read_text()
    instances = json.loads((tree / "annotations/instances_train.json").read_bytes())
    assert [(each["id"], each["name"]) for each in instances["categories"]] == [(1, "preson"), (2, "person")]
    predicted = result["formats"]["boxes"]["predictions"]
    parts = sum(map(Counter, (predicted[part] for part in ("held", "lost", "not_selected"))), Counter())
    assert parts == result["predictions"]
    found = json.loads((tree / "annotations/predictions_train.json").read_bytes())
    assert {each["category_id"] for each in found} <= {2}


@pytest.mark.slow
def test_a_class_that_is_renamed_at_labelbox_stays_in_its_output(sandbox, dataset, tmp_path):
    """Under the name of the list, which is told to be another now; so nobody trains on nothing after a night."""
    formats = {"boxes": {"format": "yolo", "classes": ["person", "car"]}}
    before = refresh(dataset(formats=formats))
    sandbox.rename_class("person", "pedestrian")
    after = refresh(dataset(formats=formats))
    assert after["version"] == 2
    assert "The class person of `classes` is called pedestrian now." in after["formats"]["boxes"]["notes"]
    one, other = (rows_in_yolo(laid_out(each, tmp_path, ["boxes"])["boxes"]) for each in (before, after))
    assert one == other


@pytest.mark.slow
def test_ontology_that_cannot_be_read_refuses_no_class(sandbox, dataset):
    """Nobody can tell then whether there is such a class: the first version says what it has no object of."""
    sandbox.faults.add(
        Fault("graphql:GetProjectOntologyPyApi", "graphql_error", code="AUTHORIZATION_ERROR", times=None)
    )
    result = refresh(dataset(formats={"coco": {"classes": ["person", "preson"]}}))
    assert any("preson" in note for note in result["formats"]["coco"]["notes"])


@pytest.mark.slow
def test_outputs_are_shown_by_their_names(sandbox, dataset_file, labelsnap, tmp_path):
    """The result in words says what an output leaves out, and ``pull --format`` takes its name."""
    path = dataset_file(formats=FORMATS)
    status, shown, _ = labelsnap("refresh", path)
    assert status == 0
    assert "yolo-detect leaves out" in shown
    url = shown.splitlines()[0].rpartition(" ")[2]
    status, _, _ = labelsnap("pull", url, "--format", "yolo-detect", tmp_path / "tree")
    assert status == 0
    assert (tmp_path / "tree/data.yaml").is_file()
    assert list((tmp_path / "tree/images").rglob("*.*"))
    status, _, said = labelsnap("pull", url, "--format", "yolo", tmp_path / "other")
    assert status == 2
    assert "yolo-detect, yolo-segment" in said


@pytest.mark.parametrize(
    "part", ["held", *(pytest.param(part, marks=pytest.mark.slow) for part in ("lost", "not_selected"))]
)
def test_counts_of_an_output_that_do_not_come_to_what_was_annotated_publish_nothing(
    sandbox, dataset, monkeypatch, part
):
    """Whatever counts otherwise: the records were counted apart, before they were written."""

    def otherwise(counted, choice):
        found = narrowed(counted, choice)
        if not isinstance(found, Narrowed):
            return found
        labels, predictions = found.left_out
        if part == "not_selected":
            return replace(found, left_out=(labels | {"mask": labels.get("mask", 0) + 1}, predictions))
        (kind,) = (kind for kind in ("mask", "polyline") if (kind == "mask") == (part == "held"))
        return replace(found, parts=tuple((each, count + (each.kind == kind)) for each, count in found.parts))

    monkeypatch.setattr("labelsnap.formats.description.facts.narrowed", otherwise)
    chosen = dataset(formats={"coco": {"kinds": ["mask", "polyline", "bounding_box"]}})
    with pytest.raises(LabelsnapError, match="The output coco accounts for") as stopped:
        refresh(chosen)
    assert stopped.value.code == "annotations_unaccounted"
    with pytest.raises(ConfigurationError):
        open_snapshot(f"{chosen.url}@latest")
