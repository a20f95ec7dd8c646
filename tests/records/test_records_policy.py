"""What the dataset's policies publish of a row."""

from __future__ import annotations

from typing import Any

import pytest
from records_lines import P1, box, label, parsed, row
from records_lines import published as published_record
from test_records_shapes import TIE

from labelsnap.records.choices.policy import Policy, select
from labelsnap.records.model import Excluded, Record, Source

QUESTION = {"name": "weather", "radio_answer": {"name": "sun"}}


def chosen(values: Any, source: Source = P1, **choices: Any) -> Any:
    """Apply a policy for a source, which is the project ``p1`` unless another is asked for."""
    return select(parsed(values, source), Policy(source, **choices))


def published(selection: Any) -> Any:
    """The ids of the labels that are published."""
    assert isinstance(selection, Record)
    return [each.id for each in selection.entry.labels]


def excluded(selection: Any) -> Any:
    """The policy that left the row out."""
    assert isinstance(selection, Excluded)
    assert selection.data_row_id == "row1"
    return selection.policy


def made_at(label_id: Any, time: Any, **performance: Any) -> Any:
    """A label by its time of creation."""
    return label(box(), label_id=label_id, label_details={"created_at": time}, performance_details=performance)


SKIPPED = made_at("skipped", "2024-01-09", skipped=True)
OLD, NEW, TWIN = made_at("old", "2024-01-01"), made_at("new", "2024-01-02"), made_at("twin", "2024-01-02")


def test_only_the_source_is_published() -> None:
    """Of several projects in a row the asked-for one is published; a row without it is left out."""
    values = row(label())
    values["projects"]["p2"] = {"labels": [label(label_id="l9"), label(label_id="l8")]}
    assert published(chosen(values)) == ["l1"]
    assert excluded(chosen(values, Source("project", "p3"))) == "not_selected_project"
    assert excluded(chosen(values, Source("model_run", "p1"))) == "not_selected_project"


@pytest.mark.parametrize(
    ("asked", "told", "is_in"),
    [
        ("Done", "DONE", True),
        ("InReview", "IN_REVIEW", True),
        ("InRework", "IN_REWORK", True),
        ("ToLabel", "TO_LABEL", True),
        ("IN_REVIEW", "InReview", True),
        ("Done", "IN_REVIEW", False),
        ("Done", None, True),
        (None, "IN_REVIEW", True),
    ],
)
def test_workflow_status_in_both_spellings(asked: Any, told: Any, is_in: Any) -> None:
    """A status is the same in Labelbox's two spellings; a row whose status is not told is not left out."""
    selection = chosen(row(label(), project={"project_details": {"workflow_status": told}}), workflow_status=asked)
    assert isinstance(selection, Record) == is_in
    assert is_in or excluded(selection) == "not_in_status"


def test_rows_without_project_details_are_in_every_status() -> None:
    """Where the export has no project details, the status is not known and the row stays."""
    assert published(chosen(row(label()), workflow_status="Done")) == ["l1"]


@pytest.mark.parametrize(
    ("labels", "details", "choice", "expected"),
    [
        ([OLD, NEW], {"selected_label_id": "old"}, "selected", ["old"]),
        ([OLD, NEW], {}, "selected", ["new"]),
        ([OLD | {"benchmark_reference_label": True}, NEW], {}, "selected", ["old"]),
        ([OLD, NEW], {"selected_label_id": "elsewhere"}, "selected", ["new"]),
        ([TWIN, NEW], {}, "selected", ["twin"]),
        ([NEW, TWIN], {}, "selected", ["twin"]),
        ([OLD, NEW], {"selected_label_id": "old"}, "latest", ["new"]),
        ([OLD, NEW], {"selected_label_id": "old"}, "all", ["old", "new"]),
        ([OLD, SKIPPED], {"selected_label_id": "skipped"}, "selected", ["old"]),
        ([], {}, "selected", []),
    ],
    ids=["named", "latest", "benchmark", "named elsewhere", "tie", "tie turned", "by time", "all", "skipped", "none"],
)
def test_choice_among_labels(labels: Any, details: Any, choice: Any, expected: Any) -> None:
    """The named winner, else the benchmark, else the latest, else the greatest id; or the latest; or all."""
    selection = chosen(row(*labels, project={"project_details": details}), labels=choice)
    assert published(selection) == expected
    left_out = len([each for each in labels if each is not SKIPPED]) - len(expected)
    assert selection.labels_excluded.get("not_selected", 0) == left_out


def test_skipped_labels() -> None:
    """Skipped labels are left out and counted; a row of nothing else is left out itself, unless they are kept."""
    assert chosen(row(OLD, SKIPPED)).labels_excluded == {"skipped": 1}
    only = chosen(row(SKIPPED))
    assert (excluded(only), only.labels_excluded) == ("skipped", {"skipped": 1})
    assert published(chosen(row(SKIPPED), skipped="keep")) == ["skipped"]


@pytest.mark.parametrize(
    ("values", "is_empty"),
    [
        (row(), True),
        (row(label()), True),
        (row(label(box())), False),
        (row(label(annotations={"classifications": [QUESTION]})), False),
    ],
    ids=["no label", "no object", "an object", "an answer"],
)
def test_empty_rows(values: Any, is_empty: Any) -> None:
    """An image without any annotation is kept or left out as asked; an answer about the image is an annotation."""
    assert isinstance(chosen(values), Record)
    assert isinstance(chosen(values, empty="exclude"), Excluded) == is_empty


def test_predictions_are_annotations() -> None:
    """A model run's row with predictions alone is not empty, and classes apply to predictions."""
    run = {"labels": [], "predictions": [label(box())]}
    values = row() | {"experiments": {"m": {"runs": {"r": run}}}}
    run = Source("model_run", "r")
    policy = Policy(run, empty="exclude", classes={"car": "vehicle"})
    (predicted,) = published_record(values, policy).entry.predictions
    assert predicted.annotations[0].name == "vehicle"
    assert excluded(chosen(values, run, classes={"car": None})) == "dropped_class"


def test_renamed_classes_keep_their_schema() -> None:
    """A rename changes the name alone."""
    selection = chosen(row(label(box(), box("f2", name="bus"))), classes={"car": "vehicle"})
    (found,) = selection.entry.labels
    assert [(each.name, each.feature_schema_id, each.value) for each in found.annotations] == [
        ("vehicle", "s-car", "car"),
        ("bus", "s-car", "car"),
    ]
    assert selection.annotations_dropped == {}


def test_dropped_classes_take_what_hangs_on_them() -> None:
    """Objects of a dropped class go with their answers and with relationships that end at them, all counted."""
    values = row(
        label(box(name="van", classifications=[QUESTION]), box("f2"), box("f3"), annotations={"relationships": [TIE]})
    )
    selection = chosen(values, classes={"van": None})
    (found,) = selection.entry.labels
    assert [each.feature_id for each in found.annotations] == ["f2", "f3"]
    assert found.relationships == ()
    assert selection.annotations_dropped == {"bounding_box": 1, "radio": 1, "relationship": 1}


def test_rows_of_dropped_classes_alone() -> None:
    """A row is left out when all of its objects are dropped, but not when it had none."""
    selection = chosen(row(label(box())), classes={"car": None})
    assert (excluded(selection), selection.annotations_dropped) == ("dropped_class", {"bounding_box": 1})
    assert published(chosen(row(label()), classes={"car": None})) == ["l1"]
