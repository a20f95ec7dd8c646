"""The ways in which real lines differ from the reference document."""

from __future__ import annotations

from typing import Any

import pytest
from records_lines import P1, as_line, box, first_label, label, parsed, row, shape

from labelsnap.records.geometry import BoundingBox, MaskReference, Point, Polygon, Polyline
from labelsnap.records.model import ChecklistAnswer, MediaAttributes, PerformanceDetails, Source, TextAnswer
from labelsnap.records.parsing.parse import parse

COMPOSITE: Any = {"url": "https://api.labelbox.com/api/v1/tasks/t1/masks/m1/index/1", "color_rgb": [1, 2, 255]}
TIE = {
    "feature_id": "r1",
    "name": "holds",
    "annotation_kind": "ImageUnidirectionalRelationship",
    "unidirectional_relationship": {"source": "f1", "target": "f2"},
}


@pytest.mark.parametrize(
    ("names", "key"),
    [
        ({"global_key": "g", "external_id": "e"}, "g"),
        ({"global_key": None, "external_id": "e"}, "e"),
        ({"global_key": None, "external_id": None}, "row1"),
        ({"external_id": ""}, "row1"),
    ],
)
def test_names_fall_back(names: Any, key: Any) -> None:
    """A row is known by its global key, else its external id, else its id."""
    assert parsed(row(data_row=names)).data_row.key == key


@pytest.mark.parametrize("value", ["s3://bucket/a b.png", "gs://b/a.png", "https://h/a%2Fb.png?Expires=1&Signature=x"])
def test_row_data_is_kept_as_it_is(value: Any) -> None:
    """An image may lie anywhere; its address is not touched."""
    assert parsed(row(data_row={"row_data": value})).data_row.row_data == value


def test_value_and_feature_schema_id_may_be_missing() -> None:
    """An object without ``value`` and ``feature_schema_id`` is an object."""
    (found,) = first_label(row(label(box(value=None, feature_schema_id=None)))).annotations
    assert (found.name, found.value, found.feature_schema_id) == ("car", None, None)


def test_names_hold_anything() -> None:
    """Class names with brackets, slashes, quotes and other letters come through."""
    name = 'Größe [m] / "Länge" & 幅'
    assert first_label(row(label(box(name=name)))).annotations[0].name == name


@pytest.mark.parametrize("absent", [None, "missing"])
def test_every_block_may_be_missing_or_null(absent: Any) -> None:
    """A row is read where each optional block is null, and where it is not there."""
    values = row(label(label_details=None, performance_details=None, annotations={"objects": None}))
    values |= dict.fromkeys(["media_attributes", "attachments", "metadata_fields", "experiments"])
    values["projects"]["p1"]["project_details"] = None
    values["projects"]["p2"] = None
    values["projects"]["p3"] = {"labels": None, "project_details": {"workflow_history": None}}
    values["data_row"]["details"] = None
    if absent == "missing":
        del values["media_attributes"], values["attachments"], values["metadata_fields"], values["experiments"]
    found = parsed(values)
    assert found.data_row.media == MediaAttributes()
    named = [parsed(values, Source("project", each)).entry for each in ("p1", "p2", "p3")]
    assert [(entry.id, len(entry.labels)) for entry in named] == [("p1", 1), ("p2", 0), ("p3", 0)]
    assert found.entry.labels[0].annotations == ()


@pytest.mark.parametrize(
    ("given", "rotation"),
    [("1", 1), (1, 1), ("6", 6), (8, 8), (None, None), ("", None)],
    ids=["text", "number", "text 6", "number 8", "null", "empty"],
)
def test_exif_rotation_is_a_number_or_text(given: Any, rotation: Any) -> None:
    """The rotation is a number from 1 to 8 however it is spelled."""
    assert parsed(row(media_attributes={"exif_rotation": given})).data_row.media.exif_rotation == rotation


def test_sizes_may_be_whole_floats() -> None:
    """A height of 100.0 is 100 pixels."""
    media = parsed(row(media_attributes={"height": 100.0, "width": 2e2})).data_row.media
    assert (media.height, media.width, type(media.height)) == (100, 200, int)


def test_empty_author_of_a_move() -> None:
    """``created_by`` may be an empty text, and a first move has no previous task."""
    details = {"workflow_status": "IN_REWORK", "workflow_history": [{"action": "Move", "created_by": ""}]}
    (move,) = parsed(row(project={"project_details": details})).entry.details.workflow_history
    assert (move.created_by, move.previous_task_id) == ("", None)


def test_keys_that_nobody_knows_are_skipped() -> None:
    """New keys at any level stop nothing."""
    values = row(label(box(new={"x": [1]}), performance_details_v2={"a": 1}), project_tags=["a"], models={})
    values["projects"]["p1"]["project_tags"] = [{"a": 1}]
    assert len(first_label(values).annotations) == 1


def test_scores_and_asset_type() -> None:
    """``consensus_score``, ``asset_type`` and ``selected_label_id`` are read where they stand."""
    values = row(
        label(performance_details={"consensus_score": 0.5, "seconds_to_create": 3, "skipped": True}),
        media_attributes={"asset_type": "image"},
        project={"project_details": {"selected_label_id": "l1"}},
    )
    found = parsed(values)
    assert found.data_row.media.asset_type == "image"
    assert found.entry.details.selected_label_id == "l1"
    assert found.entry.labels[0].performance == PerformanceDetails(3.0, None, skipped=True, consensus_score=0.5)


@pytest.mark.parametrize(
    ("of_label", "of_project"),
    [
        ({"benchmark_reference_label": True}, {}),
        ({"performance_details": {"benchmark_reference_label": "l1"}}, {}),
        ({}, {"project_details": {"benchmark_reference_label": "l1"}}),
    ],
)
def test_benchmark_marks(of_label: Any, of_project: Any) -> None:
    """A label is the benchmark where it is marked so, or named so by the project."""
    values = row(label(**of_label), label(label_id="l2"), project=of_project)
    assert [found.is_benchmark for found in parsed(values).entry.labels] == [True, False]


def test_z_order_counts_relationships_too() -> None:
    """An object's place in ``z_order`` is its index in the list, which names relationships as well."""
    annotations = {"z_order": ["f2", "r1", "f1"], "relationships": [TIE]}
    found = first_label(row(label(box(), box("f2"), box("f3"), annotations=annotations)))
    assert [each.z_order for each in found.annotations] == [2, 0, None]


def test_metadata_values_keep_their_type() -> None:
    """Texts, numbers and booleans stay what they are; anything else is kept as canonical JSON."""
    values = ["text", 1, 2.5, True, None, [{"b": 1, "a": None}], 10**30]
    fields = [{"schema_id": "s", "schema_name": "n", "schema_kind": "K", "value": value} for value in values]
    found = parsed(row(metadata_fields=fields)).data_row.metadata
    expected = ["text", 1, 2.5, True, None, '[{"a":null,"b":1}]', "1" + "0" * 30]
    assert [(field.value, type(field.value)) for field in found] == [(value, type(value)) for value in expected]
    assert [field.is_json for field in found] == [False] * 5 + [True] * 2


def test_attachments_of_any_type() -> None:
    """Attachments keep type, name and value; a value that is no text is kept as JSON."""
    given = [{"id": "1", "type": "HTML", "value": "<p>"}, {"type": "IMAGE", "name": "n", "value": {"b": 1, "a": 2}}]
    found = parsed(row(attachments=given)).data_row.attachments
    assert [(each.id, each.type, each.name, each.value) for each in found] == [
        ("1", "HTML", None, "<p>"),
        (None, "IMAGE", "n", '{"a":2,"b":1}'),
    ]


def test_embeddings_are_read_when_asked_for() -> None:
    """Vectors are skipped by default; each vector of an entry is one embedding otherwise."""
    given = [
        {"id": "e", "name": "n", "dimensions": 2, "is_custom": True, "values": [{"value": [1, 2.5]}, {"value": []}]}
    ]
    assert parsed(row(embeddings=given)).data_row.embeddings == ()
    first, second = parsed(row(embeddings=given), keep_embeddings=True).data_row.embeddings
    assert (first.id, first.dimensions, first.is_custom, first.values) == ("e", 2, True, (1.0, 2.5))
    assert second.values == ()


def test_consensus_and_several_projects() -> None:
    """Every label of the asked project of a row is read, in the line's order, and none of another."""
    values = row(label(), label(label_id="l2"))
    values["projects"]["p2"] = {"labels": [label()]}
    entries = [parsed(values, Source("project", each)).entry for each in ("p1", "p2")]
    assert [[each.id for each in entry.labels] for entry in entries] == [["l1", "l2"], ["l1"]]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"mask": {"url": "u"}}, MaskReference("u", None, None)),
        ({"mask": {"url": "u"}, "composite_mask": {}}, MaskReference("u", None, None)),
        ({"composite_mask": COMPOSITE}, MaskReference(None, COMPOSITE["url"], (1, 2, 255))),
        ({"mask": {"url": "u"}, "composite_mask": COMPOSITE}, MaskReference("u", COMPOSITE["url"], (1, 2, 255))),
        ({"mask": {"url": None}, "composite_mask": COMPOSITE}, MaskReference(None, COMPOSITE["url"], (1, 2, 255))),
    ],
    ids=["mask", "empty composite", "composite", "both", "null mask"],
)
def test_mask_references(found: Any, expected: Any) -> None:
    """A mask has a URL of its own, a colour in a composite, or both."""
    (mask,) = first_label(row(label(shape("ImageSegmentationMask", **found)))).annotations
    assert mask.geometry == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (box(bounding_box={"top": 1, "left": 2, "height": 3, "width": 4}), BoundingBox(2.0, 1.0, 4.0, 3.0)),
        (shape("ImagePoint", point={"x": 0, "y": 1.5}), Point(0.0, 1.5)),
        (shape("ImagePolyline", line=[{"x": 1, "y": 2}]), Polyline(((1.0, 2.0),))),
        (
            shape("ImagePolygon", polygon=[{"x": 0, "y": 0}, {"x": 200, "y": 0}, {"x": 0, "y": 100}]),
            Polygon(((0.0, 0.0), (200.0, 0.0), (0.0, 100.0))),
        ),
        (
            shape("ImagePolygon", polygon=[{"x": 0, "y": 0}, {"x": 1, "y": 0.5}, {"x": 0, "y": 0}]),
            Polygon(((0.0, 0.0), (1.0, 0.5), (0.0, 0.0))),
        ),
    ],
    ids=["box of integers", "point", "polyline", "open ring on the border", "closed ring"],
)
def test_geometries_are_kept_as_they_are(found: Any, expected: Any) -> None:
    """Rings stay open or closed, coordinates stay on the border, integers are read as numbers."""
    assert first_label(row(label(found))).annotations[0].geometry == expected


def test_vertices_are_like_a_tuple() -> None:
    """Packed vertices are counted, indexed, cut, compared and hashed like a tuple of the same positions."""
    ring = ((0.0, 0.5), (200.0, 0.0), (0.1, 100.0))
    polygon = shape("ImagePolygon", polygon=[{"x": x, "y": y} for x, y in ring])
    geometry: Any = first_label(row(label(polygon))).annotations[0].geometry
    found = geometry.vertices
    assert (len(found), found[0], found[-1], found[1:]) == (3, ring[0], ring[-1], ring[1:])
    assert (tuple(found), hash(found), repr(found)) == (ring, hash(ring), repr(ring))
    assert found == ring != found[:2]
    assert found != ring[:2]
    assert found != "ring"
    with pytest.raises(IndexError):
        found[3]


@pytest.mark.parametrize("copy", [TIE, {key: value for key, value in TIE.items() if "uni" not in key}])
def test_relationships_of_2023_stand_twice_and_count_once(copy: Any) -> None:
    """A relationship among ``objects`` and again in ``relationships`` is one relationship, and no object."""
    found = first_label(row(label(box(), copy, box("f2"), annotations={"relationships": [TIE]})))
    assert [each.feature_id for each in found.annotations] == ["f1", "f2"]
    assert [(each.feature_id, each.source, each.target) for each in found.relationships] == [("r1", "f1", "f2")]


def test_a_relationship_among_objects_only() -> None:
    """A relationship that stands nowhere else is taken from the objects."""
    found = first_label(row(label(box(), TIE, annotations={"relationships": None})))
    assert [each.feature_id for each in found.relationships] == ["r1"]


def test_checklist_answers_may_lack_ids() -> None:
    """An answer needs a name only."""
    question = {"name": "q", "checklist_answers": [{"name": "a"}, {"name": "b", "feature_id": "x"}]}
    (found,) = first_label(row(label(annotations={"classifications": [question]}))).classifications
    assert isinstance(found.answer, ChecklistAnswer)
    assert [(option.name, option.feature_id) for option in found.answer.options] == [("a", None), ("b", "x")]


def test_text_answers_have_questions_below() -> None:
    """Questions hang on text as they do on options."""
    below = {"name": "why", "text_answer": {"content": "because"}}
    question = {"name": "q", "text_answer": {"content": "", "classifications": [below]}}
    (found,) = first_label(row(label(box(classifications=[question])))).annotations[0].classifications
    assert isinstance(found.answer, TextAnswer)
    assert found.answer.content == ""
    assert found.answer.classifications[0].answer == TextAnswer("because")


def test_questions_nest_a_hundred_deep() -> None:
    """Nested radio questions are read down to a depth of a hundred."""
    question = {"name": "last", "text_answer": {"content": "here"}}
    for depth in range(99):
        question = {"name": f"q{depth}", "radio_answer": {"name": "a", "classifications": [question]}}
    (found,) = first_label(row(label(annotations={"classifications": [question]}))).classifications
    for _ in range(99):
        (found,) = found.answer.option.classifications
    assert found.answer == TextAnswer("here")


def test_confidence_of_predictions() -> None:
    """A model's score is kept."""
    run = {"name": "r", "predictions": [label(box(confidence=0.25))], "labels": []}
    values = row() | {"projects": None, "experiments": {"m": {"name": "model", "runs": {"r1": run, "r2": None}}}}
    first, second = (parsed(values, Source("model_run", each)).entry for each in ("r1", "r2"))
    assert first.predictions[0].annotations[0].confidence == 0.25
    assert (first.model_id, first.model_name, second.id, second.labels) == ("m", "model", "r2", ())


def test_white_space_around_a_line() -> None:
    """A line break of either kind at the end belongs to no value."""
    assert parse(as_line(row()) + b"\r\n", P1, number=1) == parse(as_line(row()), P1, number=1)
