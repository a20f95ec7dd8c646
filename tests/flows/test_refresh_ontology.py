"""The project's ontology in versions: which classes there are, in which order, and what became of them."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import yaml

from deploy.sandbox import Fault
from deploy.sandbox.project.ontology import OBJECTS, QUESTIONS
from flows.refresh import refresh
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
    """Two classes that nobody has drawn yet stand in the ontology's order where trainers number their heads by it."""
    sandbox.add_class("tram", "raster-segmentation")
    sandbox.add_class("lamp", "point")
    formats = {"coco": {}, "yolo": {"task": "detect"}, "voc": {}, "masks": {"kind": "semantic"}}
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
