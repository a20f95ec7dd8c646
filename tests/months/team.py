"""A team and its dataset: the rules that every history has, and one model of what must be."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from flows import cli
from flows.refresh import refresh
from tests.months.plain import Folder
from tests.months.power import Point, Power, PowerCutError
from tests.months.project import CLASSES, Clock, Project

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 5
"""How many rows there are at first."""
SOON = {"minutes": 10}
"""After so long what was killed is started again: its lease has lapsed, and a poll looks back less far."""

ANY = st.integers(0, 11)
"""One of several, by its place from the end."""
LAST = st.booleans()
"""Whether a change is the last one before a refresh."""
SCHEMA = st.sampled_from(list(CLASSES))
DRAWN = st.one_of(st.tuples(SCHEMA), st.tuples(SCHEMA, SCHEMA).filter(lambda pair: pair[0] != pair[1]), st.just(()))
POINTS = st.sampled_from(
    [
        Point("put", r"work/.+/receipts/export-", after=False),
        Point("put", r"work/.+/receipts/export-", after=True),
        Point("put", r"work/.+/receipts/(result|window)-", after=True),
        Point("put", r"work/.+/receipts/bucket-", after=True),
        Point("put", r"work/.+/receipts/bucket-", after=True, times=2),
        Point("put", r"manifests/", after=False),
        Point("create", r"commits/", after=False),
        Point("create", r"commits/", after=True),
        Point("put", r"work/exported\.json", after=False),
        Point("put", r"work/exported\.json", after=True),
    ]
)


@dataclass
class Event:
    """What happens in the middle of a run: at a point the power goes or not, and a row is edited or not."""

    point: Point
    kills: bool
    is_retried: bool
    edits: int | None
    changed: tuple = ()

    def happen(self, machine):
        """The point is met."""
        if self.edits is not None:
            look = machine.project.edit(machine.pick(self.edits), ("schema-4-dog",))
            machine.changed(look)
            self.changed = (look.id,)
            machine.hear()


def killed():
    """A kill, after which nobody starts the run again by itself, or Prefect does, after a row was edited or not."""
    retried = st.builds(Event, POINTS, st.just(value=True), st.just(value=True), st.none() | ANY)
    return st.builds(Event, POINTS, st.just(value=True), st.just(value=False), st.none()) | retried


@dataclass
class World:
    """What all histories share: the project, the store's power, and the flow run; where to put datasets."""

    project: Project
    power: Power
    directory: Path
    dataset: object
    runtime: object
    numbers: object = field(default_factory=count)


@dataclass(frozen=True)
class Outcome:
    """Of a run: whether it came to its end, and whether the newest version holds what was expected, and as of when."""

    ended: bool
    is_as_begun: bool
    is_as_ended: bool


class Team(RuleBasedStateMachine):
    """A team edits rows and refreshes the dataset."""

    world: World

    def __init__(self):
        super().__init__()
        self.project, self.power = self.world.project, self.world.power
        self.clock = Clock()
        self.root = self.world.directory / str(next(self.world.numbers))
        self.dataset = self.world.dataset(self.root)
        self.url = self.dataset.url
        self.folder = Folder(self.root / "streets")
        self.versions, self.kept, self.gone, self.lost = {}, set(), set(), set()
        self.classes, self.splits = {}, {}
        self.unseen = set()
        self.deliveries = (f"delivery-{number}" for number in count())
        self.pending = set()
        self.foreign = set()

    def teardown(self):
        self.power.arm(None, None, cut=False)

    # What is at the source

    @initialize()
    def begin(self):
        self.project.begin(self.clock, ROWS)
        self.refresh()

    def pick(self, number):
        """A row by its index."""
        indexes = sorted(self.project.rows)
        return indexes[-1 - number % len(indexes)]

    def changed(self, look):
        """The dataset lacks what happened to a row."""
        self.unseen.add(look.id)

    def hear(self):
        """Nobody listens to webhooks."""

    def leaves_some(self, index):
        """Whether there are rows that are Done besides this one: an empty export is refused."""
        return any(look.done for other, look in self.project.rows.items() if other != index)

    @rule(number=ANY, classes=DRAWN, is_last=LAST)
    def edit(self, number, classes, is_last):
        self.changed(self.project.edit(self.pick(number), tuple(classes)))
        self.refresh(is_last)

    @rule(done=st.booleans(), classes=DRAWN, is_last=LAST)
    def add(self, done, classes, is_last):
        self.changed(self.project.add(done=done, classes=classes))
        self.refresh(is_last)

    @rule(number=ANY, is_last=LAST)
    def delete(self, number, is_last):
        index = self.pick(number)
        if self.leaves_some(index):
            self.project.delete(index)
        self.refresh(is_last)

    @rule(number=ANY, is_last=LAST)
    def move(self, number, is_last):
        index = self.pick(number)
        if self.leaves_some(index):
            self.changed(self.project.move(index, done=not self.project.rows[index].done))
        self.refresh(is_last)

    # What is done about it

    @rule()
    def refresh(self, is_last=True):
        """Publish what the source holds, unless something else is to happen before."""
        if is_last:
            self.refreshed()

    def refreshed(self, event=None):
        """Run a refresh: it publishes what the source holds when it is started, or later."""
        outcome = self.run(refresh, (), self.project.published, event)
        if outcome.is_as_ended:
            self.unseen = set()
        elif outcome.is_as_begun:
            self.unseen = set(event.changed)
        return outcome

    def run(self, base_flow, arguments, expected, event=None):
        """Run a flow; check that it leaves what is expected as of its beginning or its end, or what there was."""
        self.clock.pass_time(seconds=30)
        before, begun = self.latest.rows if self.versions else None, expected()
        self.world.runtime.flow_run.id = f"flow-run-{next(self.world.numbers)}"
        self.power.arm(event and event.point, event and (lambda: event.happen(self)), cut=bool(event and event.kills))

        ended = self.attempted(base_flow, arguments) or (event.is_retried and self.attempted(base_flow, arguments))
        self.power.arm(None, None, cut=False)
        later = expected()
        allowed = [later, begun] if ended or before is None else [later, begun, before]
        self.catch_up(allowed, most=2 if event and event.is_retried and event.changed else 1)
        held = self.latest.rows if self.versions else None
        return Outcome(ended, held == begun, held == later)

    def attempted(self, base_flow, arguments):
        """Whether a flow run came to its end; after a kill, ten minutes pass until anything is started again."""
        try:
            base_flow.fn(self.dataset, *arguments)
        except PowerCutError:
            self.clock.pass_time(**SOON)
            self.power.restore()
            return False
        return True

    # What the dataset holds

    @property
    def head(self):
        """The number of the newest version."""
        return max(self.versions)

    @property
    def latest(self):
        """What the newest version holds."""
        return self.versions[self.head][1]

    def catch_up(self, allowed, most):
        """Take in new versions, each of which, and the newest one, holds one of what is allowed."""
        records = self.folder.records()
        new = sorted(records.keys() - self.versions.keys())
        first = len(self.versions) + 1
        assert new == list(range(first, first + len(new))), "versions have gaps"
        assert len(new) <= most, "too many versions were made"
        for number in new:
            version = self.folder.version(records[number]["manifest"])
            self.versions[number] = records[number]["manifest"], version
            self.kept.add(number)
            assert version.rows in allowed, f"version {number} holds something else"
            self.hold_on(version)
        if self.versions:
            assert self.latest.rows in allowed, "the newest version holds something else"

    def hold_on(self, version):
        """Ids of classes and splits of rows are what they ever were."""
        for schema, number in version.classes.items():
            assert self.classes.setdefault(schema, number) == number, f"{schema} has another id"
        assert len(set(self.classes.values())) == len(self.classes), "an id means two classes"
        for row_id, split in version.splits.items():
            assert self.splits.setdefault(row_id, split) == split, "a row has moved to another split"

    @invariant()
    def versions_read_whole(self):
        records = self.folder.records() if self.versions else {}
        assert records.keys() == self.versions.keys() - self.gone
        for number in self.kept:
            manifest, version = self.versions[number]
            assert number in self.lost or records[number]["manifest"] == manifest
            assert self.folder.version(manifest).rows == version.rows

    @invariant()
    def hints_wait(self):
        assert self.waiting() >= self.pending, "a hint that nobody has answered is gone"

    def waiting(self):
        """The deliveries for which no refresh was started."""
        paths = (self.folder.root / "work/hints").glob("*.json")
        return {path.stem for path in paths if path.read_bytes() == b'"new"'}

    @invariant()
    def foreign_files_stay(self):
        for path in self.foreign:
            assert path.is_file(), f"{path} was somebody else's"

    def command(self, *arguments):
        """Run the command line; give its exit status, and what it prints as JSON."""
        output = io.StringIO()
        with (
            patch.object(sys, "argv", ["labelsnap", *map(str, arguments), "--json"]),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            try:
                cli.run()
                status = 0
            except SystemExit as left:
                status = left.code or 0
        return status, json.loads(output.getvalue() or "null")

    def pick_version(self, number):
        """A kept version by its number."""
        versions = sorted(self.kept)
        return versions[-1 - number % len(versions)]
