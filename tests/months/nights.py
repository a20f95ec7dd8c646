"""Many nights with one dataset, in any order and killed at any call of the store: nothing is lost, and nothing gathers.

A refresh is what its tasks do of a few rows whose images are referred to: tables by buckets, each bucket's part of
every format, joined documents, packs, and the publication. All else is what the commands call.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from labelsnap.records.choices.splits import SPLITS
from labelsnap.snapshots import Committed, collect, commit, expire, rollback, tag, untag
from labelsnap.snapshots.checking.verify import verify
from labelsnap.snapshots.manifest import digest, encode
from labelsnap.storage import probe
from tests.buckets.converting import SHAPES, Converting, Row
from tests.months.plain import Folder, check_not_scattered
from tests.months.power import Point, Power, PowerCutError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.months.project import Clock

ROWS = 12
BUCKETS = 2
FORMATS = {"coco": {}, "yolo": {"task": "segment"}}
MOST_RECORDS = 6
"""What tells of collections, once all have rested."""
MOST_TO_FRESH = 1.3
NUMBER = st.integers(0, ROWS - 1)
ANY = st.integers(0, 7)
"""One of several, by its place from the newest."""
SHAPE = st.integers(0, len(SHAPES) - 1)
KILLS = st.none() | st.builds(Point, st.just(""), st.just(""), st.booleans(), st.integers(1, 150))


def patient(_):
    """Wait no time: the clock is moved by the test."""


@dataclass
class Place:
    """Where histories have their datasets, and what they share."""

    folder: Path
    power: Power
    clock: Clock
    numbers: object


class Nights(RuleBasedStateMachine):
    """A dataset, and what has been published of it."""

    place: Place

    def __init__(self):
        super().__init__()
        self.root = self.place.folder / str(next(self.place.numbers))
        self.converting = Converting(self.root, FORMATS, BUCKETS)
        self.store = self.converting.store
        self.folder = Folder(self.root / "street-scenes")
        self.names = count()
        self.rows = {}
        self.made = {}
        self.tags = {}

    def teardown(self):
        if self.made:
            self.come_to_rest()

    # What is at the source

    @initialize()
    def begin(self):
        self.place.clock.pass_time(days=1)
        self.rows = {number: number % len(SHAPES) for number in range(ROWS - 4)}
        self.refresh(None)

    @rule(number=NUMBER, shape=SHAPE)
    def edit_or_add(self, number, shape):
        self.rows[number] = shape

    @precondition(lambda self: len(self.rows) > 1)
    @rule(number=ANY)
    def remove(self, number):
        del self.rows[sorted(self.rows)[number % len(self.rows)]]

    # What is done about it

    @rule(kill=KILLS)
    def refresh(self, kill):
        name = f"run-{next(self.names)}"
        self.attempted(kill, lambda: self.publish(name))

    def named(self):
        """The rows by name, each in a split for good."""
        return {f"row{number:02}": Row(shape, SPLITS[number % 5 % 3]) for number, shape in self.rows.items()}

    def publish(self, name):
        """Publish the rows upon the newest version, unless that has them.

        What a rollback left behind is taken over thereby: class ids and splits are the same in all versions.
        """
        started_at = probe(self.store)
        records = self.folder.records() if self.made else {}
        head = records[max(records)] if records else None
        base = self.made[head["manifest"]] if head else None
        version = self.converting.convert(self.named(), base)
        sha256 = digest(encode(version.manifest))
        if head is None or head["manifest"] != sha256:
            self.made[sha256] = version
            number = head["version"] if head else 0
            outcome = commit(
                self.store,
                version.manifest,
                publish_id=name,
                parent=number,
                started_at=started_at,
                sleep=patient,
            )
            assert isinstance(outcome, Committed)

    @rule(number=ANY, kill=KILLS)
    def roll_back(self, number, kill):
        self.attempted(kill, lambda: rollback(self.store, self.pick(number), sleep=patient))

    @rule(number=ANY, kill=KILLS)
    def name(self, number, kill):
        name, version = f"tag-{next(self.names)}", self.pick(number)
        self.attempted(kill, lambda: tag(self.store, name, version, sleep=patient))
        if (self.folder.root / f"tags/{name}.json").is_file():
            self.tags[name] = version

    @precondition(lambda self: self.tags)
    @rule(number=ANY, kill=KILLS)
    def take_a_name_away(self, number, kill):
        name = list(self.tags)[number % len(self.tags)]
        self.attempted(kill, lambda: untag(self.store, name))
        if not (self.folder.root / f"tags/{name}.json").is_file():
            del self.tags[name]
        else:
            assert kill is not None, "the name is still there"

    @rule(keep=st.integers(1, 4), kill=KILLS)
    def expire(self, keep, kill):
        self.attempted(kill, lambda: expire(self.store, keep=keep, sleep=patient))

    @rule(kill=KILLS)
    def collect(self, kill):
        self.attempted(kill, lambda: collect(self.store, sleep=patient))

    @rule(hours=st.sampled_from([1, 13, 25, 8 * 24, 8 * 24]))
    def pass_time(self, hours):
        self.place.clock.pass_time(hours=hours)

    def attempted(self, kill, work):
        """Do it, and let the power go at a point of it, if there are so many calls; some time passes."""
        self.place.power.arm(kill, lambda: None, cut=kill is not None)
        try:
            work()
        except PowerCutError:
            pass
        finally:
            self.place.power.arm(None, None, cut=False)
            self.place.clock.pass_time(hours=1)

    def pick(self, number):
        """A kept version."""
        kept = sorted(self.folder.kept())
        return kept[-1 - number % len(kept)]

    # What must be in the end

    def come_to_rest(self):
        """Nights are over: what is kept is whole, what nobody has is gone, and the newest version is not scattered."""
        kept = self.folder.kept()
        assert set(self.tags.values()) <= kept.keys(), "a version that has a name has expired"
        for version, manifest in kept.items():
            self.assert_whole(version, manifest)
        self.collect_all()
        for version, manifest in kept.items():
            self.assert_whole(version, manifest)
        self.folder.check_nothing_unreachable()
        self.refresh(None)
        check_not_scattered(self.folder.newest())
        self.leave_few()

    def assert_whole(self, version, manifest):
        faults = verify(self.store, version).faults
        assert [each for each in faults if each.damage != "counts"] == []  # results count rows alone
        made = self.made[manifest]
        assert self.converting.tree(made) == self.converting.expected(made)

    def collect_all(self):
        """Two collections, as far apart as it takes."""
        for waiting in ({"days": 8}, {"hours": 25}):
            self.place.clock.pass_time(**waiting)
            collect(self.store, sleep=patient)

    def leave_few(self):
        """Most rows leave, and of versions the newest alone is kept: the store is hardly larger than a new one.

        What tells of earlier collections goes when the third one begins that finds something: the first one's note says
        that they are over, the second one's record does, and the third goes by records.
        """
        for name in list(self.tags):
            untag(self.store, name)
            del self.tags[name]
        for _ in range(3):
            self.rows = {0: 3, 1: (self.rows.get(1, 0) + 1) % len(SHAPES)}
            self.refresh(None)
            expire(self.store, keep=1, sleep=patient)
            self.collect_all()
        self.folder.check_nothing_unreachable()
        for version, manifest in self.folder.kept().items():
            self.assert_whole(version, manifest)
        fresh = Converting(self.root / "fresh", FORMATS, BUCKETS)
        fresh.convert(self.named())
        sizes = [sum(info.size for info in store.list("data/")) for store in (self.store, fresh.store)]
        assert sizes[0] <= MOST_TO_FRESH * sizes[1], "what has left still takes up room"
        assert len(list(self.store.list("gc/"))) <= MOST_RECORDS, "what tells of collections gathers"
