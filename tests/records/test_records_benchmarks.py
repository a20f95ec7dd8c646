"""Benchmark rows: which label is the gold one, and which is published."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from records_lines import box, label, parsed, row

from labelsnap.records.choices.policy import Policy, select
from labelsnap.records.model import Excluded, Record, Source


def made(label_id: Any, day: Any, *, skipped: Any = False, **more: Any) -> Any:
    """A label by the day of its creation."""
    performance = {"skipped": skipped} | more.pop("performance_details", {})
    details = {"created_at": f"2024-01-0{day}"}
    return label(box(), label_id=label_id, label_details=details, performance_details=performance, **more)


def entry_of(*labels: Any, **details: Any) -> Any:
    """The project's entry of a row with these labels."""
    return parsed(row(*labels, project={"project_details": details})).entry


def gold(*labels: Any, **details: Any) -> Any:
    """The ids of the gold labels of a row, in order."""
    return [each.id for each in entry_of(*labels, **details).labels if each.is_benchmark]


def published_of(*labels: Any, labels_rule: Any = "selected", **details: Any) -> Any:
    """What is made of a row by this rule: its record, or which policy left it out."""
    policy = Policy(Source("project", "p1"), labels=labels_rule)
    return select(parsed(row(*labels, project={"project_details": details})), policy)


def winner(*labels: Any, **details: Any) -> Any:
    """The id of the label that is published of a row."""
    chosen = published_of(*labels, **details)
    assert isinstance(chosen, Record)
    (published,) = chosen.entry.labels
    return published.id


@pytest.mark.parametrize("ways", list(product([False, True], repeat=4)), ids=str)
def test_which_label_wins(ways: Any) -> None:
    """Each way points at another label: alone it wins, and of several the first in the documented order does."""
    own, refer, named, selected = ways
    labels = [
        made("own", 1, **({"benchmark_reference_label": True} if own else {})),
        made("referred", 2),
        made("named", 3),
        made("selected", 4),
        made("other", 5, **({"benchmark_reference_label": "referred"} if refer else {})),
        made("last", 6),
    ]
    details = ({"benchmark_reference_label": "named"} if named else {}) | (
        {"selected_label_id": "selected"} if selected else {}
    )
    expected = ["named"] if named else ["own"] if own else ["referred"] if refer else []
    assert gold(*labels, **details) == expected
    assert winner(*labels, **details) == ("selected" if selected else expected[0] if expected else "last")


@pytest.mark.parametrize("place", ["label", "performance_details"])
@pytest.mark.parametrize(("mark", "is_own"), [(True, True), ("true", True), ("a", True), (False, False), ("", False)])
def test_marks_of_a_labels_own(place: Any, mark: Any, is_own: Any) -> None:
    """A mark is true, or the label's own id, on the label or in its performance details."""
    told = {"benchmark_reference_label": mark}
    first = made("a", 1, **(told if place == "label" else {"performance_details": told}))
    assert gold(first, made("b", 2)) == (["a"] if is_own else [])


@pytest.mark.parametrize("place", ["label", "performance_details"])
def test_others_refer(place: Any) -> None:
    """As Labelbox marks them: all labels but the gold one name it; their scores are kept."""
    told = {"benchmark_reference_label": "gold", "benchmark_score": 0.75}
    others = [
        made(label_id, day, **(told if place == "label" else {"performance_details": told}))
        for label_id, day in (("b", 2), ("c", 3))
    ]
    first, *rest = entry_of(made("gold", 1), *others).labels
    assert (first.is_benchmark, first.benchmark_reference_label, first.benchmark_score) == (True, None, None)
    assert [(each.is_benchmark, each.benchmark_reference_label, each.benchmark_score) for each in rest] == [
        (False, "gold", 0.75)
    ] * 2
    assert winner(made("gold", 1), *others) == "gold"


def refers(label_id: Any, day: Any, to: Any, **more: Any) -> Any:
    """A label that refers to another."""
    return made(label_id, day, benchmark_reference_label=to, **more)


@pytest.mark.parametrize(
    ("labels", "details", "expected", "published"),
    [
        ([refers("a", 1, "elsewhere"), made("b", 2)], {}, [], "b"),
        ([refers("a", 1, "b"), refers("b", 2, "a")], {}, ["a", "b"], "b"),
        ([refers("a", 2, "b"), refers("b", 1, "a"), made("c", 3)], {}, ["a", "b"], "a"),
        ([made("a", 1, skipped=True), refers("b", 2, "a"), refers("c", 3, "a")], {}, ["a"], "c"),
        ([made("a", 1), refers("b", 2, "a", skipped=True), made("c", 3)], {}, ["a"], "a"),
        ([made("a", 1), refers("b", 2, "a")], {"benchmark_reference_label": "elsewhere"}, ["a"], "a"),
        ([made("a", 1), refers("b", 2, "a")], {"selected_label_id": "b"}, ["a"], "b"),
        ([made("a", 1), refers("b", 2, "a")], {"selected_label_id": "elsewhere"}, ["a"], "a"),
        ([refers("a", 1, "a"), refers("b", 2, "c"), made("c", 3)], {}, ["a"], "a"),
    ],
    ids=[
        "not in the row",
        "each other",
        "each other, the later wins",
        "gold is skipped",
        "the other is skipped",
        "project names another row's",
        "selected beside gold",
        "selected is elsewhere",
        "own id beside a reference",
    ],
)
def test_odd_benchmarks(labels: Any, details: Any, expected: Any, published: Any) -> None:
    """References that lead nowhere are none; of several gold labels the one created last wins; skipped ones never."""
    assert gold(*labels, **details) == expected
    assert winner(*labels, **details) == published


@pytest.mark.parametrize(
    ("labels", "details", "expected"),
    [
        ([made("a", 1), refers("b", 2, "a"), refers("c", 3, "a")], {}, "a"),
        ([made("a", 1), refers("b", 2, "a")], {"selected_label_id": "b"}, "a"),
        ([made("a", 1), made("b", 2)], {"benchmark_reference_label": "a"}, "a"),
        ([refers("a", 1, "b"), refers("b", 2, "a")], {}, "b"),
        ([made("a", 1, benchmark_reference_label=True)], {}, "a"),
    ],
    ids=["others refer to it", "another was selected", "the project names it", "of two the later", "alone"],
)
def test_gold_alone(labels: Any, details: Any, expected: Any) -> None:
    """With ``labels: benchmark`` one gold label is published, whatever was selected, and the others are counted."""
    chosen = published_of(*labels, labels_rule="benchmark", **details)
    assert isinstance(chosen, Record)
    assert [each.id for each in chosen.entry.labels] == [expected]
    assert chosen.labels_excluded == ({"not_selected": len(labels) - 1} if len(labels) > 1 else {})


@pytest.mark.parametrize(
    ("labels", "details", "policy", "left_out"),
    [
        ([], {}, "not_benchmark", {}),
        ([made("a", 1)], {"selected_label_id": "a"}, "not_benchmark", {"not_selected": 1}),
        ([refers("a", 1, "elsewhere"), made("b", 2)], {}, "not_benchmark", {"not_selected": 2}),
        ([made("a", 1, skipped=True), refers("b", 2, "a")], {}, "not_benchmark", {"skipped": 1, "not_selected": 1}),
        ([made("a", 1, skipped=True, benchmark_reference_label=True)], {}, "skipped", {"skipped": 1}),
    ],
    ids=["without a label", "selected only", "refers elsewhere", "gold is skipped", "all are skipped"],
)
def test_rows_without_gold(labels: Any, details: Any, policy: Any, left_out: Any) -> None:
    """With ``labels: benchmark`` a row that has no gold label is left out by name, and so are its labels."""
    assert published_of(*labels, labels_rule="benchmark", **details) == Excluded("row1", policy, left_out)


def test_model_runs() -> None:
    """Labels of a model run refer to each other alike; predictions are neither gold nor do they make gold."""
    run = {
        "labels": [made("a", 1), refers("b", 2, "a"), made("p", 3)],
        "predictions": [refers("p", 1, "true"), refers("q", 2, "b"), refers("r", 3, "q")],
    }
    values = row() | {"projects": None, "experiments": {"m": {"runs": {"r": run}}}}
    entry = parsed(values, Source("model_run", "r")).entry
    assert [each.id for each in entry.labels if each.is_benchmark] == ["a"]
    assert not any(each.is_benchmark for each in entry.predictions)
