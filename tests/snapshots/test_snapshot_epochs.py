"""Epochs of garbage collection that are over: their records go, and nobody misses them."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from datetime import timedelta
from unittest.mock import patch

import msgspec
import pytest
from dying import Dying, Killed, copied
from publishing import manifest_of, publish, published

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots import collect, expire, latest, plan_collection, read_snapshot, tag
from labelsnap.snapshots.checking.verify import verify
from labelsnap.snapshots.keeping.epochs import Epoch, Swept, listed_epochs, over_by_now, over_up_to, read_epoch
from labelsnap.snapshots.keeping.gc import Marked, sweep
from labelsnap.snapshots.keeping.history import every_record
from labelsnap.snapshots.keeping.tags import Tag
from labelsnap.snapshots.layout import epoch_key
from labelsnap.snapshots.sealed import seal
from labelsnap.storage import Upload
from labelsnap.storage.interface import delete_each
from tests.contracts.long_history import Counted
from tests.contracts.memory_store import MemoryStore
from tests.contracts.one_by_one import one_by_one

MOST = 6
"""Records and notes below ``gc/``, of a dataset that is collected every eight days."""
OLD_ENOUGH = {"days": 8}


@pytest.fixture
def memory():
    """A store whose clock the test moves."""
    return MemoryStore()


def night(store):
    """Publish a version of a file of its own, and let all before it expire."""
    head = latest(store)
    parent = head.version if head else 0
    published(
        store, {f"own-{parent}.txt": b"%d" % parent, "shared.txt": b"s"}, publish_id=f"run-{parent}", parent=parent
    )
    expire(store, keep=1)


def weeks(store, number):
    """So many weeks of a night and a collection each."""
    for _ in range(number):
        night(store)
        store.pass_time(**OLD_ENOUGH)
        collect(store)


def records(store):
    """The numbers of the epochs whose records are there, and of those that a note is there for."""
    keys = [info.key.removeprefix("gc/").removesuffix(".json") for info in store.list("gc/")]
    swept = [int(key.removesuffix("-swept")) for key in keys if key.endswith("-swept")]
    return sorted(int(key) for key in keys if not key.endswith("-swept")), sorted(swept)


def test_epochs_do_not_gather(memory):
    """Whatever weeks go by, three stay: the newest, the one whose fence ended others, and the one before."""
    weeks(memory, 6)
    sizes = []
    for _ in range(20):
        weeks(memory, 1)
        sizes.append(len(list(memory.list("gc/"))))
    assert max(sizes) <= MOST
    assert records(memory) == ([23, 24, 25], [23, 24])
    assert verify(memory, latest(memory).version).faults == ()


@pytest.mark.slow
def test_epochs_do_not_gather_where_every_night_collects_and_lists_once_a_week(memory):
    """As a refresh does that keeps house: one night begins an epoch, and the next one ends it."""
    sizes = []
    for _ in range(100):
        night(memory)
        memory.pass_time(days=1)
        collect(memory, rest=timedelta(days=7))
        sizes.append(len(list(memory.list("gc/"))))
    assert max(sizes) <= MOST
    assert records(memory)[0][-1] > 8


def test_an_old_datasets_epochs_go_with_the_next_ones(memory):
    """Records that say nothing of it are those of before: the next two collections end them all."""
    with patch("labelsnap.snapshots.keeping.gc.settled_up_to", lambda *_: 0):
        weeks(memory, 12)
    assert records(memory) == (list(range(1, 12)), list(range(1, 11)))
    weeks(memory, 2)
    assert records(memory) == ([11, 12, 13], [11, 12])


def test_what_a_tagged_version_has_is_used_again_when_all_epochs_of_its_days_are_gone(memory):
    """A key without a generation is older than those, which are not lost but over."""
    published(memory, {"own-x.txt": b"x"}, publish_id="first")
    tag(memory, "model", 1)
    weeks(memory, 8)
    assert records(memory)[0][0] > 1
    old = read_snapshot(memory, 1).manifest
    manifest = manifest_of(memory, {"own-x.txt": b"x"}, base=old)
    made = publish(memory, manifest, publish_id="again", parent=latest(memory).version).commit
    assert read_snapshot(memory, made.version).manifest.files == old.files


def overtaken(store):
    """A publication that found an object of the first version, which a moment later is deleted, three epochs ago."""
    for number in range(5):
        published(store, {f"own-{number}.txt": b"%d" % number}, publish_id=f"run-{number}", parent=number)
    store.pass_time(**OLD_ENOUGH)
    stale = manifest_of(store, {"own-0.txt": b"0"})
    for keep in (4, 3, 2, 1):
        expire(store, keep=keep)
        collect(store, wait=timedelta(0))
    return stale


def test_who_began_before_an_epoch_was_done_is_still_refused(memory):
    """Three fences later its record stands, however quick the collectors were."""
    stale = overtaken(memory)
    assert records(memory)[0] == [1, 2, 3, 4]
    with pytest.raises(StorageRefusedError, match="own-0") as refused:
        publish(memory, stale, publish_id="late", parent=latest(memory).version)
    assert refused.value.code == "object_condemned"


def test_an_epoch_that_were_over_at_once_would_be_missed(memory):
    """It has to stand for as long as a publication may take: else a version would be made that lacks an object."""
    with patch("labelsnap.snapshots.keeping.epochs.SETTLED", timedelta(0)):
        stale = overtaken(memory)
    assert 1 not in records(memory)[0]
    version = publish(memory, stale, publish_id="late", parent=latest(memory).version).commit.version
    assert [fault.key for fault in verify(memory, version).faults] == [stale.files[0].key]


@pytest.mark.parametrize(("hours", "is_over"), [(8 * 24 - 1, False), (8 * 24, True)])
def test_an_epoch_is_over_by_a_fence_of_eight_days_after_it_was_done(memory, hours, is_over):
    """Not an hour before."""
    weeks(memory, 3)
    assert records(memory) == ([1, 2], [1])
    night(memory)
    memory.pass_time(hours=hours)
    epoch = collect(memory).epoch
    assert read_epoch(memory, epoch).over == (1 if is_over else 0)
    assert 1 in records(memory)[0]


def test_no_epoch_is_over_by_a_collection_that_deletes_nothing(memory):
    """It made no fence, and a publication of before it may go on for as long as it likes."""
    weeks(memory, 3)
    put_back = {entry.key: memory.get(entry.key) for entry in read_epoch(memory, 2).condemned}
    tag_of_condemned(memory)
    night(memory)
    memory.pass_time(**OLD_ENOUGH)
    done = collect(memory)
    assert (done.deleted, len(done.spared)) == ((), len(put_back))
    assert read_epoch(memory, done.epoch).over == 0


def tag_of_condemned(store):
    """A tag that came too late for its version, and keeps what is left of it, as two clients make it at once."""
    condemned = {each.key for each in read_epoch(store, 2).condemned}
    record = next(each for each in every_record(store) if f"manifests/{each.manifest}.json" in condemned)
    made = Tag(
        name="late", version=record.version, manifest=record.manifest, created_at=record.created_at, write_id="0" * 32
    )
    store.put("tags/late.json", seal(made))


def test_a_collector_that_another_one_overtook_deletes_nothing(memory):
    """It looks for the note once it has marked: what the epoch lists may have been spared, used, and left since."""
    weeks(memory, 3)
    epoch = read_epoch(memory, 2)
    tag_of_condemned(memory)
    memory.pass_time(days=1)
    assert set(collect(memory).spared) == set(epoch.condemned)
    memory.delete("tags/late.json")
    assert sweep(memory, epoch, Marked(), over=0) == ((), ())
    assert all(memory.head(entry.key) for entry in epoch.condemned)


@pytest.mark.slow
@pytest.mark.parametrize("after", [pytest.param(False, id="before"), pytest.param(True, id="after")])
def test_a_kill_at_any_call_of_a_collection_that_takes_epochs_away_loses_nothing(memory, after):
    """The collections after it find all epochs as they would have been."""
    weeks(memory, 6)
    night(memory)
    memory.pass_time(**OLD_ENOUGH)
    whole = copied(memory)
    counted = Dying(whole)
    collect(counted)
    assert records(memory)[0][0] < records(whole)[0][0]
    for at in range(1, counted.asked + 1):
        store = copied(memory)
        with one_by_one(), pytest.raises(Killed):
            collect(Dying(store, at, after=after))
        assert verify(store, latest(store).version).faults == ()
        collect(store)
        weeks(store, 2)
        assert len(list(store.list("gc/"))) <= MOST
        assert verify(store, latest(store).version).faults == ()
        assert len(list(store.list("data/own-"))) == 2


@pytest.mark.parametrize("left", ["", "-swept"])
def test_what_is_left_of_an_epoch_that_is_over_is_nothing(memory, left):
    """Its record alone, or its note, is not begun again, nor told as damaged, and goes with the others."""
    weeks(memory, 6)
    memory.put(f"gc/{1:020d}{left}.json", b"{}")
    plan = plan_collection(memory)
    assert 1 not in [epoch.number for epoch in (*plan.ripe, *plan.waiting, *plan.undated)]
    weeks(memory, 1)
    assert all(1 not in numbers for numbers in records(memory))


def test_an_epoch_that_says_it_is_over_is_damaged(memory):
    """Whoever believed it would have no epoch left, and number the next one as the first."""
    weeks(memory, 3)
    found = read_epoch(memory, 2)
    memory.put(epoch_key(2), seal(msgspec.structs.replace(found, over=2)))
    with pytest.raises(StorageRefusedError, match=epoch_key(2)) as refused:
        collect(memory)
    assert refused.value.code == "object_damaged"


def test_a_newest_epoch_that_is_damaged_says_nothing_and_the_one_before_does(memory):
    """Once it is given up, epochs go as they did."""
    weeks(memory, 7)
    memory.put(epoch_key(records(memory)[0][-1]), b"{}")
    assert collect(memory, lost=True).lost
    weeks(memory, 4)
    assert len(list(memory.list("gc/"))) <= MOST
    assert verify(memory, latest(memory).version).faults == ()


def test_a_newest_epoch_that_is_gone_takes_nothing_along_that_is_over(memory):
    """The one before it told of all whose records were taken away: an object that is older than they is used again."""
    published(memory, {"own-x.txt": b"x"}, publish_id="first")
    tag(memory, "model", 1)
    weeks(memory, 8)
    newest = records(memory)[0][-1]
    assert read_epoch(memory, newest).over > read_epoch(memory, newest - 1).over
    memory.delete(epoch_key(newest))
    manifest = manifest_of(memory, {"own-x.txt": b"x"}, base=read_snapshot(memory, 1).manifest)
    made = publish(memory, manifest, publish_id="again", parent=latest(memory).version).commit
    assert read_snapshot(memory, made.version).manifest.files == manifest.files


@contextmanager
def earlier_code():
    """Collections as they were before epochs were over: none says so, and none is taken away."""
    with ExitStack() as stack:
        for name in ("over_by_now", "settled_up_to", "drop_over"):
            stack.enter_context(patch(f"labelsnap.snapshots.keeping.gc.{name}", lambda *_: 0))
        yield


@pytest.mark.parametrize("earlier", [1, 3])
def test_epochs_that_earlier_code_begins_hold_no_later_one_up(memory, earlier):
    """What those before it told holds on: the next two collections end all that there are."""
    weeks(memory, 8)
    assert records(memory) == ([5, 6, 7], [5, 6])
    with earlier_code():
        weeks(memory, earlier)
    newest = 7 + earlier
    assert records(memory) == (list(range(5, newest + 1)), list(range(5, newest)))
    assert read_epoch(memory, newest).over == 0
    weeks(memory, 2)
    assert records(memory) == ([newest, newest + 1, newest + 2], [newest, newest + 1])
    assert verify(memory, latest(memory).version).faults == ()


def test_epochs_do_not_gather_where_earlier_code_collects_every_other_time(memory):
    """Each collection by this code ends what both have left."""
    weeks(memory, 4)
    sizes = []
    for _ in range(10):
        with earlier_code():
            weeks(memory, 1)
        weeks(memory, 1)
        sizes.append(len(list(memory.list("gc/"))))
    assert max(sizes) <= MOST + 2
    assert verify(memory, latest(memory).version).faults == ()


def test_the_greatest_number_that_a_record_or_a_note_tells_counts(memory):
    """Whichever tells it; one that is damaged, or not below its own number, tells nothing."""
    made = {"created_at": "2024-05-06T00:00:00Z"}
    note = {"deleted": 0, "deleted_bytes": 0, "spared": (), **made}
    epoch = {"head": 1, "write_id": "0" * 32, "condemned": (), **made}
    for number, over in ((5, 2), (6, 3), (7, 0)):
        memory.put(epoch_key(number), seal(Epoch(number=number, over=over, **epoch)))
    memory.put(epoch_key(8), b"{}")
    for number, over in ((4, 1), (5, 4), (6, 6)):
        memory.put(epoch_key(number, swept=True), seal(Swept(number=number, over=over, **note)))
    memory.put(epoch_key(7, swept=True), b"{}")
    there = listed_epochs(memory)
    assert (over_up_to(memory, there), over_by_now(memory, there)) == (3, 4)


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_publication_reads_no_epoch_that_is_over(memory, earlier):
    """However many stay: for an object of before them all it reads those after the greatest number that is told."""
    published(memory, {"own-x.txt": b"x"}, publish_id="first")
    tag(memory, "model", 1)
    with patch("labelsnap.snapshots.keeping.gc.drop_over"):
        weeks(memory, 20)
    with earlier_code():
        weeks(memory, earlier)
    assert len(records(memory)[0]) >= 19
    manifest = manifest_of(memory, {"own-x.txt": b"x"}, base=read_snapshot(memory, 1).manifest)
    counted = Counted(memory)
    publish(counted, manifest, publish_id="again", parent=latest(memory).version)
    assert counted.asked["get", "gc"] == 3 + earlier


class Keeping(MemoryStore):
    """A store that deletes nothing below a prefix, and may have uploads that were broken off."""

    kept = ""
    begun = ()

    def delete_many(self, keys):
        delete_each(self.delete, keys)

    def delete(self, key):
        if self.kept and key.startswith(self.kept):
            raise StorageRefusedError(f"{key!r} is kept.", remedy="Allow it.", code="access_denied")
        super().delete(key)

    def uploads(self):
        return iter(self.begun)

    def abort(self, upload):
        self.begun = tuple(each for each in self.begun if each != upload)


@pytest.mark.parametrize(
    ("kept", "said"), [("gc/", "Epochs that are over"), ("checkpoints/", "Superseded checkpoints")]
)
def test_what_the_store_keeps_of_records_that_nobody_needs_is_told_and_all_else_is_done(kept, said, caplog):
    """The collection tells its outcome and goes on to its end; a later one takes away what stayed."""
    allowed, store = Keeping(), Keeping()
    weeks(allowed, 9)
    store.kept = kept
    weeks(store, 9)
    left = [key for key in store.objects if key not in allowed.objects and key.startswith(("gc/", "checkpoints/"))]
    assert left
    assert all(key.startswith(kept) for key in left)
    assert any(f"{said} stay" in line and f"{key!r} is kept." in line for line in caplog.messages for key in left)
    night(store)
    store.begun = (Upload("", "broken off", store.now),)
    store.pass_time(**OLD_ENOUGH)
    done = collect(store)
    assert (done.epoch, len(done.deleted) > 0, store.begun) == (9, True, ())
    store.kept = ""
    weeks(store, 1)
    assert store.objects.keys().isdisjoint(left)


def test_a_note_stays_as_long_as_a_record_that_is_over():
    """A collector that was stopped before its deletions finds the record, and must find the note."""
    store = Keeping()
    store.kept = epoch_key(1)
    weeks(store, 2)
    stopped = read_epoch(store, 1)
    weeks(store, 6)
    assert records(store) == ([1, 5, 6, 7], [1, 2, 3, 4, 5, 6])
    assert sweep(store, stopped, Marked(), over=0) == ((), ())
    store.kept = ""
    weeks(store, 1)
    assert records(store) == ([6, 7, 8], [6, 7])
