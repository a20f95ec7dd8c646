"""What a dataset holds, counted by hand."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from format_samples import (
    annotation,
    checklist,
    choices_of,
    count,
    every_kind,
    label,
    mask,
    radio,
    sample,
    samples_of,
    text,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from labelsnap.formats.description.census import Asked, Census, Member, Part, add, bin_of
from labelsnap.records.geometry import BoundingBox, Point, Polygon, Polyline, Vertices
from labelsnap.records.model import DataRowDetails, LabelDetails, Relationship
from labelsnap.records.shapes import shoelace_area
from labelsnap.records.tables.areas import areas_of
from labelsnap.records.tables.tables import to_tables


def thing(name: str, kind: str) -> tuple[str, str, str]:
    """What an object is by which outputs select it: its feature schema, its class and its kind."""
    return f"schema-{name}", name, kind


def test_everything_is_counted_by_split_class_and_what_it_is_about() -> None:
    """A box of 16 × 4 pixels, a mask of one and a point, on one of two images."""
    objects = label(
        annotation(BoundingBox(0, 0, 16, 4)), annotation(mask("#"), name="tree"), annotation(Point(1, 1), name="light")
    )
    found = count([sample(objects), sample(name="empty", split="val")])
    assert found.rows == {"train": 1, "val": 1}
    assert found.endings == {"train": {".png": 1}, "val": {".png": 1}}
    assert dict(found.parts) == {
        Part("train", predicted=False, about=kind, kind=kind, ending=".png", things=(thing(name, kind),)): 1
        for name, kind in (("car", "bounding_box"), ("tree", "mask"), ("light", "point"))
    }
    assert dict(found.members)[Member("train", False, "schema-tree", "tree", "mask")] == 1  # noqa: FBT003
    assert found.objects == {0: 1, 2: 1}
    assert found.sides == {"bounding_box": {8: 1}, "mask": {1: 1}, "point": {0: 1}}


def test_polygons_have_sides_by_the_area_they_enclose() -> None:
    """A right triangle of 10 × 20 pixels has an area of 100, so a side of 10, open or closed; a line has none."""
    corners = ((5.0, 5.0), (15.0, 5.0), (5.0, 25.0))
    rings = (corners, (*corners, corners[0]), Vertices.packed(*zip(*corners, strict=True)))
    objects = label(*[annotation(Polygon(ring)) for ring in rings], annotation(Polyline(corners)))
    assert count([sample(objects)]).sides == {"polygon": {8: 3}, "polyline": {0: 1}}


rings = st.lists(st.tuples(st.floats(0, 4000), st.floats(0, 4000)), min_size=1, max_size=6)


@given(drawn=st.lists(rings | st.tuples(st.floats(0, 50), st.floats(0, 50)), max_size=6))
def test_areas_of_many_objects_are_those_of_each(drawn: list[Any]) -> None:
    """Boxes have the product of their sides, rings what the shoelace formula gives vertex by vertex, in any order."""
    shapes = [BoundingBox(1, 2, *each) if isinstance(each, tuple) else Polygon(tuple(each)) for each in drawn]
    expected = [shoelace_area(each) if isinstance(each, list) else each[0] * each[1] for each in drawn]
    found = areas_of(to_tables([sample(label(*map(annotation, shapes)))])["annotations"])
    assert found.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_questions_count_under_what_they_are_about() -> None:
    """Of the radio questions in ``train``, two are about a box, one about a line, one about an image."""
    source = every_kind()
    found = dict(count(samples_of(source, "train")).parts)
    radios: Counter[str] = Counter()
    for part, number in found.items():
        if part.kind == "radio" and not part.predicted:
            radios[part.about] += number
    assert radios == {"bounding_box": 2, "image": 1, "polyline": 1}
    predicted = {(part.about, part.kind): count for part, count in found.items() if part.predicted}
    assert predicted == {
        ("bounding_box", "bounding_box"): 1,
        ("bounding_box", "radio"): 1,
        ("image", "radio"): 1,
        ("mask", "mask"): 1,
        ("polyline", "polyline"): 1,
    }


def test_objects_without_an_area_are_told_apart_with_what_is_asked_about_them() -> None:
    """A box of no width has a question, below whose answer there is another; a point has no area by its kind."""
    deep = radio("colour", "red", radio("shade", "dark"))
    objects = [annotation(BoundingBox(1, 1, width, 2), answers=[deep]) for width in (0, 3)]
    found = dict(count([sample(label(*objects, annotation(Point(1, 1))), copied=False)]).parts)
    box = {"split": "train", "predicted": False, "about": "bounding_box", "things": (thing("car", "bounding_box"),)}
    assert found == {
        **{Part(**box, kind="bounding_box", flat=flat): 1 for flat in (False, True)},
        **{Part(**box, kind="radio", flat=flat): 1 for flat in (False, True)},
        **{Part(**box, kind="radio", flat=flat, above=("radio",)): 1 for flat in (False, True)},
        Part("train", predicted=False, about="point", kind="point", things=(thing("car", "point"),)): 1,
    }


def test_questions_about_objects_are_counted_by_path() -> None:
    """A nested one with the question above it; not those about images or relationships."""
    deep = radio("colour", "red", checklist("wear", "rust"))
    tie = Relationship("f-tie", None, "before", None, "f-1", "f-2", (radio("seen", "yes"),))
    objects = [annotation(BoundingBox(1, 1, width, 2), answers=[deep]) for width in (3, 4, 0)]
    drawn = label(*objects, relationships=[tie], answers=[radio("weather", "fog")])
    found = dict(count([sample(drawn, predictions=[label(annotation(Point(1, 1), answers=[deep]))])]).asked)
    box, point = (False, "bounding_box"), (True, "point")
    of_box, of_point = ({"things": (thing("car", kind),)} for kind in ("bounding_box", "point"))
    below = {"above": ("radio",)}
    assert found == {
        Asked(*box, "radio", ("colour",), **of_box): 2,
        Asked(*box, "checklist", ("colour", "wear"), **of_box, **below): 2,
        Asked(*box, "radio", ("colour",), flat=True, **of_box): 1,
        Asked(*box, "checklist", ("colour", "wear"), flat=True, **of_box, **below): 1,
        Asked(*point, "radio", ("colour",), **of_point): 1,
        Asked(*point, "checklist", ("colour", "wear"), **of_point, **below): 1,
    }


def test_relationships_and_what_is_answered_about_them_are_counted_by_their_two_objects() -> None:
    """With the classes and kinds of both ends; an answer below another knows the kinds of what it hangs on."""
    tie = Relationship("f-tie", None, "before", None, "f-1", "f-2", (radio("seen", "yes", text("where", "left")),))
    ends = annotation(BoundingBox(0, 0, 1, 1), feature_id="f-1"), annotation(mask("#"), name="tree", feature_id="f-2")
    found = dict(count([sample(label(*ends, relationships=[tie]), copied=False)]).parts)
    both = (thing("car", "bounding_box"), thing("tree", "mask"))
    of_tie = {"split": "train", "predicted": False, "about": "relationship", "things": both}
    assert {part: number for part, number in found.items() if part.about == "relationship"} == {
        Part(**of_tie, kind="relationship"): 1,
        Part(**of_tie, kind="radio", above=("relationship",)): 1,
        Part(**of_tie, kind="text", above=("radio", "relationship")): 1,
    }


def test_rows_with_more_regions_than_8_bits_number_are_counted() -> None:
    """Over all parts; a row of many boxes is not one."""
    region, frame = annotation(mask("#")), annotation(BoundingBox(0, 0, 1, 1))
    rows = [sample(label(*[each] * 255), name=name) for name, each in (("a", region), ("b", region), ("c", frame))]
    assert [count(rows[:end]).crowded for end in range(4)] == [0, 1, 2, 2]
    assert add([count([row]) for row in rows]).crowded == 2


def test_latest_change_is_a_rows_or_a_labels() -> None:
    """The dataset's date is that of its last change at Labelbox, not that of the run."""
    changed = replace(label(), details=LabelDetails(updated_at="2024-05-02T10:00:00.000+00:00"))
    seen = sample(changed)
    row = replace(seen.record.data_row, details=DataRowDetails(last_activity_at="2024-04-08T16:34:01.000+00:00"))
    found = count([replace(seen, record=replace(seen.record, data_row=row)), sample(name="other")])
    assert found.latest == "2024-05-02T10:00:00Z"


def test_times_of_changes_are_compared_as_instants() -> None:
    """Whatever zone they are told in; what tells no time gives way to what does."""
    told = "2024-05-02T23:30:00-02:00", "2024-05-03T01:15:00.500Z", "2024-05-03T03:00:00+02:00", "never"
    rows = [sample(replace(label(), details=LabelDetails(updated_at=text)), name=text) for text in told]
    assert count(rows).latest == "2024-05-03T01:30:00Z"
    vague = LabelDetails(content_last_updated_at="never", created_at="2024-05-04T00:00:00+09:00")
    assert count([sample(replace(label(), details=vague))]).latest == "2024-05-03T15:00:00Z"
    assert count([sample(replace(label(), details=LabelDetails(updated_at="never")))]).latest == ""


@given(parts=st.lists(st.integers(0, 3), max_size=4))
def test_counts_over_parts_add_up_to_counts_over_the_whole(parts: list[int]) -> None:
    """However rows are divided, the sum is the same; a census survives a receipt."""
    rows = [row for split in ("train", "val") for row in samples_of(every_kind(), split)]
    borders = sorted({0, *parts, len(rows)})
    divided = [count(rows[start:end]) for start, end in pairwise(borders)]
    sent = [msgspec.json.decode(msgspec.json.encode(each), type=Census) for each in divided]
    assert add(sent) == count(rows)


def test_answers_about_images_are_those_of_rows_with_one_answer() -> None:
    """In all labels of a row, nested questions by their path; of a question without such a row it is known as asked."""
    nested = radio("weather", "wet", radio("rain", "strong"))
    twice = [label(answers=[radio("time", answer)]) for answer in ("dawn", "dusk")]
    rows = [
        sample(label(answers=[radio("time", "day"), nested]), name="a"),
        sample(label(answers=[radio("time", "night")]), label(answers=[radio("time", "night")]), name="b", split="val"),
        sample(*twice, name="c"),
        sample(*(label(answers=[radio("mood", answer)]) for answer in ("good", "bad")), name="d"),
        sample(label(annotation(Point(1, 1), answers=[radio("colour", "red")])), predictions=twice[:1], name="e"),
    ]
    expected = {"mood": (), "time": ("day", "night"), "weather": ("wet",), "weather/rain": ("strong",)}
    assert count(rows).choices == expected
    assert add(count([each]) for each in rows).choices == expected
    assert {question: frozenset(answers) for question, answers in expected.items()} == choices_of(rows)


def test_bytes_of_images_are_added_up_by_split() -> None:
    """Of those that were copied; two in one split, none of an image that is referred to."""
    copied = sample(name="a"), sample(name="b"), sample(name="c", split="val")
    (size,) = {each.image.size for each in copied}
    assert size
    assert count([*copied, sample(name="d", split="test", copied=False)]).image_bytes == {
        "train": 2 * size,
        "val": size,
    }


def test_nothing_is_counted_as_nothing() -> None:
    """No rows are no counts, and the sum of no censuses is that of no rows."""
    assert add([]) == count([]) == Census()


def test_bins_are_powers_of_two() -> None:
    """The least value of each bin, from 0 up."""
    assert [bin_of(value) for value in (0, 1, 2, 3, 4, 7, 8, 1000)] == [0, 1, 2, 2, 4, 4, 8, 512]
