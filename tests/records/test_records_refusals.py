"""Lines that cannot be used: each refused by name, with the place, and without the line itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records_lines import P1, as_line, box, label, parsed, refused, row, shape
from test_records_shapes import COMPOSITE, TIE

from labelsnap.records.model import Problem, Row, Source
from labelsnap.records.parsing.identity import row_id
from labelsnap.records.parsing.parse import parse
from tests.examples import of_a_hundred

ANSWERED = {"name": "why", "text_answer": {"content": "because"}}
VIDEO = {"frames": {"13": {"objects": {"f": {}}}}, "segments": {}, "key_frame_feature_map": {}, "classifications": []}
OF_P, OF_R = Source("project", "p"), Source("model_run", "r")
PLACE = "$.projects.p1.labels[0].annotations"


@pytest.mark.parametrize(
    ("line", "code", "path"),
    [
        (b"", "not_json", "$"),
        (b'{"data_row": {"id": "r', "not_json", "$"),
        (b'{"data_row": 5, oops', "not_json", "$"),
        (b'{"data_row": {"id": "\xff"}}', "unreadable_id", "$.data_row.id"),
        (rb'{"data_row": {"id": "r\ud83d", "row_data": "u"}}', "unreadable_id", "$.data_row.id"),
        (b'{"data_row": {"id": NaN}}', "not_json", "$"),
        (b"[1, 2]", "not_an_object", "$"),
        (b'"text"', "not_an_object", "$"),
        (b"null", "not_an_object", "$"),
        (b'{"DataRow ID": "x", "Labeled Data": "u", "Label": {}}', "legacy_export", "$"),
        (b'{"uuid": "x", "dataRow": {"id": "y"}, "schemaId": "z"}', "import_payload", "$"),
        (b"{}", "missing_data_row_id", "$.data_row.id"),
        (b'{"data_row": {"id": null}}', "missing_data_row_id", "$.data_row.id"),
        (b'{"data_row": {"id": true}}', "wrong_type", "$.data_row.id"),
        (b'{"data_row": {"id": "r", "row_data": 5}}', "wrong_type", "$.data_row.row_data"),
        (b'{"data_row": {"id": "r"}}', "missing_row_data", "$.data_row.row_data"),
        (b'{"x": ' + b"[" * 100_000, "too_deep", "$"),
    ],
)
def test_lines_that_are_no_rows(line: Any, code: Any, path: Any) -> None:
    """What is no JSON, no object, no export row or no identified row is named so."""
    problem = refused(line)
    assert (problem.code, problem.path, problem.line) == (code, path, 7)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"media_attributes": {"mime_type": "video/mp4"}}, "video_row"),
        ({"media_attributes": {"frame_count": 10}, "projects": 5}, "video_row"),
        ({"media_attributes": {"mime_type": "text/plain"}}, "text_row"),
        ({"media_attributes": {"mime_type": "text/html"}}, "html_row"),
        ({"media_attributes": {"mime_type": "application/pdf"}}, "pdf_row"),
        ({"media_attributes": {"mime_type": "audio/wav"}}, "audio_row"),
        ({"media_attributes": {"asset_type": "TMS_GEO"}}, "geo_row"),
        ({"media_attributes": {"asset_type": "dicom"}}, "dicom_row"),
        ({"media_attributes": {"asset_type": "CONVERSATIONAL"}}, "conversational_row"),
    ],
)
def test_other_media_by_what_the_row_says(change: Any, code: Any) -> None:
    """Mime type, asset type and frame count tell rows of other media."""
    assert refused(row(**change)).code == code


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (label() | {"annotations": VIDEO}, "video_row"),
        (label(label_kind="Video"), "video_row"),
        (label(annotations={"objects": {"f1": {"annotation_kind": "VideoBoundingBox"}}}), "video_row"),
        (label(shape("VideoBoundingBox")), "video_row"),
        (label(shape("TextEntity", location={"start": 1, "end": 2})), "text_row"),
        (label(box(annotation_kind="DocumentBoundingBox", bounding_box=[1])), "pdf_row"),
        (label(shape("AudioClassification")), "audio_row"),
        (label(shape("GeoPolygon")), "geo_row"),
    ],
)
def test_other_media_by_their_annotations(found: Any, code: Any) -> None:
    """Frames, labels of videos and other annotation kinds tell rows of other media."""
    problem = refused(row(found))
    assert (problem.code, problem.data_row_id) == (code, "row1")


@pytest.mark.parametrize(
    ("found", "code", "path"),
    [
        (shape("ImageSomething"), "unknown_annotation_kind", "annotation_kind"),
        (box(annotation_kind=None), "unknown_annotation_kind", "annotation_kind"),
        (shape("ImageBoundingBox"), "missing_geometry", "bounding_box"),
        (shape("ImagePolygon", polygon=[]), "missing_geometry", "polygon"),
        (shape("ImagePolyline"), "missing_geometry", "line"),
        (shape("ImagePoint"), "missing_geometry", "point"),
        (shape("ImageSegmentationMask", mask={}), "missing_geometry", "mask"),
        (shape("ImageSegmentationMask", composite_mask={"color_rgb": [1, 2, 3]}), "missing_geometry", "url"),
        (shape("ImageSegmentationMask", composite_mask={"url": "u"}), "bad_color", "composite_mask.color_rgb"),
        (
            shape("ImageSegmentationMask", composite_mask=COMPOSITE | {"color_rgb": [1, 2, 256]}),
            "bad_color",
            "composite_mask.color_rgb[2]",
        ),
        (
            shape("ImageSegmentationMask", composite_mask=COMPOSITE | {"color_rgb": [1, 2]}),
            "bad_color",
            "composite_mask.color_rgb",
        ),
        (
            shape("ImageSegmentationMask", composite_mask=COMPOSITE | {"color_rgb": [1, 2, "x"]}),
            "bad_color",
            "composite_mask.color_rgb[2]",
        ),
        (shape("ImagePoint", point={"x": "1", "y": 2}), "bad_geometry", "point.x"),
        (shape("ImagePoint", point={"x": 1}), "bad_geometry", "point"),
        (shape("ImagePoint", point={"x": 1, "y": 2**31 + 1}), "bad_geometry", "point.y"),
        (box(bounding_box={"top": 0, "left": -1e300, "height": 1, "width": 1}), "bad_geometry", "bounding_box.left"),
        (shape("ImagePolygon", polygon=[{"x": 1, "y": None}]), "bad_geometry", "polygon[0].y"),
        (box(feature_id=""), "missing_feature_id", "feature_id"),
        (box(name="", value=""), "missing_name", "name"),
        (box(name=True), "wrong_type", "name"),
        (
            box(classifications=[{"name": "q"}, {"name": "q", "text_answer": {"classifications": [ANSWERED]}}]),
            "missing_answer",
            "classifications[1].text_answer.content",
        ),
        (
            box(classifications=[{"name": "q", "text_answer": {"content": "a"}, "radio_answer": {"name": "b"}}]),
            "ambiguous_answer",
            "classifications[0]",
        ),
        (
            box(classifications=[{"name": "q", "radio_answer": {"name": None, "feature_id": "x"}}]),
            "missing_name",
            "classifications[0].radio_answer.name",
        ),
        (TIE | {"unidirectional_relationship": {"source": "f1"}}, "missing_geometry", "unidirectional_relationship"),
    ],
)
def test_objects_that_cannot_be_used(found: Any, code: Any, path: Any) -> None:
    """An object that lacks what its kind needs refuses the row, at the place of the object."""
    problem = refused(row(label(found)))
    assert (problem.code, problem.path) == (code, f"{PLACE}.objects[0].{path}")


def test_numbers_beyond_floats() -> None:
    """A coordinate that no float can hold is refused at its place."""
    line = as_line(row(label(shape("ImagePoint", point={"x": 1.5, "y": 2})))).replace(b"1.5", b"1e999")
    problem = refused(line)
    assert (problem.code, problem.path) == ("bad_geometry", f"{PLACE}.objects[0].point.x")


@pytest.mark.parametrize(
    ("labels", "code", "path"),
    [
        ([label(box(), box(name="bus"))], "duplicate_feature_id", f"{PLACE}.objects"),
        ([label(box("r1"), annotations={"relationships": [TIE]})], "duplicate_feature_id", f"{PLACE}.objects"),
        (
            [label(annotations={"relationships": [TIE, TIE | {"name": "has"}]})],
            "duplicate_feature_id",
            f"{PLACE}.relationships",
        ),
        (
            [
                label(
                    TIE | {"unidirectional_relationship": {"source": "f9", "target": "f2"}},
                    annotations={"relationships": [TIE]},
                )
            ],
            "duplicate_feature_id",
            f"{PLACE}.objects[0]",
        ),
        (
            [label(annotations={"relationships": [box()]})],
            "unknown_annotation_kind",
            f"{PLACE}.relationships[0].annotation_kind",
        ),
        ([label(), label(box())], "duplicate_label_id", "$.projects.p1.labels"),
        ([label(label_id=None)], "missing_label_id", "$.projects.p1.labels[0].id"),
    ],
)
def test_labels_that_cannot_be_used(labels: Any, code: Any, path: Any) -> None:
    """Ids that stand twice, or not at all, refuse the row."""
    problem = refused(row(*labels))
    assert (problem.code, problem.path) == (code, path)


@pytest.mark.parametrize(
    ("asked", "change", "code", "path"),
    [
        (
            OF_P,
            {"projects": {"p": {"labels": [label(performance_details={"skipped": "perhaps"})]}}},
            "wrong_type",
            "$.projects.p.labels[0].performance_details.skipped",
        ),
        (
            OF_P,
            {"projects": {"p": {"project_details": {"selected_label_id": {"id": "l1"}}}}},
            "wrong_type",
            "$.projects.p.project_details.selected_label_id",
        ),
        (
            OF_R,
            {"experiments": {"m": {"runs": {"r": {"labels": [{}]}}}}},
            "missing_label_id",
            "$.experiments.m.runs.r.labels[0].id",
        ),
        (OF_R, {"experiments": {"m": {"runs": {"r": {"labels": 5}}}}}, "wrong_type", "$.experiments.m.runs.r.labels"),
        (OF_R, {"experiments": {"m": {"runs": {"r": 5}}}}, "wrong_type", "$.experiments.m.runs.r"),
        (OF_R, {"experiments": 5}, "wrong_type", "$.experiments"),
        (OF_P, {"projects": {"p": 5}}, "wrong_type", "$.projects.p"),
        (OF_P, {"projects": 5}, "wrong_type", "$.projects"),
        (
            Source("project", "a b"),
            {"projects": {"a b": {"labels": [{}]}}},
            "missing_label_id",
            "$.projects.[...].labels[0].id",
        ),
    ],
)
def test_other_blocks_that_cannot_be_used(asked: Any, change: Any, code: Any, path: Any) -> None:
    """A block of the wrong shape refuses the row at its place; a key that is no plain name is not repeated."""
    problem = refused(row() | change, asked)
    assert (problem.code, problem.path) == (code, path)


def test_questions_nested_too_deep() -> None:
    """A hundred and one questions below each other are refused, and so is a nesting that would exhaust the stack."""
    question = {"name": "last", "text_answer": {"content": "here"}}
    for _ in range(100):
        question = {"name": "q", "radio_answer": {"name": "a", "classifications": [question]}}
    assert refused(row(label(annotations={"classifications": [question]}))).code == "too_deep"
    deep = b'{"name":"q","radio_answer":{"name":"a","classifications":[' * 50_000
    assert (
        refused(b'{"data_row":{"id":"r"},"projects":{"p":{"labels":[{"annotations":{"classifications":[' + deep).code
        == "too_deep"
    )


def test_reasons_never_repeat_the_line() -> None:
    """No value of the line stands in a problem's path or reason."""
    secret = "secret-signature"
    for found in (
        box(annotation_kind=secret),
        box(name={secret: secret}),
        shape("ImagePoint", point={"x": secret, "y": 1}),
        box(classifications=[{"name": "q", "radio_answer": {"name": secret}, "text_answer": {"content": secret}}]),
    ):
        problem = refused(row(label(found), data_row={"row_data": f"https://host/?{secret}"}))
        assert secret not in f"{problem.path} {problem.reason}"


keys = st.sampled_from(
    [
        "data_row", "id", "row_data", "media_attributes", "projects", "labels", "annotations", "objects", "experiments",
        "runs", "classifications", "radio_answer", "polygon", "mask", "composite_mask", "color_rgb", "annotation_kind",
    ]
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_problem(line: Any) -> None:
    """Whatever the bytes, the answer is a problem, and nothing is raised."""
    assert isinstance(parse(line, P1, number=1), Problem)
    row_id(line)


@settings(max_examples=of_a_hundred(40))
@given(st.dictionaries(keys, json_values, max_size=5), st.booleans())
def test_any_json_is_a_row_or_a_problem(values: Any, keep_embeddings: Any) -> None:
    """Whatever the JSON, nothing is raised, and the row id is the one that parsing sees."""
    line = as_line(values)
    result = parse(line, P1, number=1, keep_embeddings=keep_embeddings)
    assert isinstance(result, Row | Problem)
    if isinstance(result, Row):
        assert row_id(line) == result.data_row.id


@given(st.data())
def test_any_damage_to_a_row_is_a_row_or_a_problem(data: Any) -> None:
    """A row with one of its values replaced by any JSON is still a row, or a problem that names the row."""
    whole = row(
        label(box(), shape("ImagePolygon", polygon=[{"x": 1, "y": 2}]), TIE, annotations={"relationships": [TIE]})
    )
    values = holder = json.loads(as_line(whole))
    while True:
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        if not isinstance(holder[key], dict | list) or not holder[key] or data.draw(st.booleans()):
            break
        holder = holder[key]
    holder[key] = data.draw(json_values)
    assert isinstance(parse(as_line(values), P1, number=1), Row | Problem)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"x": [1, 2], "data_row": {"a": {}, "id": "r1"}}', "r1"),
        (b'{"data_row": {"id": ""}}', None),
        (b'{"data_row": null}', None),
        (b"[]", None),
        (b"not json", None),
    ],
)
def test_row_id_looks_at_nothing_else(line: Any, expected: Any) -> None:
    """The id is found wherever it stands; a line without one has none."""
    assert row_id(line) == expected


def test_a_row_with_neither_projects_nor_models() -> None:
    """A row that no project holds is a row without an entry."""
    assert parsed(row(projects=None)).entry is None
