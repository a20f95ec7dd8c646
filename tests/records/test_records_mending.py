"""Lines that are not quite as the reference has them, for a trifle: each is a row, and what was left empty is noted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from records_lines import P1, as_line, box, first_label, label, parsed, published, reference_row, refused, row, shape
from test_records_refusals import json_values
from test_records_shapes import COMPOSITE, TIE

from labelsnap.records.choices.policy import Policy, select
from labelsnap.records.geometry import MaskReference
from labelsnap.records.image import Image
from labelsnap.records.model import Problem, Record, Row, Sample, Source
from labelsnap.records.parsing.identity import row_id
from labelsnap.records.parsing.parse import parse
from labelsnap.records.tables.tables import from_tables, to_tables

LABEL = "$.projects.p1.labels[0]"
UNKNOWN_TIE = TIE | {"annotation_kind": "ImageBidirectionalRelationship", "feature_id": "r2"}


def noted(values: Any, **options: Any) -> Any:
    """What was left empty of a row, as pairs of path and code."""
    return [(each.path, each.code) for each in parsed(values, **options).unreadable]


def test_relationships_of_a_kind_that_is_not_known_yet() -> None:
    """One is left out and noted, in either list; those around it stay, and objects keep their answers."""
    values = row(label(box(), UNKNOWN_TIE, box("f2"), annotations={"relationships": [UNKNOWN_TIE, TIE]}))
    made = first_label(values)
    assert [each.feature_id for each in made.annotations] == ["f1", "f2"]
    assert [each.feature_id for each in made.relationships] == ["r1"]
    assert noted(values) == [
        (f"{LABEL}.annotations.objects[1].annotation_kind", "unknown_annotation_kind"),
        (f"{LABEL}.annotations.relationships[0].annotation_kind", "unknown_annotation_kind"),
    ]


def test_a_refusal_beside_what_is_left_out_keeps_its_place() -> None:
    """The index of a refused object counts the entries before it that are left out or unanswered."""
    question = {"name": "q", "radio_answer": {"feature_id": "x"}}
    bad = box("f2", classifications=[{"name": "none"}, question])
    problem = refused(row(label(UNKNOWN_TIE, bad)))
    where = "annotations.objects[1].classifications[1].radio_answer.name"
    assert (problem.code, problem.path) == ("missing_name", f"{LABEL}.{where}")


@pytest.mark.parametrize(
    ("members", "expected", "note"),
    [
        ({"composite_mask": {"url": "c"}}, MaskReference("m", None, None), ("composite_mask.color_rgb", "bad_color")),
        (
            {"composite_mask": {"color_rgb": [1, 2, 3]}},
            MaskReference("m", None, None),
            ("composite_mask.url", "missing_geometry"),
        ),
        (
            {"composite_mask": COMPOSITE | {"color_rgb": [1, 2, "x"]}},
            MaskReference("m", None, None),
            ("composite_mask.color_rgb", "bad_color"),
        ),
        ({"composite_mask": "c"}, MaskReference("m", None, None), ("composite_mask", "wrong_type")),
        (
            {"mask": {"url": 5}, "composite_mask": COMPOSITE},
            MaskReference(None, COMPOSITE["url"], (1, 2, 255)),
            ("mask.url", "wrong_type"),
        ),
    ],
)
def test_one_good_image_of_a_mask_is_enough(members: Any, expected: Any, note: Any) -> None:
    """Where one of a mask's two images cannot be had, the other is used, and the flaw is noted."""
    values = row(label(shape("ImageSegmentationMask", **({"mask": {"url": "m"}} | members))))
    assert first_label(values).annotations[0].geometry == expected
    assert noted(values) == [(f"{LABEL}.annotations.objects[0].{note[0]}", note[1])]


@pytest.mark.parametrize("colour", [[1.0, 2.0, 255.0], [1, 2, 255, 128], [1, 2, 255, 0.5], ["1", "2", "255"]])
def test_colours_in_other_spellings(colour: Any) -> None:
    """Whole floats are a colour, and so are the first three of four values."""
    values = row(label(shape("ImageSegmentationMask", composite_mask=COMPOSITE | {"color_rgb": colour})))
    assert first_label(values).annotations[0].geometry == MaskReference(None, COMPOSITE["url"], (1, 2, 255))
    assert noted(values) == []


@pytest.mark.parametrize(("given", "rotation"), [(1.0, 1), ("1.0", 1), (6.0, 6), ("8", 8)], ids=repr)
def test_rotations_in_other_spellings(given: Any, rotation: Any) -> None:
    """A whole number from 1 to 8 is a rotation, as a float and as text too."""
    found = parsed(row(media_attributes={"exif_rotation": given}))
    assert (found.data_row.media.exif_rotation, found.unreadable) == (rotation, ())


@pytest.mark.parametrize("given", [0, "0", "undefined", "9", "²", -1, 1.5, True, {}], ids=repr)
def test_rotations_that_are_none(given: Any) -> None:
    """Anything else is no rotation: it is left empty and noted."""
    values = row(media_attributes={"exif_rotation": given, "width": 5})
    assert noted(values) == [("$.media_attributes.exif_rotation", "bad_exif_rotation")]
    assert parsed(values).data_row.media.width == 5


@pytest.mark.parametrize(
    ("given", "pixels"), [("1920", 1920), (100.0, 100), (2**31 - 1, 2**31 - 1), ("1e3", 1000)], ids=repr
)
def test_sizes_in_other_spellings(given: Any, pixels: Any) -> None:
    """A size may be text."""
    found = parsed(row(media_attributes={"height": given}))
    assert (found.data_row.media.height, found.unreadable) == (pixels, ())


@pytest.mark.parametrize("given", [0, "0", -1, 1.5, "x", 2**31, 1e300, 10**30, True, []], ids=repr)
def test_sizes_that_are_none(given: Any) -> None:
    """No size, a fraction, or more than 32 bits hold is left empty and noted."""
    values = row(media_attributes={"height": given, "width": given})
    assert noted(values) == [("$.media_attributes.height", "bad_size"), ("$.media_attributes.width", "bad_size")]


def of_details(name: Any, value: Any) -> Any:
    """A row with a member of its project's details."""
    return row(label(), project={"project_details": {name: value}})


@pytest.mark.parametrize("given", [1.0, "1", 1], ids=repr)
def test_priorities_in_other_spellings(given: Any) -> None:
    """A whole float is an integer, and so is text that is one."""
    entry = parsed(of_details("priority", given)).entry
    assert (entry.details.priority, type(entry.details.priority)) == (1, int)


@pytest.mark.parametrize(
    ("given", "code"), [("x", "wrong_type"), (1.5, "wrong_type"), (2**63, "out_of_range"), (10**400, "out_of_range")]
)
def test_priorities_that_are_none(given: Any, code: Any) -> None:
    """What is no integer of 64 bits is left empty and noted."""
    assert noted(of_details("priority", given)) == [("$.projects.p1.project_details.priority", code)]


def test_numbers_as_text() -> None:
    """Seconds, scores and confidence are read where they are text."""
    performance = {"seconds_to_create": "1.5", "seconds_to_review": "2", "consensus_score": "0.5"}
    found = first_label(row(label(box(confidence="0.25"), performance_details=performance | {"skipped": "false"})))
    told = found.performance
    assert (told.seconds_to_create, told.seconds_to_review, told.consensus_score, told.skipped) == (1.5, 2, 0.5, False)
    assert found.annotations[0].confidence == 0.25


@pytest.mark.parametrize(("given", "code"), [("much", "wrong_type"), ({}, "wrong_type"), ("1e999", "out_of_range")])
def test_numbers_that_are_none(given: Any, code: Any) -> None:
    """A score that says nothing is left empty and noted."""
    values = row(label(box(confidence=given), performance_details={"consensus_score": given}))
    assert noted(values) == [
        (f"{LABEL}.performance_details.consensus_score", code),
        (f"{LABEL}.annotations.objects[0].confidence", code),
    ]


def test_numbers_beyond_a_floats_range() -> None:
    """A number that no float holds is left empty in a score, and kept as text in a metadata field."""
    values = row(label(box(confidence=1.25)), metadata_fields=[{"schema_name": "n", "value": 1.25}])
    found = parse(as_line(values).replace(b"1.25", b"1e999"), P1, number=1)
    assert isinstance(found, Row)
    assert [each.code for each in found.unreadable] == ["out_of_range"]
    assert found.data_row.metadata[0].value == "1e999"


def test_authors_that_are_objects() -> None:
    """An author's object is kept as canonical JSON wherever an author stands."""
    author = {"name": "n", "id": 1}
    found = parsed(
        row(
            label(label_details={"created_by": author}),
            data_row={"details": {"created_by": author}},
            project={"project_details": {"workflow_history": [{"created_by": author}]}},
        )
    )
    entry = found.entry
    told = {found.data_row.details.created_by, entry.labels[0].details.created_by}
    assert told | {entry.details.workflow_history[0].created_by} == {'{"id":1,"name":"n"}'}
    assert found.unreadable == ()


def test_numbers_for_text() -> None:
    """Ids, versions and names that are numbers are text, the row's id for everyone who asks for it."""
    values = row(
        label(box(7, name=8, feature_schema_id=9), label_id=5, version=3),
        data_row={"id": 1.5, "external_id": 6, "global_key": 2},
        metadata_fields=[{"schema_id": 4, "schema_name": "n", "value": 1}],
    )
    found = parsed(values)
    assert (found.data_row.id, found.data_row.external_id, found.data_row.global_key) == ("1.5", "6", "2")
    assert row_id(as_line(values)) == "1.5"
    (made,) = found.entry.labels
    (held,) = made.annotations
    assert (made.id, made.version, held.feature_id, held.name, held.feature_schema_id) == ("5", "3", "7", "8", "9")
    assert found.data_row.metadata[0].schema_id == "4"


def test_metadata_fields_without_a_name() -> None:
    """A field needs no name; an entry that is no field is left out and noted, under its own number."""
    values = row(metadata_fields=[{"value": 1}, None, {"schema_name": "", "value": 2}, 5])
    found = parsed(values).data_row.metadata
    assert [(each.schema_name, each.value) for each in found] == [(None, 1), ("", 2)]
    assert noted(values) == [("$.metadata_fields[1]", "wrong_type"), ("$.metadata_fields[3]", "wrong_type")]


def test_null_among_attachments_and_moves() -> None:
    """What is no entry of a list is left out and noted; so is a list that is none."""
    details = {"workflow_history": [None, {"action": "Move"}]}
    values = row(attachments=[None, {"id": "1", "value": "v"}], project={"project_details": details})
    assert [each.value for each in parsed(values).data_row.attachments] == ["v"]
    assert noted(values) == [
        ("$.attachments[0]", "wrong_type"),
        ("$.projects.p1.project_details.workflow_history[0]", "wrong_type"),
    ]
    assert noted(row(attachments="none")) == [("$.attachments", "wrong_type")]


def test_null_in_z_order() -> None:
    """Objects keep their places in the list."""
    values = row(label(box(), box("f2"), annotations={"z_order": [None, "f2", 5, "f1"]}))
    assert [each.z_order for each in first_label(values).annotations] == [3, 1]
    assert noted(values) == [(f"{LABEL}.annotations.z_order[0]", "wrong_type")]


def test_a_value_names_what_has_no_name() -> None:
    """A class, a question and an option without a name take their value as one."""
    question = {"name": "", "value": "weather", "radio_answer": {"name": None, "value": "sun"}}
    made = first_label(row(label(box(name="", value="car", classifications=[question]))))
    (held,) = made.annotations
    (asked,) = held.classifications
    assert (held.name, asked.name, asked.answer.option.name) == ("car", "weather", "sun")


def test_what_stands_twice_and_is_equal_counts_once() -> None:
    """Relationships, objects and labels that are equal in all count once; one that differs refuses the row."""
    ties = {"relationships": [TIE, TIE]}
    values = row(label(box(), box(), annotations=ties), label(box(), box(), annotations=ties))
    (made,) = parsed(values).entry.labels
    assert [each.feature_id for each in made.annotations] == ["f1"]
    assert [each.feature_id for each in made.relationships] == ["r1"]
    among_objects = first_label(row(label(TIE, TIE)))
    assert [each.feature_id for each in among_objects.relationships] == ["r1"]
    assert refused(row(label(TIE, TIE | {"name": "has"}))).code == "duplicate_feature_id"


@pytest.mark.parametrize(
    ("values", "vectors"),
    [
        ([1, 2.5], [(1.0, 2.5)]),
        ([[1, 2], [3, 4]], [(1.0, 2.0), (3.0, 4.0)]),
        ([{"value": [1, "2"]}], [(1.0, 2.0)]),
        ([], []),
    ],
)
def test_embeddings_as_bare_lists(values: Any, vectors: Any) -> None:
    """A flat list of numbers is one vector, a list of lists is several."""
    found = parsed(row(embeddings=[{"id": 1, "dimensions": 2.0, "values": values}]), keep_embeddings=True)
    assert [each.values for each in found.data_row.embeddings] == vectors
    assert found.unreadable == ()


def test_embeddings_that_cannot_be_read() -> None:
    """A vector, and an entry, that is none is noted; where no embeddings are asked for, nothing is."""
    values = row(embeddings=[None, {"values": [1, None]}], attachments=[None])
    assert noted(values, keep_embeddings=True) == [
        ("$.attachments[0]", "wrong_type"),
        ("$.embeddings[0]", "wrong_type"),
        ("$.embeddings[1].values[0].value", "wrong_type"),
    ]
    assert noted(values) == [("$.attachments[0]", "wrong_type")]


def test_blocks_of_details_that_are_none() -> None:
    """A block of details of another type is left empty and noted; an empty list is an empty block."""
    values = row(
        label(label_details="x", performance_details=5),
        data_row={"details": True},
        project={"project_details": "x", "name": {}},
        media_attributes=7,
    )
    paths = ["media_attributes", "data_row.details", "projects.p1.name", "projects.p1.project_details"]
    of_label = [f"{LABEL}.label_details", f"{LABEL}.performance_details"]
    assert sorted(noted(values)) == sorted(
        [(path, "wrong_type") for path in (*[f"$.{each}" for each in paths], *of_label)]
    )
    assert noted(row(label(performance_details=[], annotations={"classifications": {}}), media_attributes=[])) == []


P = Source("project", "P")
TRIFLES: Any = {
    "media_attributes": ["height", "width", "exif_rotation"],
    "data_row": ["global_key", "external_id", "details"],
    "data_row.details": ["created_by", "last_activity_at", "dataset_name"],
    "metadata_fields.0": ["schema_id", "schema_name", "schema_kind", "value"],
    "attachments.0": ["id", "type", "name", "value"],
    "embeddings.0": ["id", "name", "dimensions", "is_custom", "values"],
    "embeddings.0.values.0": ["value"],
    "projects.P": ["name", "project_details"],
    "projects.P.project_details": ["priority", "batch_name", "task_id", "workflow_history", "workflow_status"],
    "projects.P.project_details.workflow_history.0": ["created_by", "action"],
    "projects.P.labels.0": ["version", "label_details", "benchmark_score"],
    "projects.P.labels.0.label_details": ["created_at", "created_by", "reviews"],
    "projects.P.labels.0.performance_details": ["seconds_to_create", "consensus_score", "benchmark_score"],
    "projects.P.labels.0.annotations": ["z_order"],
    "projects.P.labels.0.annotations.objects.0": ["confidence", "value"],
    "": ["metadata_fields", "attachments", "embeddings"],
}
PLACES = [(place, member) for place, members in TRIFLES.items() for member in members]


def whole() -> Any:
    """The reference document's project row, with what it lacks, its project under a short key."""
    values = reference_row("project_row")
    (values["projects"]["P"],) = [values["projects"].pop(key) for key in list(values["projects"])]
    values["metadata_fields"] = [{"schema_id": "s", "schema_name": "n", "schema_kind": "k", "value": 1}]
    values["attachments"] = [{"id": "1", "type": "IMAGE", "name": "a", "value": "v"}]
    values["embeddings"] = [
        {"id": "e", "name": "n", "dimensions": 2, "is_custom": False, "values": [{"value": [1.0, 2.0]}]}
    ]
    return values


def within(values: Any, place: Any) -> Any:
    """What stands at a place of JSON values."""
    for key in place.split(".") if place else ():
        values = values[int(key)] if isinstance(values, list) else values[key]
    return values


def said(made: Any) -> Any:
    """What a label says of its image."""
    objects = [
        (each.feature_id, each.feature_schema_id, each.name, each.geometry, each.classifications)
        for each in made.annotations
    ]
    return made.id, objects, made.classifications, made.relationships


WHOLE = published(whole(), Policy(P), keep_embeddings=True)


@given(st.sampled_from(PLACES), json_values | st.integers(2**62) | st.just("1e999"))
def test_no_trifle_costs_a_row_or_changes_its_labels(place: Any, value: Any) -> None:
    """Whatever stands where nothing is said about the labels, they are what they were, and tables hold the row."""
    values = whole()
    within(values, place[0])[place[1]] = value
    record = published(values, Policy(P), keep_embeddings=True)
    (made,), (expected,) = record.entry.labels, WHOLE.entry.labels
    assert said(made) == said(expected)
    sample = Sample(record, Image("a.jpg", 1, 1, "image/jpeg", None, None), "train")
    assert list(from_tables(to_tables([sample]))) == [sample]


@given(st.sampled_from(PLACES), json_values, st.booleans())
def test_both_readings_say_the_same(place: Any, value: Any, keep_embeddings: Any) -> None:
    """A byte order mark, with which every line is read leniently, changes nothing but the fingerprint."""
    values = whole()
    within(values, place[0])[place[1]] = value
    line = as_line(values)
    one = parse(line, P, number=1, keep_embeddings=keep_embeddings)
    other = parse(b"\xef\xbb\xbf" + line, P, number=1, keep_embeddings=keep_embeddings)
    assert isinstance(one, Row)
    assert isinstance(other, Row)
    assert replace(other, fingerprint=one.fingerprint) == one


@st.composite
def damaged(draw: Any) -> Any:
    """The line of a whole row of which one value is another."""
    values = holder = whole()
    while True:
        key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        if not isinstance(holder[key], dict | list) or not holder[key] or draw(st.booleans()):
            break
        holder = holder[key]
    holder[key] = draw(json_values)
    return as_line(values)


@given(damaged())
def test_both_readings_refuse_the_same(line: Any) -> None:
    """Any damage to any value gives the same row, or the same problem, with a byte order mark and without."""
    one, other = parse(line, P, number=1), parse(b"\xef\xbb\xbf" + line, P, number=1)
    if isinstance(one, Problem):
        assert other == one
    else:
        assert isinstance(other, Row)
        assert replace(other, fingerprint=one.fingerprint) == one
    assert row_id(line) == (one.data_row_id if isinstance(one, Problem) else one.data_row.id)


@given(damaged())
def test_whatever_is_read_can_be_written(line: Any) -> None:
    """A row with any damage that is a row all the same is the same after the tables."""
    found = parse(line, P, number=1, keep_embeddings=True)
    record = select(found, Policy(P)) if isinstance(found, Row) else None
    if isinstance(record, Record):
        sample = Sample(record, Image("a.jpg", 1, 1, "image/jpeg", None, None), "train")
        assert list(from_tables(to_tables([sample]))) == [sample]
