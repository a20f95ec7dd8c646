"""The project's ontology in versions: which classes there are, in which order, and what became of them."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import yaml
from PIL import Image

from deploy.sandbox import Fault
from deploy.sandbox.project.ontology import OBJECTS, QUESTIONS
from flows.refresh import refresh
from labelsnap.errors import ConfigurationError
from labelsnap.records.ontology import Named
from labelsnap.references import open_snapshot, pull
from labelsnap.snapshots.reading.diff import NamedClass, RenamedClass, diff
from labelsnap.snapshots.tables.bucket_tables import CLASSES_PATH, read_classes
from labelsnap.storage import open_store
from tasks.ontology import fetch_ontology
from tasks.run.receipts import OntologyReceipt

QUESTION = "graphql:GetProjectOntologyPyApi"
DRAWN = [name for tool, names in OBJECTS.items() if tool != "edge" for name in names]
ASKED = sum(map(len, QUESTIONS.values()))


def test_a_class_without_an_object_has_its_place_in_every_format(sandbox, dataset, tmp_path):
    """Two classes that nobody has drawn yet stand in the ontology's order where trainers number their heads by it.

    So does an option that nobody has chosen. All tools have one colour, which the first class has.
    """
    sandbox.add_class("tram", "raster-segmentation")
    sandbox.add_class("lamp", "point")
    sandbox.add_option("time of day", "dawn")
    formats = {"coco": {}, "yolo": {"task": "detect"}, "voc": {}, "masks": {"kind": "semantic"}}
    formats["times"] = {"format": "yolo", "task": "classify", "question": "time of day"}
    result = refresh(dataset(formats=formats))
    expected = [*DRAWN, "tram", "lamp"]
    assert result["ontology"] == {"read": True, "classes": len(expected), "questions": ASKED}
    trees = {name: tmp_path / name for name in formats}
    for name, tree in trees.items():
        pull(result["ref"], name, tree)
    names = yaml.safe_load((trees["yolo"] / "data.yaml").read_text())["names"]
    assert names == dict(enumerate(expected))
    instances = json.loads((trees["coco"] / "annotations/instances_train.json").read_bytes())
    assert {each["id"]: each["name"] for each in instances["categories"]} == dict(enumerate(expected, start=1))
    points = json.loads((trees["coco"] / "annotations/person_keypoints_train.json").read_bytes())
    assert [each["name"] for each in points["categories"]] == [*OBJECTS["point"], "lamp"]
    panoptic = json.loads((trees["coco"] / "annotations/panoptic_train.json").read_bytes())
    for classes in (
        panoptic["categories"],
        json.loads((trees["masks"] / "classes.json").read_bytes())["classes"],
        json.loads((trees["voc"] / "classes.json").read_bytes())["classes"],
    ):
        assert [each["name"] for each in classes] == expected
    labels = (trees["voc"] / "labelmap.txt").read_text()
    assert f"\n{DRAWN[0]}:60,127,208::\n" in labels
    assert labels.count("60,127,208") == 1
    assert "dawn" in folders(trees["times"])
    assert "tram" in labels
    assert "lamp" in labels
    assert "| 12 | tram | 0 |" in (trees["coco"] / "README.md").read_text()
    assert "tram" in (trees["coco"] / "report.html").read_text()


def test_an_ontology_that_may_not_be_read_stops_nothing(sandbox, dataset):
    """The first version goes without, and says why; later ones keep what was read, and nothing is published for it."""
    refused = Fault(QUESTION, "graphql_error", code="AUTHORIZATION_ERROR", times=None)
    sandbox.add_class("lamp", "point")
    sandbox.faults.add(refused)
    without = refresh(dataset(formats={}))
    assert without["ontology"] == {"read": False, "reason": "key_refused"}
    assert without["published"]
    assert "lamp" not in names_of(without)
    sandbox.faults.clear()
    whole = refresh(dataset(formats={}))
    assert (whole["version"], whole["classes"]["in_use"]) == (2, len(DRAWN) + 1)
    sandbox.faults.add(refused)
    kept = refresh(dataset(formats={}))
    assert (kept["published"], kept["version"]) == (False, 2)
    assert kept["ontology"] == whole["ontology"] | {"read": False, "reason": "key_refused"}


def test_an_ontology_is_asked_for_no_longer_than_a_question(sandbox, dataset, monkeypatch):
    """Labelbox fails for ever when it is asked for it: the step ends, and says why."""
    monkeypatch.setenv("LABELSNAP_QUESTION_SECONDS", "0.5")
    sandbox.faults.add(Fault(QUESTION, "status", status=503, times=None))
    assert fetch_ontology.fn(dataset(), 0) == OntologyReceipt(reason="labelbox_failing")
    assert sandbox.requests.count(QUESTION) > 1


@pytest.mark.slow
def test_a_model_run_has_none(sandbox, dataset):
    """It is not asked for, and classes are those of the rows."""
    result = refresh(dataset(model_run=True, formats={}))
    assert result["ontology"] == {"read": False, "reason": "model_run"}
    assert sandbox.requests.count(QUESTION) == 0


@pytest.mark.slow
def test_over_four_versions_ids_stay_and_each_change_is_named(sandbox, dataset):
    """A class comes, is renamed, gets a colour and goes, without an object; nothing new: no version."""
    made = dataset(formats={"yolo": {"task": "detect"}})
    versions = [refresh(made)]
    for change, *given in (
        (sandbox.add_class, "lamp", "point"),
        (sandbox.rename_class, "lamp", "street lamp"),
        (sandbox.colour_class, "lamp", "#00ff00"),
        (sandbox.remove_class, "lamp"),
    ):
        change(*given)
        versions.append(refresh(made))
        assert refresh(made)["published"] is False
    assert [each["version"] for each in versions] == [1, 2, 3, 4, 5]
    assert [names_of(each) for each in versions] == [
        DRAWN,
        [*DRAWN, "lamp"],
        [*DRAWN, "street lamp"],
        [*DRAWN, "street lamp"],
        DRAWN,
    ]
    found = [compared(*pair) for pair in pairwise(versions)]
    assert [told(each.ontology) for each in found] == [
        {"added": [("lamp",)]},
        {"renamed": [("lamp", "street lamp")]},
        {"recoloured": [("#3c7fd0", "#00ff00")]},
        {"removed": [("street lamp",)]},
    ]
    assert [each.classes.added for each in found] == [(NamedClass(12, "lamp"),), (), (), ()]
    assert found[1].classes.renamed == (RenamedClass(12, "lamp", "street lamp"),)
    assert found[3].classes.removed == (NamedClass(12, "street lamp"),)
    assert not any(each.rows.changed for each in found)


@pytest.mark.slow
def test_a_class_that_is_recoloured_is_so_in_every_picture(sandbox, dataset, tmp_path):
    """Palettes, label maps, segments and the report; `diff` says it, and no number, image or mask is another."""
    sandbox.colour_class("car", "#0a141e")
    made = dataset(formats={"coco": {}, "voc": {}, "masks": {}})
    versions = [refresh(made)]
    sandbox.colour_class("car", "#fa00c8")
    sandbox.requests.clear()
    versions.append(refresh(made))
    assert sandbox.requests.count("*mask") == sandbox.requests.count("image") == 0
    assert told(compared(*versions).ontology) == {"recoloured": [("#0a141e", "#fa00c8")]}
    maps, reports = [], []
    for number, (version, colour) in enumerate(zip(versions, ((10, 20, 30), (250, 0, 200)), strict=True)):
        trees = {name: tmp_path / f"{number}-{name}" for name in made.formats}
        for name, tree in trees.items():
            pull(version["ref"], name, tree)
        car = DRAWN.index("car") + 1
        assert f"\ncar:{colour[0]},{colour[1]},{colour[2]}::\n" in (trees["voc"] / "labelmap.txt").read_text()
        assert all(found_by_colour(trees["voc"], path) for path in (trees["voc"] / "SegmentationClass").glob("*.png"))
        panoptic = json.loads((trees["coco"] / "annotations/panoptic_train.json").read_bytes())
        assert tuple(panoptic["categories"][car - 1]["color"]) == colour
        reports.append((trees["coco"] / "report.html").read_bytes())
        for path in sorted((trees["masks"] / "semantic/train").glob("*.png")):
            with Image.open(path) as picture:
                pixels, seen = np.asarray(picture), np.asarray(picture.convert("RGB"))
            if (pixels == car).any():
                maps.append((number, path.name, pixels))
                assert {tuple(each) for each in seen[pixels == car].tolist()} == {colour}
    before, after = ({name: pixels for at, name, pixels in maps if at == number} for number in (0, 1))
    assert before.keys() == after.keys() != set()
    assert reports[0] != reports[1]
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.slow
def test_options_that_nobody_has_chosen_have_their_folder(sandbox, dataset, tmp_path):
    """A trainer numbers answers by their folders: all that the question offers are there before the first image."""
    chosen = dataset(formats={"yolo": {"task": "classify", "question": "time of day"}})
    first = refresh(chosen)
    for option in ("dawn", "day"):
        sandbox.add_option("time of day", option)
    sandbox.add_option("road type", "square")
    second = refresh(chosen)
    for version, tree in ((first, "first"), (second, "second")):
        pull(version["ref"], "yolo", tmp_path / tree)
    names = [folders(tmp_path / tree) for tree in ("first", "second")]
    assert "dawn" not in names[0]
    assert names[1] == sorted({*names[0], "dawn"})
    images = [{path.name for path in (tmp_path / tree).rglob("*.jpg")} for tree in ("first", "second")]
    assert images[0] == images[1]
    assert [path.name for path in (tmp_path / "second/train/dawn").iterdir()] == [".class.txt"]
    assert refresh(chosen)["published"] is False
    never = dataset(formats={"yolo": {"task": "classify", "question": "season"}}, dataset="seasons")
    with pytest.raises(ConfigurationError, match="season"):
        refresh(never)


def test_a_class_that_the_ontology_has_no_more_is_in_use_while_it_has_objects(sandbox, dataset, labelsnap):
    """Its id and its objects stand; the command line tells what became of the ontology."""
    made = dataset(formats={})
    first = refresh(made)
    sandbox.remove_class("car")
    sandbox.colour_class("person", "#00ff00")
    second = refresh(made)
    assert (second["version"], second["ontology"]["classes"]) == (2, len(DRAWN) - 1)
    assert second["annotations"] == first["annotations"]
    assert names_of(second) == DRAWN
    assert labelsnap.json("snapshots", "diff", first["ref"], second["ref"])[1]["ontology"] == {
        "added": [],
        "removed": [{"kind": "mask", "path": ["car"]}],
        "renamed": [],
        "recoloured": [{"kind": "mask", "path": ["person"], "before": "#3c7fd0", "after": "#00ff00"}],
        "moved": [],
        "changed": [],
    }
    _, text, _ = labelsnap("snapshots", "diff", first["ref"], second["ref"])
    assert text.splitlines()[-2:] == [
        "  ontology     removed: mask car",
        "  ontology     recoloured: mask person: #3c7fd0 → #00ff00",
    ]


def test_names_of_the_dataset_file_hold_for_what_nobody_has_drawn(sandbox, dataset):
    """A class that is dropped has no place, one that is merged no place of its own."""
    sandbox.add_class("lamp", "point")
    sandbox.add_class("lantern", "point")
    sandbox.add_class("dirt")
    result = refresh(dataset(formats={}, classes={"lantern": "lamp", "dirt": None}))
    assert names_of(result) == [*DRAWN, "lamp"]
    assert result["ontology"]["classes"] == len(DRAWN) + 1


def found_by_colour(tree, path):
    """Whether a map's colours are lines of `labelmap.txt`, as its numbers are: so CVAT and Datumaro read it."""
    lines = (tree / "labelmap.txt").read_text().splitlines()[1:]
    number_of = {tuple(map(int, each.rsplit(":", 3)[1].split(","))): at for at, each in enumerate(lines)}
    with Image.open(path) as picture:
        pixels, seen = np.asarray(picture), np.asarray(picture.convert("RGB"))
    assert len(number_of) == len(lines)
    numbers, firsts = np.unique(pixels, return_index=True)
    colours = [tuple(each) for each in seen.reshape(-1, 3)[firsts].tolist()]
    is_alike = all((seen[pixels == number] == colour).all() for number, colour in zip(numbers, colours, strict=True))
    return is_alike and [number_of[colour] for colour in colours] == numbers.tolist()


def folders(tree):
    """What the folders of answers stand for, in their order."""
    return [each["name"] for each in json.loads((tree / "classes.json").read_bytes())["classes"]]


def names_of(result):
    """The classes in use, by id."""
    snapshot = open_snapshot(result["ref"])
    registry = read_classes(open_store(snapshot.dataset_url), snapshot.manifest.file(CLASSES_PATH))
    return [each.name for each in registry.classes if not each.removed]


def compared(before, after):
    """What became of one version on the way to another."""
    snapshots = [open_snapshot(each["ref"]) for each in (before, after)]
    return diff(open_store(snapshots[0].dataset_url), *(each.manifest for each in snapshots))


def told(changes):
    """What changed, by how: the names, or what was before and is after."""
    return {
        name: [each.path if isinstance(each, Named) else (each.before, each.after) for each in found]
        for name in changes.__struct_fields__
        if (found := getattr(changes, name))
    }
