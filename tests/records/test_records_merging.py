"""One row of several sources: which of them gives its labels, and what is kept and counted of the others."""

from __future__ import annotations

from typing import Any

import pytest
from records_lines import box, label, parsed, row

from labelsnap.records.choices.merging import merge
from labelsnap.records.choices.policy import Policy, SourcePolicy
from labelsnap.records.geometry import Mask, MaskReference, Runs
from labelsnap.records.model import Annotation, Excluded, Label, ProjectEntry, Record, Source
from labelsnap.records.tables.carry import lasting, masks_of, with_shared

DONE = {"project_details": {"workflow_status": "DONE"}}
IN_REVIEW = {"project_details": {"workflow_status": "IN_REVIEW"}}
SKIPPED = {"performance_details": {"skipped": True}}


def policies(*names: Any, **choices: Any) -> Any:
    """The policies of sources with the project ``p1`` each, the first of which wins."""
    return tuple(SourcePolicy(name, (Policy(Source("project", "p1"), **choices),)) for name in names)


def merged(rows: Any, chosen: Any) -> Any:
    """Merge rows that are given as JSON values, by source."""
    return merge({name: (parsed(values),) for name, values in rows.items()}, chosen)


def labels(record: Any) -> Any:
    """The ids of the labels by source, the one that won first."""
    assert isinstance(record, Record)
    entries = [(record.source, record.entry), *((each.source, each.entry) for each in record.others)]
    return [(name, [each.id for each in entry.labels]) for name, entry in entries]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"a": row(label(box(), label_id="x")), "b": row(label(box(), label_id="y"))}, [("a", ["x"]), ("b", ["y"])]),
        ({"a": row(), "b": row(label(box(), label_id="y"))}, [("b", ["y"]), ("a", [])]),
        ({"a": row(label(label_id="x")), "b": row(label(box(), label_id="y"))}, [("a", ["x"]), ("b", ["y"])]),
        ({"a": row(label(label_id="x", **SKIPPED)), "b": row(label(box(), label_id="y"))}, [("b", ["y"])]),
        ({"a": row(), "b": row()}, [("a", []), ("b", [])]),
        ({"b": row(label(label_id="y"))}, [("b", ["y"])]),
    ],
    ids=["first wins", "one without label", "label without object", "skipped", "none labelled", "one alone"],
)
def test_the_first_source_that_publishes_a_label_wins(rows, told):
    """A label without an object is one: its image was found to show none."""
    assert labels(merged(rows, policies("a", "b"))) == told
    assert labels(merged(dict(reversed(rows.items())), policies("a", "b"))) == told


def test_each_source_has_a_status_and_classes_of_its_own():
    """A row that is not in a source's status is published by the others, and a class is renamed where it is so."""
    chosen = (
        SourcePolicy("a", (Policy(Source("project", "p1"), workflow_status="Done"),)),
        SourcePolicy("b", (Policy(Source("project", "p1"), classes={"car": "vehicle"}),)),
    )
    lines = {"a": row(label(box()), project=IN_REVIEW), "b": row(label(box(), label_id="y"))}
    record = merged(lines, chosen)
    assert labels(record) == [("b", ["y"])]
    assert [each.name for each in record.entry.labels[0].annotations] == ["vehicle"]
    both = merged(lines | {"a": row(label(box()), project=DONE)}, chosen)
    assert [each.name for each in both.entry.labels[0].annotations] == ["car"]
    assert [each.name for each in both.others[0].entry.labels[0].annotations] == ["vehicle"]


def test_a_row_that_no_source_publishes_is_excluded_by_the_first_that_has_it():
    """``not_selected_project`` only where none has an entry of it."""
    elsewhere = row() | {"projects": {"p2": {"labels": []}}}
    skipped = row(label(**SKIPPED))
    found = merged({"a": elsewhere, "b": skipped}, policies("a", "b"))
    assert isinstance(found, Excluded)
    assert (found.policy, found.labels_excluded) == ("skipped", {"skipped": 1})
    assert merged({"a": elsewhere, "b": elsewhere}, policies("a", "b")).policy == "not_selected_project"


def test_what_is_left_out_counts_of_all_sources_together():
    """Labels that are not selected, and objects of classes that are dropped."""
    two = row(label(box(), label_id="l1"), label(box("f2", name="dog"), label_id="l2"))
    record = merged({"a": two, "b": two}, policies("a", "b", classes={"dog": None}, labels="all"))
    assert record.annotations_dropped == {"bounding_box": 2}
    assert merged({"a": two, "b": two}, policies("a", "b")).labels_excluded == {"not_selected": 2}


def test_a_source_may_bring_the_labels_of_several_projects():
    """The one that comes first in its list wins, and the others stand apart under the same name."""
    one, other = (Policy(Source("project", project)) for project in ("p1", "p2"))
    values = row(label(box(), label_id="x")) | {
        "projects": {"p1": {"labels": [label(label_id="x")]}, "p2": {"labels": [label(label_id="y")]}}
    }
    rows = {"s": tuple(parsed(values, policy.source) for policy in (other, one))}
    record = merge(rows, (SourcePolicy("s", (other, one)),))
    assert labels(record) == [("s", ["y"]), ("s", ["x"])]
    assert isinstance(record.entry, ProjectEntry)
    assert record.entry.id == "p2"


def of_mask(geometry: Any) -> Any:
    """What a project has of a row: one label with one object, of which this is the mask."""
    tree = Annotation("f1", "s-tree", "tree", "tree", geometry)
    return ProjectEntry("p1", "P", None, (Label("l1", "Default", "1.0.0", None, None, (tree,)),))


def test_a_mask_that_two_sources_have_is_had_once():
    """Where both have it of the same place, but for the export; of an edited label's composite it is another."""
    url = "https://api.labelbox.com/api/v1/tasks/{}/masks/{}/index/1"
    first, second, edited = (
        MaskReference(None, url.format(task, mask), (1, 2, 3))
        for task, mask in (("t1", "m1"), ("t2", "m1"), ("t2", "m2"))
    )
    made = Mask(lasting(first), Runs(2, 2, b"13", 3, (0, 0, 2, 2)))
    standing = masks_of([of_mask(made)])
    assert with_shared(of_mask(second), standing) == of_mask(made)
    assert with_shared(of_mask(edited), standing) == of_mask(edited)


def test_of_masks_that_differ_none_is_taken_for_the_other():
    """A label that was edited between two exports has two masks under one name: both are asked for again."""
    reference = MaskReference("https://host.example/mask", None, None)
    one, other = (Mask(reference, Runs(2, 2, counts, 3, (0, 0, 2, 2))) for counts in (b"13", b"31"))
    key = ("label", "l1", "f1")
    assert masks_of([of_mask(one), of_mask(one)]) == {key: one}
    assert masks_of([of_mask(one), of_mask(other), of_mask(one)]) == {}
