"""A team's months with one dataset: families of rules, each a class, and all of them together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from flows.backfill import backfill
from flows.listen import Watch
from tests.months.plain import check_pulled
from tests.months.power import PowerCutError
from tests.months.project import FIRST_DAY
from tests.months.team import ANY, DRAWN, LAST, POINTS, ROWS, Event, Team, killed

LATELY, FUTURE = datetime(2025, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

DAYS = st.tuples(st.integers(0, ROWS - 1), st.integers(1, ROWS)).map(sorted).filter(lambda days: days[0] < days[1])
RANGES = st.one_of(
    st.sampled_from([None, (LATELY, FUTURE)]),
    DAYS.map(lambda days: tuple(FIRST_DAY + timedelta(days=day) for day in days)),
)
"""Spans of time; None: until the present second is over."""
FOREIGN = st.sampled_from(
    [
        ".DS_Store",
        "commits/.DS_Store",
        "commits/00000000000000000001.json.bak",
        "data/tables/.nfs000000001",
        "gc/notes.txt",
        "manifests/old/notes.txt",
        "tags/.DS_Store",
        "work/lease/.DS_Store",
        "work/hints/.nfs000000002",
    ]
)


class KilledRefreshes(Team):
    """Refreshes are killed, and started again, or retried."""

    @rule(event=killed())
    def killed_refresh(self, event):
        self.refreshed(event)


class Backfills(Team):
    """Ranges of history are asked for."""

    @rule(span=RANGES)
    def backfill(self, span):
        self.backfilled(span or self.until_now())

    @rule(number=ANY, classes=DRAWN)
    def edit_and_backfill(self, number, classes):
        self.edit(number, classes, is_last=False)
        self.backfill(self.until_now())

    def until_now(self):
        """What is lately, until the present second is over."""
        return LATELY, self.clock.now.replace(microsecond=0) + timedelta(seconds=1)

    def backfilled(self, span, event=None):
        """Run a backfill: the newest version's rows stay, but for those of the range."""
        base = dict(self.latest.rows)
        every = max((span[1] - span[0]) / 2, timedelta(days=1))
        return self.run(backfill, (*span, every), lambda: base | self.project.active(*span), event)


class KilledBackfills(Backfills):
    """Backfills are killed, and started again, or retried."""

    broken_off = None

    @rule(span=RANGES, event=killed())
    def killed_backfill(self, span, event):
        span = span or self.until_now()
        if not self.backfilled(span, event).ended:
            self.broken_off = span

    @precondition(lambda self: self.broken_off)
    @rule()
    def backfill_again(self):
        self.backfilled(self.broken_off)
        self.broken_off = None


class Pictures(Team):
    """Images are replaced."""

    @rule(number=ANY, is_shared=st.booleans(), is_last=LAST)
    def replace_image(self, number, is_shared, is_last):
        self.changed(self.project.replace_image(self.pick(number), is_shared=is_shared))
        self.refresh(is_last)


class Rollbacks(Team):
    """Older versions become the newest one."""

    @rule(number=ANY, is_last=LAST)
    def roll_back(self, number, is_last):
        target = self.pick_version(number + (len(self.kept) > 1))
        status, _ = self.command("snapshots", "rollback", f"{self.url}@{target}")
        if target in self.lost:
            assert status == 4
            self.catch_up([self.latest.rows], most=0)
        else:
            assert status == 0
            self.catch_up([self.versions[target][1].rows], most=1)
        self.refresh(is_last)


class Cleaning(Team):
    """Versions expire, and garbage is collected."""

    @rule(keep=st.integers(1, 3))
    def expire(self, keep):
        status, _ = self.command("snapshots", "expire", self.url, "--keep", keep, "--yes")
        if self.lost:
            assert status == 4
        else:
            assert status == 0
            self.kept -= self.older_than(keep)
        self.catch_up([self.latest.rows], most=1)

    def older_than(self, keep):
        """The kept versions besides the newest ``keep`` snapshots, which are manifests that follow each other."""
        manifests, old = set(), set()
        for number in sorted(self.kept, reverse=True):
            manifests.add(self.versions[number][0])
            if len(manifests) > keep:
                old.add(number)
        return old

    @rule()
    def collect(self):
        before = self.folder.objects()
        for waiting in ({"days": 8}, {"hours": 25}):
            self.clock.pass_time(**waiting)
            status, _ = self.command("snapshots", "gc", self.url, "--yes")
            assert status == (4 if self.lost else 0)
            self.catch_up([self.latest.rows], most=1)
        if self.lost:
            assert self.folder.objects() == before, "something was deleted though a record is missing"


class Losses(Cleaning):
    """A bucket's lifecycle rule deletes commit records."""

    @precondition(lambda self: len(self.kept - self.lost) > 1)
    @rule(number=ANY)
    def lose_record(self, number):
        older = sorted(self.kept - self.lost - {self.head})
        version = older[-1 - number % len(older)]
        (self.folder.root / f"commits/{version:020}.json").unlink()
        self.gone.add(version)
        self.lost.add(version)
        self.list_versions()

    @rule()
    def list_versions(self):
        status, listed = self.command("snapshots", "list", self.url)
        assert status == (4 if self.lost else 0), "nothing is told of a record that is missing"
        assert {each["version"] for each in listed["versions"]} == self.kept - self.lost

    @precondition(lambda self: self.lost)
    @rule()
    def give_up(self):
        status, _ = self.command("snapshots", "expire", self.url, "--keep", 1000, "--lost", "--yes")
        assert status == 0
        self.kept -= self.lost
        self.catch_up([self.latest.rows], most=1)
        self.lost = set()


class ForeignFiles(Team):
    """Somebody else's files come to lie below the dataset."""

    @rule(name=FOREIGN)
    def put_file(self, name):
        path = self.folder.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"somebody else's")
        self.foreign.add(path)


class Pulls(Team):
    """Versions are pulled, all of them into one folder."""

    @rule(number=ANY)
    def pull(self, number):
        version = self.pick_version(number)
        directory = self.root / "pulled"
        status, _ = self.command("pull", f"{self.url}@{version}", "--format", "coco", directory)
        assert status == (4 if version in self.lost else 0)
        if status == 0:
            check_pulled(directory, self.versions[version][1])


class Listens(Team):
    """A listener hears webhooks, and looks for what it has not heard of."""

    def watch(self, event=None):
        """The listener, whose refreshes are run here."""

        def start(*_):
            if not self.refreshed(event).ended:
                raise PowerCutError

        return Watch(self.dataset, quiet=0, poll=0, start=start)

    def hear(self):
        """A webhook comes, about a row that was changed just now."""
        delivery = next(self.deliveries)
        assert self.watch().accept(delivery)
        self.pending.add(delivery)

    @rule(number=ANY, classes=DRAWN)
    def edit_and_tell(self, number, classes):
        self.edit(number, classes, is_last=False)
        self.hear()

    @rule()
    def answer(self):
        self.answered()

    def answered(self, event=None):
        """Let the listener act upon what it heard: hints are settled by a refresh that began after they came."""
        before = set(self.pending)
        try:
            self.watch(event).answer()
        except PowerCutError:
            assert self.waiting() >= self.pending, "hints are settled by a refresh that was killed"
            return
        late = self.pending - before
        assert not self.unseen or self.waiting() >= late, "a hint that came after the export is settled"
        self.pending = late & self.waiting()

    @rule()
    def poll(self):
        self.clock.pass_time(minutes=20)
        is_due = any(look.done for look in self.project.rows.values() if look.id in self.unseen)
        self.watch().look()
        self.answered()
        if is_due:
            assert self.latest.rows == self.project.published(), "a poll has not seen what reached Done"


class DisturbedListens(Listens, KilledRefreshes):
    """Refreshes that a listener starts are killed, and rows are edited while they run."""

    @rule(event=killed() | st.builds(Event, POINTS, st.just(value=False), st.just(value=False), ANY))
    def disturbed_answer(self, event):
        self.answered(event)


class Months(DisturbedListens, KilledBackfills, Pictures, Rollbacks, Losses, ForeignFiles, Pulls):
    """All of it."""
