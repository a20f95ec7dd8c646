"""The reference document's two rows, through Parquet and back, against the document's own values."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from msgspec.structs import replace
from pyarrow import parquet
from records_lines import MODEL_RUN, PROJECT, as_line, parsed, published, reference_row

from labelsnap.records.choices.policy import Policy
from labelsnap.records.counts import count
from labelsnap.records.image import Image
from labelsnap.records.model import Sample, Source
from labelsnap.records.parsing.identity import row_id
from labelsnap.records.parsing.parse import parse
from labelsnap.records.tables.tables import from_tables, to_tables, write_table

GEOMETRY = {
    "ImageBoundingBox": ("bounding_box", "bounding_box", "bounding_box"),
    "ImagePolygon": ("polygon", "polygon", "vertices"),
    "ImagePolyline": ("polyline", "line", "vertices"),
    "ImagePoint": ("point", "point", "point"),
}


def sample(name: Any, kind: Any, source: Any) -> Any:
    """The published sample of one of the document's rows."""
    record = published(reference_row(name), Policy(Source(kind, source)), keep_embeddings=True)
    return Sample(record, Image("a.jpg", 2560, 1707, "image/jpeg", None, None), "train")


def read_back(made: Any) -> Any:
    """Every table as Parquet gives it back, as lists of dictionaries."""
    return {name: parquet.read_table(BytesIO(write_table(table))).to_pylist() for name, table in made.items()}


@pytest.fixture(name="project")
def _project() -> Any:
    return read_back(to_tables([sample("project_row", "project", PROJECT)]))


@pytest.fixture(name="model_run")
def _model_run() -> Any:
    return read_back(to_tables([sample("model_run_row", "model_run", MODEL_RUN)]))


def assert_object(written: Any, expected: Any) -> None:
    """One row of the annotations table against one object of the document."""
    assert [written[key] for key in ("feature_id", "feature_schema_id", "name", "value")] == [
        expected[key] for key in ("feature_id", "feature_schema_id", "name", "value")
    ]
    if expected["annotation_kind"] == "ImageSegmentationMask":
        assert written["kind"] == "mask"
        assert written["mask_reference"] == {
            "url": expected["mask"]["url"],
            "composite_url": expected["composite_mask"]["url"],
            "color_rgb": expected["composite_mask"]["color_rgb"],
        }
        assert written["mask"] is None
    else:
        kind, key, column = GEOMETRY[expected["annotation_kind"]]
        assert (written["kind"], written[column]) == (kind, expected[key])


def answers(questions: Any, found: Any) -> Any:
    """The document's questions at any depth, each as (name, schema id, kind, names of options, text)."""
    for question in questions:
        text = question.get("text_answer")
        options = question.get("checklist_answers") or [question[k] for k in ("radio_answer",) if k in question]
        kind = "text" if text else "checklist" if "checklist_answers" in question else "radio"
        names = None if text else [option["name"] for option in options]
        found.append((question["name"], question["feature_schema_id"], kind, names, text and text["content"]))
        for option in options:
            answers(option["classifications"], found)
    return found


def assert_label(tables: Any, origin: Any, expected: Any) -> None:
    """Objects, answers and relationships of one label against the document."""
    objects = tables["annotations" if origin == "label" else "predictions"]
    assert len(objects) == len(expected["objects"])
    for written, object_ in zip(objects, expected["objects"], strict=True):
        assert_object(written, object_)
    wanted = answers(expected["classifications"], [])
    for object_ in expected["objects"]:
        answers(object_["classifications"], wanted)
    written = [
        (
            question["name"],
            question["feature_schema_id"],
            question["kind"],
            question["options"] and [option["name"] for option in question["options"]],
            question["text"],
        )
        for question in tables["classifications"]
        if question["origin"] == origin
    ]
    assert sorted(written, key=repr) == sorted(wanted, key=repr)


def test_project_row_through_parquet(project: Any) -> None:
    """Each object, answer and relationship of the document's project row stands in the tables with its own values."""
    document = reference_row("project_row")["projects"][PROJECT]
    label = document["labels"][0]
    assert_label(project, "label", label["annotations"])
    (tie,) = project["relationships"]
    (expected,) = label["annotations"]["relationships"]
    assert tie["source"] == expected["unidirectional_relationship"]["source"]
    assert tie["target"] == expected["unidirectional_relationship"]["target"]
    assert tie["feature_id"] == expected["feature_id"]
    (written,) = project["labels"]
    assert (written["label_id"], written["label_kind"], written["version"]) == (label["id"], "Default", "1.0.0")
    assert written["label_details"] == label["label_details"]
    assert written["performance_details"] == label["performance_details"] | {"consensus_score": None}
    moves = [{k: v for k, v in move.items() if v is not None} for move in project["workflow_history"]]
    assert [move.pop("move_index") for move in moves] == [0, 1]
    assert [move | {"data_row_id": None} for move in document["project_details"]["workflow_history"]] == [
        move | {"data_row_id": None} for move in moves
    ]


def test_data_row_through_parquet(project: Any) -> None:
    """The data row, its details, its project's details and its embeddings keep the document's values."""
    document = reference_row("project_row")
    (row,) = project["data_rows"]
    assert row["data_row_id"] == document["data_row"]["id"]
    assert row["global_key"] == document["data_row"]["global_key"]
    assert row["row_data"] == document["data_row"]["row_data"]
    assert row["details"] == document["data_row"]["details"]
    media = {key: value for key, value in row["media_attributes"].items() if value is not None}
    assert media == document["media_attributes"]
    details = {key: value for key, value in row["project_details"].items() if value is not None}
    assert details | {"workflow_history": None} == document["projects"][PROJECT]["project_details"] | {
        "workflow_history": None
    }
    assert [(each["id"], each["dimensions"], each["values"]) for each in project["embeddings"]] == [
        (each["id"], each["dimensions"], each["values"][0]["value"]) for each in document["embeddings"]
    ]


def test_model_run_row_through_parquet(model_run: Any) -> None:
    """Labels and predictions of the document's model run stand apart, each with its own values."""
    models = reference_row("model_run_row")["experiments"]
    ((model_id, model),) = models.items()
    run = model["runs"][MODEL_RUN]
    assert_label(model_run, "label", run["labels"][0]["annotations"])
    assert_label(model_run, "prediction", run["predictions"][0]["annotations"])
    (row,) = model_run["data_rows"]
    assert (row["model_id"], row["model_name"], row["source_name"], row["run_data_row_id"]) == (
        model_id,
        model["name"],
        "iteration 1",
        run["run_data_row_id"],
    )
    assert row["media_attributes"]["exif_rotation"] == 1


@pytest.mark.parametrize(
    ("name", "kind", "source"), [("project_row", "project", PROJECT), ("model_run_row", "model_run", MODEL_RUN)]
)
def test_reference_rows_come_back_equal(name: Any, kind: Any, source: Any) -> None:
    """A sample written to Parquet and read again is the same sample."""
    made = sample(name, kind, source)
    tables = {key: parquet.read_table(BytesIO(write_table(table))) for key, table in to_tables([made]).items()}
    assert list(from_tables(tables)) == [made]


def test_counts_of_the_reference_rows() -> None:
    """The counts are those of the document: 4 boxes, 5 masks, one of the other shapes, nested answers one by one."""
    project = sample("project_row", "project", PROJECT).record
    assert count(project.entry.labels) == {
        "bounding_box": 4,
        "mask": 5,
        "polygon": 1,
        "polyline": 1,
        "point": 1,
        "relationship": 1,
        "radio": 4,
        "checklist": 3,
        "text": 4,
    }
    run = sample("model_run_row", "model_run", MODEL_RUN).record
    assert count(run.entry.labels)["mask"] == 2
    assert count(run.entry.predictions)["mask"] == 1
    assert count(run.entry.predictions)["radio"] == 4


def test_spaced_and_compact_lines_are_the_same_row() -> None:
    """Blanks after separators, and a line break within, change nothing but the fingerprint."""
    values = reference_row("project_row")
    source = Source("project", PROJECT)
    compact = parsed(values, source)
    spaced: Any = parse(json.dumps(values, indent=1).encode(), source, number=1)
    assert spaced == replace(compact, fingerprint=spaced.fingerprint)
    assert row_id(as_line(values)) == values["data_row"]["id"]
