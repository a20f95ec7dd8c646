"""The generated project: stable, independent of its size, and varied as real exports are."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.sandbox.project.identifiers import colours, cuid, decode, uuid
from deploy.sandbox.project.lines import project_line
from deploy.sandbox.project.rows import Project, Row
from deploy.sandbox.project.truth import annotation_kinds
from deploy.sandbox.scenes.drawing import instance_map, picture
from deploy.sandbox.scenes.scene import road_outline, scene

ROWS = [Row(Project(0, "http://127.0.0.1:1"), index) for index in range(48)]
PARAMS = {"includeProjectDetails": True, "includePerformanceDetails": True, "includeLabelDetails": True}


@given(st.integers(0, 2**31), st.sampled_from(["feature", "data row"]), st.integers(0, 10**6), st.integers(0, 46_655))
def test_ids_name_their_row(seed: int, kind: str, index: int, part: int) -> None:
    """Both kinds of id have Labelbox's length and lead back to row and part, for their own project only."""
    short, long = cuid(seed, kind, index, part), uuid(seed, kind, index, part)
    assert (len(short), len(long)) == (25, 36)
    assert decode(seed, kind, short) == decode(seed, kind, long) == (index, part)
    assert decode(seed + 1, kind, short) is None
    assert decode(seed, "label", long) is None


@pytest.mark.parametrize("identifier", ["", "x" * 25, "c" + "!" * 24, "z" * 36, "a2fb1fec-83fb-0858-2cfb-98f4757eae95"])
def test_foreign_ids_name_nothing(identifier: str) -> None:
    """An id that was not made here is recognised, whatever it looks like."""
    assert decode(0, "feature", identifier) is None


@given(st.integers(0, 100), st.integers(0, 10_000), st.integers(1, 255))
def test_colours_are_distinct_and_never_black(seed: int, index: int, count: int) -> None:
    """A composite's colours are that many different ones, none of them the background's."""
    chosen = colours(seed, index, count)
    assert len(set(chosen)) == count
    assert (0, 0, 0) not in chosen
    assert all(0 <= channel <= 255 for colour in chosen for channel in colour)


def test_same_seed_and_index_is_the_same_row() -> None:
    """Drawn again from nothing, a row has the same pixels, picture and line; another seed has others."""

    def drawn(seed: int) -> str:
        for cached in (scene, instance_map, picture):
            cached.cache_clear()
        line = json.dumps(project_line(Row(Project(seed, "http://127.0.0.1:1"), 5), PARAMS, "task"))
        content = instance_map(seed, 5).tobytes() + picture(seed, 5, "JPEG") + line.encode()
        return hashlib.sha256(content).hexdigest()

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5), st.integers(0, 20_000))
def test_geometry_stays_inside_the_picture(seed: int, index: int) -> None:
    """Every point, ring and box lies within [0, W] × [0, H], and boxes have an extent."""
    row = Row(Project(seed, ""), index)
    line = project_line(row, {}, "")
    width, height = line["media_attributes"]["width"], line["media_attributes"]["height"]
    labels = line["projects"][row.project.id]["labels"]
    for thing in (thing for label in labels for thing in label["annotations"]["objects"]):
        points = thing.get("polygon", []) + thing.get("line", []) + ([thing["point"]] if "point" in thing else [])
        assert all(0 <= point["x"] <= width and 0 <= point["y"] <= height for point in points)
        if box := thing.get("bounding_box"):
            assert box["width"] > 0
            assert box["height"] > 0
            assert 0 <= box["left"] <= box["left"] + box["width"] <= width
            assert 0 <= box["top"] <= box["top"] + box["height"] <= height


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5), st.integers(0, 20_000))
def test_feature_ids_are_unique_in_a_row(seed: int, index: int) -> None:
    """No two objects of a row share a feature id, and relationships join objects of their own label."""
    row = Row(Project(seed, ""), index)
    labels = project_line(row, {}, "")["projects"][row.project.id]["labels"]
    ids = [thing["feature_id"] for label in labels for thing in label["annotations"]["objects"]]
    assert len(ids) == len(set(ids))
    for label in labels:
        own = {thing["feature_id"] for thing in label["annotations"]["objects"]}
        for relationship in label["annotations"]["relationships"]:
            assert set(relationship["unidirectional_relationship"].values()) <= own


def test_done_rows_of_the_demo_show_every_shape() -> None:
    """The demo's Done rows are skipped, empty, in consensus, with three ways of masks and with odd names."""
    done = [row for row in ROWS if row.status == "DONE"]
    assert len(done) == 39
    assert any(row.skipped for row in done)
    assert any(row.empty and not row.skipped for row in done)
    assert {len(row.labels) for row in done} == {1, 2, 3}
    assert {row.selected_label is None for row in done if len(row.labels) > 1} == {True, False}
    assert {(row.style.composite, row.style.instance) for row in done} == {(True, True), (True, False), (False, True)}
    assert {row.external_id for row in done} >= {"../b.png", "street scene 000006, front.jpg", "IMG000016"}
    assert len({row.external_id for row in done}) < len(done)
    keys = [row.global_key for row in done if row.global_key]
    assert len(keys) == len(set(keys)) < len(done)


def test_skipped_row_says_so_and_holds_nothing() -> None:
    """Row 7 is skipped, which only performance_details tell."""
    label = project_line(ROWS[7], PARAMS, "")["projects"][ROWS[7].project.id]["labels"][0]
    assert label["performance_details"]["skipped"] is True
    assert label["annotations"] == {"objects": [], "classifications": [], "relationships": []}


def test_old_rows_repeat_relationships_and_count_them_once() -> None:
    """In the 2023 shape a relationship stands in objects and in relationships, and counts once."""
    rows = (row for row in ROWS if row.style.old and row.labels)
    blocks = [project_line(row, {}, "")["projects"][row.project.id]["labels"][0]["annotations"] for row in rows]
    block = next(block for block in blocks if block["relationships"])
    twice = [thing for thing in block["objects"] if thing["annotation_kind"] == "ImageUnidirectionalRelationship"]
    assert twice == block["relationships"]
    assert annotation_kinds(block)["relationship"] == len(twice)
    assert all("value" not in thing for thing in block["objects"])


def test_kinds_are_counted_by_hand() -> None:
    """A nested answer counts under its own kind, a checklist with two answers once."""
    inner = {"feature_id": "d", "radio_answer": {"feature_id": "e", "classifications": []}}
    answers = [{"feature_id": "b", "classifications": [inner]}, {"feature_id": "c", "classifications": []}]
    text = {"feature_id": "f", "text_answer": {"content": "x"}}
    point = {"feature_id": "g", "annotation_kind": "ImagePoint", "classifications": [text]}
    checklist = {"feature_id": "a", "checklist_answers": answers}
    block = {"objects": [point], "relationships": [], "classifications": [checklist]}
    assert annotation_kinds(block) == {"point": 1, "text": 1, "checklist": 1, "radio": 1}


def test_road_touches_the_picture_s_edges() -> None:
    """The road's outline begins at the vanishing point and reaches the bottom edge on both sides."""
    view = scene(0, 0).view
    ring = road_outline(view)
    assert ring[0] == (view.vanishing_x, view.horizon)
    assert sum(y == view.height for _, y in ring) == 2
    assert all(0 <= x <= view.width and 0 <= y <= view.height for x, y in ring)
