"""Questions without an answer: no annotations, and no fault of the row."""

from __future__ import annotations

from typing import Any

import pytest
from records_lines import box, first_label, label, published, refused, row
from test_records_shapes import TIE

from labelsnap.records.choices.policy import Policy
from labelsnap.records.counts import count
from labelsnap.records.image import Image
from labelsnap.records.model import Sample, Source, TextAnswer, Unanswered
from labelsnap.records.tables.tables import to_tables

Q: Any = {"feature_id": "q1", "feature_schema_id": "s1", "name": "weather", "value": "w"}
SUN: Any = {"name": "sun"}


def image_label(*questions: Any) -> Any:
    """The label of an image with these questions about it."""
    return first_label(row(label(annotations={"classifications": list(questions)})))


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"radio_answer": None}, "radio"),
        ({"text_answer": None}, "text"),
        ({"text_answer": {"content": None}}, "text"),
        ({"text_answer": {}}, "text"),
        ({"checklist_answers": None}, "checklist"),
        ({"radio_answer": {}}, "radio"),
        ({"radio_answer": {"name": "", "value": None}}, "radio"),
        ({}, None),
        ({"radio_answer": None, "checklist_answers": None, "text_answer": None}, None),
        ({"radio_answer": {}, "text_answer": {"content": None}}, None),
    ],
)
def test_a_question_without_an_answer(answers: Any, kind: Any) -> None:
    """It is set apart with its names, and of the kind whose key alone the export has; others stay."""
    made = image_label(Q | answers, {"name": "place", "radio_answer": SUN})
    assert made.unanswered == (Unanswered("image", None, None, "q1", "s1", "weather", "w", kind),)
    assert [each.name for each in made.classifications] == ["place"]
    assert count([made]) == {"radio": 1}


def test_what_is_an_answer_all_the_same() -> None:
    """An empty text and an empty checklist are answers; so is a text beside an option that names nothing."""
    made = image_label(
        {"name": "a", "text_answer": {"content": ""}},
        {"name": "b", "checklist_answers": []},
        {"name": "c", "radio_answer": {}, "text_answer": {"content": "x"}},
    )
    assert [each.name for each in made.classifications] == ["a", "b", "c"]
    assert made.classifications[2].answer == TextAnswer("x")


def test_unanswered_at_any_depth() -> None:
    """Each names what it hangs on, and which object or relationship it is about."""
    below = [{"feature_id": "q2", "name": "how"}, {"name": "why", "radio_answer": SUN}]
    options = [{"name": "sun", "feature_id": "o1", "classifications": below}]
    text = {"feature_id": "q3", "name": "t", "text_answer": {"content": "", "classifications": [{"name": "where"}]}}
    made = first_label(
        row(
            label(
                box(classifications=[Q | {"checklist_answers": options}, text]),
                annotations={"relationships": [TIE | {"classifications": [Q]}], "classifications": [Q]},
            )
        )
    )
    assert [(each.owner, each.owner_feature_id, each.about, each.name) for each in made.unanswered] == [
        ("image", None, None, "weather"),
        ("relationship", "r1", "r1", "weather"),
        ("answer", "o1", "f1", "how"),
        ("answer", "q3", "f1", "where"),
    ]
    assert count([made]) == {"bounding_box": 1, "relationship": 1, "checklist": 1, "radio": 1, "text": 1}


def test_unanswered_below_unanswered() -> None:
    """A text of null on which a question without an answer hangs is unanswered, and so is that question."""
    made = image_label({"name": "a", "text_answer": {"content": None, "classifications": [{"name": "b"}]}})
    assert [each.name for each in made.unanswered] == ["a", "b"]
    assert made.classifications == ()


def test_a_relationship_that_stands_twice_asks_once() -> None:
    """Exports of 2023 list a relationship among the objects too: its question is one."""
    tie = TIE | {"classifications": [Q]}
    assert len(first_label(row(label(tie, annotations={"relationships": [tie]}))).unanswered) == 1
    assert len(first_label(row(label(tie))).unanswered) == 1


def test_two_answers_are_a_problem() -> None:
    """What is answered in two ways cannot be told, also beside a question without an answer."""
    both = Q | {"radio_answer": SUN, "text_answer": {"content": "x"}}
    problem = refused(row(label(annotations={"classifications": [Q, both]})))
    assert (problem.code, problem.path.rpartition(".")[2]) == ("ambiguous_answer", "classifications[1]")


def test_unanswered_questions_in_tables() -> None:
    """They stand in a table of their own, those of predictions too, and in no other."""
    held = label(box(classifications=[Q | {"radio_answer": None}]))
    values = row() | {"experiments": {"m": {"runs": {"r": {"labels": [held], "predictions": [held]}}}}}
    record = published(values, Policy(Source("model_run", "r")))
    tables = to_tables([Sample(record, Image("a.jpg", 8, 8, "image/jpeg", None, None), "train")])
    assert tables["classifications"].num_rows == 0
    expected = {
        "data_row_id": "row1",
        "label_index": 0,
        "label_id": "l1",
        "unanswered_index": 0,
        "owner": "object",
        "owner_feature_id": "f1",
        "about": "f1",
        **Q,
        "kind": "radio",
    }
    assert tables["unanswered"].to_pylist() == [expected | {"origin": origin} for origin in ("label", "prediction")]


def test_dropped_classes_take_their_unanswered_questions() -> None:
    """What is about an object of a dropped class goes with it, and so does what is about its relationships."""
    values = row(
        label(
            box(name="van", classifications=[Q]),
            box("f2", classifications=[Q]),
            annotations={"relationships": [TIE | {"classifications": [Q]}], "classifications": [Q]},
        )
    )
    (kept,) = published(values, Policy(Source("project", "p1"), classes={"van": None})).entry.labels
    assert [each.about for each in kept.unanswered] == [None, "f2"]
    (kept,) = published(values, Policy(Source("project", "p1"), classes={"van": "car"})).entry.labels
    assert [each.about for each in kept.unanswered] == [None, "f1", "f2", "r1"]
