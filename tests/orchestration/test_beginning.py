"""How a run begins: every case of what may have been left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from msgspec.structs import replace

from tasks.run.beginning import Beginning, Head, Left, begin

NOW = datetime(2024, 5, 6, 12, tzinfo=UTC)
HOURS = 10


def ago(**duration):
    """A moment before now."""
    return NOW - timedelta(**duration)


HEAD = Head(3, "c" * 64)
LEFT = Left(Beginning("run-1", "flow-1", HEAD, ago(hours=2), ago(hours=2), ago(hours=2)), ago(minutes=5))


def changed(*, left=None, **beginning):
    """What was left, but for these."""
    return replace(LEFT, beginning=replace(LEFT.beginning, **beginning), **(left or {}))


def begun(left, *, cause="flow-1", head=HEAD):
    """How a run begins now."""
    return begin(head, left, cause=cause, run="run-2", now=NOW, hours=HOURS)


@pytest.mark.parametrize(
    ("left", "cause", "head", "way"),
    [
        # nothing to go on with
        (None, "flow-1", HEAD, "anew"),
        (changed(left={"published": True}), "flow-1", HEAD, "anew"),
        (changed(left={"published": True}), "flow-2", HEAD, "anew"),
        (changed(working_since=ago(days=6, seconds=1)), "flow-1", HEAD, "anew"),
        (changed(working_since=ago(days=6, seconds=1)), "flow-2", HEAD, "anew"),
        (changed(working_since=ago(days=-6, seconds=-1)), "flow-2", HEAD, "anew"),
        # another flow run: the work, never the export
        (LEFT, "flow-2", HEAD, "over"),
        (changed(given_up=True), "flow-2", HEAD, "over"),
        (changed(left={"last_sign": ago(hours=11)}), "flow-2", HEAD, "over"),
        (changed(working_since=ago(days=6)), "flow-2", HEAD, "over"),
        (LEFT, "flow-2", Head(4, "d" * 64), "over"),
        # a retry of the same flow run: its own export, unless that is of no use any more
        (LEFT, "flow-1", HEAD, "on"),
        (LEFT, "flow-1", Head(5, "c" * 64), "on"),  # an expiry and a fence: the same manifest
        (changed(way="over"), "flow-1", HEAD, "on"),
        (changed(left={"last_sign": ago(hours=10)}), "flow-1", HEAD, "on"),
        (changed(given_up=True), "flow-1", HEAD, "over"),
        (changed(left={"last_sign": ago(hours=10, seconds=1)}), "flow-1", HEAD, "over"),
        (changed(left={"last_sign": ago(hours=-10)}), "flow-1", HEAD, "on"),
        (changed(left={"last_sign": ago(hours=-10, seconds=-1)}), "flow-1", HEAD, "over"),
        (LEFT, "flow-1", Head(4, "d" * 64), "over"),
        (LEFT, "flow-1", Head(5, "c" * 64, ("d" * 64,)), "over"),  # a rollback: what stands behind is to be taken over
        (LEFT, "flow-1", Head(), "over"),
        (changed(base=Head()), "flow-1", HEAD, "over"),
    ],
)
def test_every_case(left, cause, head, way):
    """Go on, take the work over, or begin anew."""
    assert begun(left, cause=cause, head=head).way == way


def test_whatever_was_left():
    """A run stands on the head; what it is noted to hold is as of its own cause, or of a retry's first attempt."""
    yes_or_no = (False, True)
    cases = product(yes_or_no, yes_or_no, (0, 7), (1, 11), ("flow-1", "flow-2"), (HEAD, Head(4, "d" * 64)))
    for published, given_up, days, signs, cause, head in cases:
        signs_of_life = {"published": published, "last_sign": ago(hours=signs)}
        left = changed(left=signs_of_life, given_up=given_up, working_since=ago(days=days))
        found = begun(left, cause=cause, head=head)
        assert (found.base.manifest, found.cause, found.given_up) == (head.manifest, cause, False)
        assert found.exported_since == (left.beginning.exported_since if found.way == "on" else NOW)
        assert found.run == ("run-1" if found.way == "on" else "run-2")
        assert found.working_since == (NOW if found.way == "anew" else left.beginning.working_since)


@pytest.mark.parametrize(("cause", "way"), [("flow-1", "on"), ("flow-2", "over")])
def test_objects_are_looked_for_again_after_an_hour(cause, way):
    """Until then the limit of publishing counts from when they were looked for first; an export's moment is another."""
    far_ahead = ago(hours=-1, seconds=-1)
    for looked, since in ((ago(hours=1), ago(hours=1)), (ago(hours=1, seconds=1), NOW), (far_ahead, NOW)):
        found = begun(changed(looking_since=looked), cause=cause)
        assert (found.way, found.looking_since) == (way, since)
        assert found.exported_since == (ago(hours=2) if way == "on" else NOW)


def test_an_export_that_is_gone_on_with_was_not_begun_in_the_future():
    """A clock that was ahead noted it: hints that come before then are not answered by it."""
    found = begun(changed(exported_since=ago(hours=-3)))
    assert (found.way, found.exported_since) == ("on", NOW)
