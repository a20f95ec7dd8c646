"""Lines whose row stands in several projects and model runs: the asked one alone is looked at, on either road."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from records_lines import P1, as_line, box, label, parsed, row, shape
from test_records_refusals import json_values
from test_records_shapes import TIE

from labelsnap.records.model import Problem, Row, Source
from labelsnap.records.parsing.parse import parse

R1 = Source("model_run", "r1")
MARK = b"\xef\xbb\xbf"
"""With a byte order mark every line is read leniently."""
REFUSED = {"bounding_box": {"top": "high"}}
BAD_LABELS = [
    label(shape("PointCloudCuboid")),
    label(shape("VideoBoundingBox")),
    label(label_kind="Video"),
    label(label_id=None),
    label(box(**REFUSED)),
    label(box(), box(name="bus")),
    label(TIE, TIE | {"name": "has"}),
    label(annotations={"classifications": [{"name": "q"}]}),
    label(performance_details={"consensus_score": "high"}),
    label(benchmark_reference_label="l1"),
]


def of_both(**label_changes: Any) -> Any:
    """A row of the project ``p1`` and of the model run ``r1``."""
    made = label(box(), **label_changes)
    run = {"name": "R", "run_data_row_id": "x", "labels": [made], "predictions": [label(box(confidence=0.5))]}
    return row(made, experiments={"m": {"name": "M", "runs": {"r1": run}}})


def is_read_as(line: Any, values: Any, source: Any) -> None:
    """A line is the row, or the problem, that the JSON values are, read strictly or not; its own bytes are hashed."""
    expected = parse(as_line(values), source, number=1, keep_embeddings=True)
    for way in (line, MARK + line):
        found = parse(way, source, number=1, keep_embeddings=True)
        if isinstance(expected, Row):
            assert isinstance(found, Row)
            assert replace(found, fingerprint="") == replace(expected, fingerprint="")
        else:
            assert found == expected


any_json = json_values | st.sampled_from([{"labels": [each]} for each in BAD_LABELS]) | st.just({"name": "cut \ud83d"})
ids = st.text(max_size=5).filter(lambda text: text not in {"p1", "r1", "m"})


@given(any_json, any_json, ids, st.sampled_from([P1, R1]), st.sampled_from([{}, {"performance_details": 5}, REFUSED]))
def test_whatever_stands_elsewhere_changes_nothing(held: Any, other: Any, key: Any, source: Any, changes: Any) -> None:
    """Any JSON under another project, another run or another model gives the row, or problem, of the line without."""
    values = of_both(**changes)
    without = json.loads(json.dumps(values))
    values["projects"] = {f"{key}1": held} | values["projects"] | {f"{key}2": other}
    values["experiments"]["m"]["runs"] = {f"{key}1": held} | values["experiments"]["m"]["runs"] | {f"{key}2": other}
    values["experiments"] = {f"{key}3": held} | values["experiments"] | {f"{key}4": {"runs": {f"{key}5": other}}}
    is_read_as(json.dumps(values).encode(), without, source)


@pytest.mark.parametrize("source", [P1, R1])
@pytest.mark.parametrize("found", BAD_LABELS)
def test_bad_labels_elsewhere(source: Any, found: Any) -> None:
    """Other media, doubled ids, wrong types and gold marks elsewhere neither refuse the row nor are noted."""
    values = of_both()
    values["projects"]["p2"] = {"labels": [found], "project_details": {"selected_label_id": 5, "priority": "x"}}
    values["experiments"]["m"]["runs"]["r2"] = {"labels": [found], "predictions": [found, found | {"version": "2"}]}
    made = parsed(values, source)
    assert [(each.id, each.is_benchmark) for each in made.entry.labels] == [("l1", False)]
    assert (made.unreadable, made.text_replaced) == ((), 0)


@pytest.mark.parametrize("held", [None, 5, "x", [], [1], {"r1": 5}, {"m": 5}, {"p1": {"labels": [{}]}}], ids=repr)
def test_the_other_kind_of_source_is_not_looked_at(held: Any) -> None:
    """Of a project's row the models may be anything at all, and of a model run's row the projects."""
    assert parsed(of_both() | {"experiments": held}, P1) == replace(
        parsed(of_both(), P1), fingerprint=parsed(of_both() | {"experiments": held}, P1).fingerprint
    )
    is_read_as(as_line(of_both() | {"projects": held}), of_both(), R1)


@pytest.mark.parametrize(
    "held", [5, "x", [1], {"p2": 5}, {"p2": {"labels": [label(shape("VideoBoundingBox"))]}}, None, {}, []], ids=repr
)
def test_a_line_without_the_asked_source(held: Any) -> None:
    """It has no entry, whatever is wrong with others; where projects are no object, it cannot be told."""
    values = of_both() | {"projects": held}
    for way in (b"", MARK):
        found = parse(way + as_line(values), P1, number=1)
        if held in (5, "x", [1]):
            assert isinstance(found, Problem)
            assert (found.code, found.path) == ("wrong_type", "$.projects")
        else:
            assert isinstance(found, Row)
            assert (found.entry, found.unreadable) == (None, ())


def test_text_is_counted_where_it_is_read() -> None:
    """Half a character, and bytes that are no UTF-8, count in the row and in its project, and nowhere else."""
    values = of_both() | {"new": "HERE"}
    values["projects"]["p1"]["name"] = "HERE"
    values["projects"]["p2"] = "HERE"
    values["experiments"]["m"]["runs"]["r2"] = ["HERE"]
    for cut in (rb"\ud83d", b"\xff"):
        found = parse(as_line(values).replace(b"HERE", cut), P1, number=1)
        assert isinstance(found, Row)
        assert found.entry is not None
        assert (found.entry.name, found.text_replaced) == ("\ufffd", 2)


def test_a_row_id_is_whole_whatever_text_stands_elsewhere() -> None:
    """A row's id that has U+FFFD in it is its id, also where another project's text is cut."""
    values = row(label(box()), data_row={"id": "r\ufffd"})
    values["projects"]["p2"] = "HERE"
    found = parse(as_line(values).replace(b"HERE", rb"\ud83d"), P1, number=1)
    assert isinstance(found, Row)
    assert found.data_row.id == "r\ufffd"


def test_deep_nesting_elsewhere() -> None:
    """What is nested as deep as a line may be costs no row."""
    deep = '{"a":' * 300 + "[]" + "}" * 300
    line = as_line(of_both() | {"experiments": "HERE"}).replace(b'"HERE"', deep.encode())
    is_read_as(line, of_both() | {"experiments": None}, P1)


GOOD, BAD = as_line({"name": "good", "labels": [label(box())]}), as_line({"labels": [label(box(**REFUSED))]})
ESCAPED = rb"\u0070\u0031"


@pytest.mark.parametrize("key", [b"p1", ESCAPED], ids=["plain", "escaped"])
@pytest.mark.parametrize("between", [b"", b'"p2":5,'], ids=["neighbours", "apart"])
def test_of_a_key_that_stands_twice_the_last_counts(key: Any, between: Any) -> None:
    """As in any JSON; a damaged one before it does not, and two objects called projects are no different."""
    line = as_line(row(projects=5))
    held = line.replace(b'"projects":5', b'"projects":{"p1":%b,%b"%b":%b}' % (BAD, between, key, GOOD))
    twice = line.replace(b'"projects":5', b'"projects":{"p1":%b},"projects":{%b"%b":%b}' % (BAD, between, key, GOOD))
    for each in (held, twice):
        is_read_as(each, row(projects={"p1": json.loads(GOOD)}), P1)
    last = line.replace(b'"projects":5', b'"projects":{"%b":%b,%b"p1":%b}' % (key, GOOD, between, BAD))
    is_read_as(last, row(projects={"p1": json.loads(BAD)}), P1)


@pytest.mark.parametrize("held", [None, {}, [], {"labels": None}], ids=repr)
def test_an_asked_source_that_is_empty(held: Any) -> None:
    """Null, or an empty object or list, under the asked id is a row without labels."""
    for values, source in (
        (row(projects={"p1": held, "p2": 5}), P1),
        (row(experiments={"m": {"runs": {"r1": held, "r2": 5}}}), R1),
    ):
        is_read_as(as_line(values), values, source)
        entry = parsed(values, source).entry
        assert (entry.id, entry.labels) == (source.id, ())


def test_a_run_that_two_models_have_is_the_first_ones() -> None:
    """The models before it, and all after it, may be anything."""
    run = {"labels": [label(box())]}
    values = row(experiments={"a": {"runs": 5}, "b": {"name": "B", "runs": {"r1": run}}, "c": {"runs": {"r1": 5}}})
    is_read_as(as_line(values), row(experiments={"b": {"name": "B", "runs": {"r1": run}}}), R1)
    assert parsed(values, R1).entry.model_id == "b"


@pytest.mark.parametrize("asked", ["a b.c-[0]", "projects", "labels", "é", "$"])
def test_any_id_may_be_asked_for(asked: Any) -> None:
    """An id with dots, brackets or blanks is one key; a path names it where it is a plain identifier."""
    source = Source("project", asked)
    assert parsed(row(projects={asked: {"labels": [label()]}}), source).entry.labels[0].id == "l1"
    found = parse(as_line(row(projects={asked: json.loads(BAD)})), source, number=1)
    assert isinstance(found, Problem)
    named = f".{asked}" if asked.isalpha() and asked.isascii() else "[...]"
    assert found.path == f"$.projects{named}.labels[0].annotations.objects[0].bounding_box.top"
