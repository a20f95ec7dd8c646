"""Lines of several sources are put together by row, whatever order they come in, and wherever one is refused."""

from __future__ import annotations

import json
from collections import Counter
from itertools import accumulate, chain, permutations

from hypothesis import given
from hypothesis import strategies as st

from labelsnap.buckets.rows.outcome import Outcome
from labelsnap.buckets.rows.several import Several
from labelsnap.records.choices.policy import Policy, SourcePolicy
from labelsnap.records.lines.fingerprint import fingerprint, joint_fingerprint, same_content
from labelsnap.records.model import Source
from labelsnap.records.parsing.parse import parse

NAMES = ("a", "b", "c")
ROWS = ("r1", "r2", "r3")
WINS = ("b", "c", "a")
POLICIES = tuple(SourcePolicy(name, (Policy(Source("project", f"p-{name}")),)) for name in WINS)

states = st.sampled_from(["absent", "labelled", "bare", "refused", "twice", "mended", "elsewhere"])
"""What a source has of a row: nothing, a label, none, a broken line, two lines, a broken and a good one, no entry."""
plans = st.fixed_dictionaries({(name, row): states for name in NAMES for row in ROWS})


def line(name, row, *, label=True, day=1, broken=False, project=None):
    """A line of a source about a row; each source's label has an id of its own."""
    held = {"objects": [{"name": "car"}] if broken else [], "classifications": [], "relationships": []}
    labels = [{"id": f"{name}-{row}-{day}", "annotations": held}] if label else []
    details = {"last_activity_at": f"2024-01-0{day}T00:00:00Z"}
    data_row = {"id": row, "row_data": "https://host.example/a.jpg", "details": details}
    return json.dumps({"data_row": data_row, "projects": {project or f"p-{name}": {"labels": labels}}}).encode()


def stream(name, plan):
    """The lines of a source, in the order of rows."""
    made = {
        "absent": lambda _: (),
        "labelled": lambda row: (line(name, row),),
        "bare": lambda row: (line(name, row, label=False),),
        "refused": lambda row: (line(name, row, broken=True),),
        "twice": lambda row: (line(name, row, day=2), line(name, row)),
        "mended": lambda row: (line(name, row, broken=True), line(name, row)),
        "elsewhere": lambda row: (line(name, row, project="p-other"),),
    }
    return list(chain.from_iterable(made[plan[name, row]](row) for row in ROWS))


def grouped(plan, order):
    """Records by row without the numbers of their lines, and the outcome, of streams in an order."""
    streams = [stream(name, plan) for name in order]
    firsts = accumulate(map(len, streams[:-1]), initial=1)
    several = Several(POLICIES, tuple(zip(firsts, order, strict=True)))
    lines = list(enumerate(chain.from_iterable(streams), start=1))
    outcome = Outcome()

    def read(number, line, policy):
        return parse(line, policy.source, number=number)

    found = dict(several.records(lines, read, outcome))
    return {record.data_row.id: record for record in found.values()}, outcome, len(lines)


def expected(plan, row):
    """The source that wins a row, and the others that publish it; None: a line is refused, or all lack it."""
    has = {name: plan[name, row] for name in WINS if plan[name, row] not in {"absent", "elsewhere"}}
    if not has or "refused" in has.values():
        return None
    with_label = [name for name in has if has[name] != "bare"]
    first = (with_label or list(has))[0]
    return first, [name for name in has if name != first]


@given(plans)
def test_rows_are_the_same_in_whatever_order_sources_come(plan):
    """Records, policies and problems; each line is in one place, and each source's label stands once."""
    results = [grouped(plan, order) for order in permutations(NAMES)]
    records, outcome, lines = results[0]
    for others, told, _ in results[1:]:
        assert others == records
        assert told.excluded == outcome.excluded
        assert Counter(each.data_row_id for each in told.problems) == Counter(
            each.data_row_id for each in outcome.problems
        )
    assert len(records) + sum(outcome.excluded.values()) + len(outcome.problems) == lines
    wanted = {row: expected(plan, row) for row in ROWS}
    assert records.keys() == {row for row, found in wanted.items() if found}
    for row, record in records.items():
        winner, others = wanted[row]
        assert (record.source, [each.source for each in record.others]) == (winner, others)
        day = {name: 2 if plan[name, row] == "twice" else 1 for name in NAMES}
        for name, entry in ((winner, record.entry), *((each.source, each.entry) for each in record.others)):
            labels = [] if plan[name, row] == "bare" else [f"{name}-{row}-{day[name]}"]
            assert [label.id for label in entry.labels] == labels
    twice = sum(state in {"twice", "mended"} for state in plan.values())
    assert outcome.excluded["duplicate"] == twice


def test_a_line_belongs_to_the_source_whose_stream_has_its_number():
    """A source may have several streams, and one of them no line."""
    several = Several(POLICIES, ((1, "a"), (4, "a"), (4, "b"), (9, "c")))
    told = [several.source_of(number) for number in (1, 3, 4, 8, 9, 10_000)]
    assert told == ["a", "a", "b", "b", "c", "c"]
    assert several.lines([1, 2, 5, 9]) == {
        "sources.a.exported": 2,
        "sources.b.exported": 1,
        "sources.c.exported": 1,
    }


def test_a_row_is_known_again_by_the_lines_of_all_its_sources():
    """In any order; another line, another source of the same line, and one more are another row."""
    one, other = fingerprint(line("a", "r1")), fingerprint(line("b", "r1"))
    joint = joint_fingerprint({"a": one, "b": other})
    assert joint == joint_fingerprint({"b": other, "a": one})
    changed = fingerprint(line("b", "r1", day=2))
    for told in ({"a": one, "b": changed}, {"a": one}, {"a": one, "c": other}, {"a": other, "b": one}):
        assert not same_content(joint, joint_fingerprint(told))


def test_another_split_is_another_row_of_the_same_content():
    """As of one line: a list's split stands behind the digest, and a model run's in the line leaves the rest alone."""
    plain, split = "1" * 32, f"{'2' * 32}-{'1' * 32}"
    assert joint_fingerprint({"a": plain, "b": f"{plain}--val"}).endswith("--val")
    for told in ({"a": plain, "b": split}, {"a": plain, "b": f"{plain}--val"}):
        found, before = joint_fingerprint(told), joint_fingerprint({"a": plain, "b": plain})
        assert found != before
        assert same_content(found, before)
