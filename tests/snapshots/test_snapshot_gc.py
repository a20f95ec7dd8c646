"""Expiry and garbage collection: what goes, what stays, and what nobody may build on any more."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from dying import Dying, Killed, copied
from publishing import manifest_of, publish, published

from labelsnap.errors import ConfigurationError, StorageOutcomeUnknownError, StorageRefusedError
from labelsnap.snapshots import (
    Draft,
    collect,
    expire,
    latest,
    list_versions,
    plan_collection,
    plan_expiry,
    read_file,
    read_snapshot,
    rollback,
    tag,
    work_key,
)
from labelsnap.snapshots.runs import runs_of
from labelsnap.storage.interface import delete_each
from tests.contracts.long_history import Counted
from tests.contracts.memory_store import MemoryStore
from tests.contracts.one_by_one import one_by_one
from tests.contracts.store_faults import LossyStore


@pytest.fixture
def memory():
    """Return an empty store whose clock the test moves."""
    return MemoryStore()


def keys(store, prefix="data/"):
    """Return the keys below a prefix, without the hashes."""
    return {info.key.removeprefix(prefix).rpartition("-")[0] for info in store.list(prefix)}


def history(store, *bodies):
    """Publish a version for each body, a day apart; each has a file of its own and one that all share."""
    for number, body in enumerate(bodies):
        contents = {f"own-{body}.txt": body.encode(), "shared.txt": b"s"}
        published(store, contents, publish_id=f"run-{body}", parent=number)
        store.pass_time(days=1)


def collected(store, **options):
    """Collect twice, as far apart as it takes, and return what the second call did."""
    collect(store, **options)
    store.pass_time(days=1)
    return collect(store, **options)


@pytest.mark.parametrize(
    ("versions", "runs"), [([], ()), ([3], ((3, 3),)), ([1, 2, 3, 7, 9, 8], ((1, 3), (7, 9))), ([5, 5], ((5, 5),))]
)
def test_runs_of_versions(versions, runs):
    """Neighbours are told by their first and last."""
    assert runs_of(versions) == runs


def test_expiry_keeps_the_newest_snapshots(memory):
    """What is not among the newest expires, by one new version that holds what the newest held."""
    history(memory, "a", "b", "c", "d")
    plan = plan_expiry(memory, keep=2)
    assert (plan.expiring, plan.kept) == ((1, 2), (3, 4))
    assert len(list_versions(memory)) == 4
    done, commit = expire(memory, keep=2)
    assert done == plan
    assert (commit.version, commit.action, commit.expired) == (5, "expire", ((1, 2),))
    assert latest(memory).manifest == read_snapshot(memory, 4).manifest
    assert expire(memory, keep=2) == (plan_expiry(memory, keep=2), None)


def test_expiry_spares_young_and_tagged_versions(memory):
    """Age is by the store's clock, and a tag keeps its version."""
    history(memory, "a", "b", "c", "d")
    tag(memory, "model", 1)
    plan = plan_expiry(memory, keep=1, older_than=timedelta(days=2, hours=1))
    assert (plan.expiring, plan.kept, plan.tagged) == ((2,), (1, 3, 4), (1,))


def test_expiry_goes_on_from_what_has_expired(memory):
    """Later versions, whatever they are, still say what expired before."""
    history(memory, "a", "b", "c", "d")
    expire(memory, keep=3)
    rollback(memory, 2)
    published(memory, {"own-e.txt": b"e"}, publish_id="run-e", parent=6)
    assert latest(memory).commit.expired == ((1, 1),)
    _, commit = expire(memory, keep=1)
    assert commit.expired == ((1, 6),)


@pytest.mark.parametrize("keep", [0, -1])
def test_something_is_always_kept(memory, keep):
    """A number below one is a configuration error."""
    with pytest.raises(ConfigurationError):
        plan_expiry(memory, keep=keep)


def test_expired_version_cannot_be_rolled_back_to(memory):
    """Its objects may be gone tomorrow."""
    history(memory, "a", "b")
    expire(memory, keep=1)
    with pytest.raises(ConfigurationError) as refused:
        rollback(memory, 1)
    assert refused.value.code == "version_expired"


def test_empty_dataset_has_nothing_to_expire_or_collect(memory):
    """Nothing is planned, and nothing is written."""
    assert plan_expiry(memory, keep=1).kept == ()
    assert collect(memory).condemned == ()
    assert memory.objects == {}


def test_collection_lists_first_and_deletes_later(memory):
    """The objects of expired versions and of unfinished runs go; what a kept version has stays, and reads well."""
    history(memory, "a", "b")
    Draft(memory).add_file("unfinished.txt", b"u")
    memory.put(work_key("run", "lines/1"), b"x")
    expire(memory, keep=1)
    memory.pass_time(days=8)
    first = collect(memory)
    assert (first.epoch, len(first.condemned), first.deleted) == (1, 4, ())
    assert keys(memory) == {"own-a", "own-b", "shared", "unfinished"}
    assert collect(memory).condemned == ()
    memory.pass_time(days=1)
    second = collect(memory)
    assert set(second.deleted) == set(first.condemned)
    assert keys(memory) == {"own-b", "shared"}
    assert not list(memory.list("work/"))
    assert len(list(memory.list("manifests/"))) == 1
    snapshot = latest(memory)
    assert snapshot.commit.action == "fence"
    assert [read_file(memory, file) for file in snapshot.manifest.files] == [b"b", b"s"]
    assert [commit.version for commit in list_versions(memory)] == [1, 2, 3, 4]
    memory.pass_time(days=9)
    assert collected(memory).deleted == ()


def test_plan_is_what_is_done_and_writes_nothing(memory):
    """The plan leaves the store as it is, and names what the call then does."""
    history(memory, "a", "b")
    expire(memory, keep=1)
    memory.pass_time(days=8)
    before = dict(memory.objects)
    plan = plan_collection(memory)
    assert memory.objects == before
    assert collect(memory).condemned == plan.condemned
    assert [epoch.number for epoch in plan_collection(memory).waiting] == [1]
    memory.pass_time(days=1)
    assert [epoch.condemned for epoch in plan_collection(memory).ripe] == [plan.condemned]


def test_grace_period_spares_what_is_young(memory):
    """An object that no version has may be that of a run that goes on."""
    history(memory, "a")
    running = Draft(memory).add_file("running.txt", b"r")
    memory.pass_time(days=6)
    assert collect(memory).condemned == ()
    memory.pass_time(days=2)
    assert [entry.key for entry in collect(memory).condemned] == [running.key]


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clients_clock_decides_nothing(days):
    """For a client whose clock is a day behind or ahead of the store's, the store's alone makes garbage ripe."""
    store = MemoryStore()
    history(store, "a")
    store.now = datetime.now(UTC) - timedelta(days=days)
    lost = Draft(store).add_file("lost.txt", b"l")
    for hours, condemned in [(23, []), (2, [lost.key])]:  # 23 and 25 hours old; the grace period is 24
        store.pass_time(hours=hours)
        assert [entry.key for entry in collect(store, grace=timedelta(hours=24)).condemned] == condemned
    published(store, {"b.txt": b"b"}, publish_id="run-b", parent=1)
    for hours, deleted in [(23, []), (2, [lost.key])]:  # and so is the wait
        store.pass_time(hours=hours)
        assert [entry.key for entry in collect(store, grace=timedelta(hours=24)).deleted] == deleted
    assert read_file(store, read_snapshot(store, 2).manifest.files[0]) == b"b"


def test_grace_period_has_a_floor(memory):
    """Less than a day could delete what a running publication has uploaded."""
    with pytest.raises(ConfigurationError) as refused:
        collect(memory, grace=timedelta(hours=23))
    assert refused.value.code == "grace"


def test_tagged_version_survives_its_expiry(memory):
    """A tag that came after the expiry was planned keeps the version's objects."""
    history(memory, "a", "b")

    class Raced(LossyStore):
        def create(self, key, body):
            if key.startswith("commits/") and self.losses:
                self.losses -= 1
                tag(self.store, "model", 1)
            return self.store.create(key, body)

    expire(Raced(memory, "", 1, landed=True), keep=1)
    memory.pass_time(days=8)
    assert collected(memory).deleted == ()
    assert [read_file(memory, file) for file in read_snapshot(memory, 1).manifest.files] == [b"a", b"s"]


def test_condemned_object_is_used_by_no_publication(memory):
    """A run that found an old object before it was condemned is refused; repeated, it uses a fresh key."""
    history(memory, "a", "b")
    expire(memory, keep=1)
    memory.pass_time(days=8)
    stale = manifest_of(memory, {"own-a.txt": b"a"})
    collect(memory)
    with pytest.raises(StorageRefusedError) as refused:
        publish(memory, stale, publish_id="again", parent=3)
    assert refused.value.code == "object_condemned"
    commit = published(memory, {"own-a.txt": b"a"}, publish_id="again", parent=3)
    memory.pass_time(days=1)
    assert collect(memory).deleted
    (file,) = read_snapshot(memory, commit.version).manifest.files
    assert file.key.endswith("-g1.txt")
    assert read_file(memory, file) == b"a"


def test_unchanged_files_stay_the_same_objects_across_epochs(memory):
    """A file that the base snapshot has is not uploaded again because garbage was collected."""
    history(memory, "a", "b")
    expire(memory, keep=1)
    memory.pass_time(days=8)
    collected(memory)
    base = latest(memory)
    draft = Draft(memory, base.manifest)
    assert draft.add_file("shared.txt", b"s") in base.manifest.files
    assert draft.uploads.objects == 0
    assert draft.add_file("new.txt", b"n").key.endswith("-g1.txt")


def test_spared_object_is_not_deleted(memory):
    """What became part of a version between the list and the deletion stays."""
    history(memory, "a", "b")
    expire(memory, keep=1)
    memory.pass_time(days=8)

    class Raced(LossyStore):
        """Somebody publishes with an old object just before the epoch is there."""

        def create(self, key, body):
            if key.startswith("gc/"):
                published(self.store, {"own-a.txt": b"a"}, publish_id="reuse", parent=3)
            return self.store.create(key, body)

    begun = collect(Raced(memory, "", 1, landed=True))
    memory.pass_time(days=1)
    done = collect(memory)
    assert {entry.key for entry in begun.condemned} == {entry.key for entry in (*done.deleted, *done.spared)}
    assert [entry.key.startswith("data/own-a-") for entry in done.spared] == [True]
    assert read_file(memory, latest(memory).manifest.files[0]) == b"a"


def test_stalled_publication_loses_to_the_fence(memory):
    """A run that stops just before its commit, for as long as it likes, does not bring deleted objects back."""
    history(memory, "a", "b")
    expire(memory, keep=1)
    memory.pass_time(days=8)
    stale = manifest_of(memory, {"own-a.txt": b"a"})

    class Stalled(LossyStore):
        def create(self, key, body):
            if key.startswith("commits/") and self.losses:
                self.losses -= 1
                assert collected(self.store).deleted
            return self.store.create(key, body)

    outcome = publish(Stalled(memory, "", 1, landed=True), stale, publish_id="stalled", parent=3)
    assert outcome.head == 4
    with pytest.raises(StorageRefusedError) as refused:
        publish(memory, stale, publish_id="stalled", parent=4)
    assert refused.value.code == "object_condemned"


def test_broken_off_collection_goes_on(memory):
    """A collection that dies between two deletions is finished by the next one."""
    history(memory, "a", "b", "c")
    expire(memory, keep=1)
    memory.pass_time(days=8)
    collect(memory)
    memory.pass_time(days=1)
    lossy = LossyStore(memory, "", 0, landed=False)

    def delete_many(keys):
        memory.delete_many(keys[:1])
        raise StorageOutcomeUnknownError("No answer.", remedy="Repeat.", code="storage_unreachable")

    lossy.delete_many = delete_many
    with pytest.raises(StorageOutcomeUnknownError):
        collect(lossy)
    assert keys(memory) > {"own-c", "shared"}
    told = []
    assert len(collect(memory, on_progress=lambda *done: told.append(done)).deleted) == 4
    assert told == [(4, 4)]
    assert keys(memory) == {"own-c", "shared"}


def test_manifests_are_read_once_and_objects_deleted_a_thousand_at_once(memory):
    """By a collection that marks three times; of scratch a hundred go at once, after a look at each."""
    history(memory, "a", "b", "c")
    draft = Draft(memory)
    for number in range(1100):
        draft.add_file(f"lost-{number}.txt", b"%d" % number)
    for number in range(150):
        memory.put(work_key("run", f"lines/{number}"), b"x")
    memory.pass_time(days=8)
    planned = Counted(memory)
    plan_collection(planned)
    assert planned.asked["get", "manifests"] == 3
    collect(memory)
    memory.pass_time(days=1)
    done, told = Counted(memory), []
    assert len(collect(done, on_progress=lambda *done: told.append(done)).deleted) == 1250
    assert told == [(1000, 1250), (1100, 1250), (1200, 1250), (1250, 1250)]
    assert done.asked["delete_many", "many"] == 4
    assert done.asked["delete", "data"] == 0
    assert done.asked["get", "manifests"] == 3
    assert [read_file(memory, file) for file in latest(memory).manifest.files] == [b"c", b"s"]


def test_an_object_that_the_store_keeps_is_named_and_the_collection_goes_on_later(memory):
    """All others of the epoch are deleted; it stays condemned, and is deleted when the store allows it."""
    history(memory, "a", "b")
    expire(memory, keep=1)
    memory.pass_time(days=8)
    collect(memory)
    memory.pass_time(days=1)

    class Locked(LossyStore):
        def delete_many(self, keys):
            delete_each(self.delete, keys)

        def delete(self, key):
            if key.startswith("data/own-a"):
                raise StorageRefusedError(f"{key!r} is locked.", remedy="Wait.", code="access_denied")
            self.store.delete(key)

    with pytest.raises(StorageRefusedError, match="own-a"):
        collect(Locked(memory, "", 0, landed=False))
    assert keys(memory) == {"own-a", "own-b", "shared"}
    assert [info.key for info in memory.list("manifests/")] == [f"manifests/{latest(memory).commit.manifest}.json"]
    assert collect(memory).deleted
    assert keys(memory) == {"own-b", "shared"}


@pytest.mark.parametrize(
    "after", [pytest.param(False, id="before"), pytest.param(True, id="after", marks=pytest.mark.slow)]
)
def test_a_kill_at_any_call_of_a_collection_loses_nothing(memory, after):
    """What is kept is whole; the next collections delete what is left, and two more find nothing."""
    history(memory, *"abcdefgh")
    memory.put(work_key("run", "lines/1"), b"x")
    expire(memory, keep=1)
    memory.pass_time(days=8)
    collect(memory)
    memory.pass_time(days=1)
    counted = Dying(copied(memory))
    collect(counted)
    assert counted.asked > 20
    for at in range(1, counted.asked + 1):
        store = copied(memory)
        with one_by_one(), pytest.raises(Killed):
            collect(Dying(store, at, after=after))
        assert [read_file(store, file) for file in latest(store).manifest.files] == [b"h", b"s"]
        collect(store)
        assert keys(store) == {"own-h", "shared"}
        assert [info.key for info in store.list("manifests/")] == [f"manifests/{latest(store).commit.manifest}.json"]
        store.pass_time(days=8)
        assert {entry.key.partition("/")[0] for entry in collected(store).deleted} <= {"_probe"}
        store.pass_time(days=8)
        assert collected(store).deleted == ()


def test_two_collections_make_one_epoch(memory):
    """Who comes second is told, and has deleted nothing."""
    history(memory, "a", "b")
    expire(memory, keep=1)
    memory.pass_time(days=8)

    class Raced(LossyStore):
        def create(self, key, body):
            if key.startswith("gc/"):
                collect(self.store)
            return self.store.create(key, body)

    with pytest.raises(StorageRefusedError) as refused:
        collect(Raced(memory, "", 1, landed=True))
    assert refused.value.code == "epoch_taken"
    assert [epoch.number for epoch in plan_collection(memory).waiting] == [1]


@pytest.mark.parametrize("folder", ["gc/", "manifests/", "commits/", "tags/"])
def test_collection_of_a_damaged_dataset_is_refused(memory, folder):
    """Where a record of what is kept, or of what goes, is damaged, nothing is deleted."""
    history(memory, "a", "b")
    tag(memory, "model", 2)
    expire(memory, keep=1)
    memory.pass_time(days=8)
    collect(memory)
    memory.pass_time(days=1)
    kept = {"manifests/": f"manifests/{latest(memory).commit.manifest}", "commits/": f"commits/{2:020d}"}
    (info, *_) = memory.list(kept.get(folder, folder))
    memory.put(info.key, memory.get(info.key)[:-3])
    memory.pass_time(days=1)
    before = keys(memory)
    with pytest.raises(StorageRefusedError, match=info.key.removesuffix(".json").rpartition("/")[2]):
        collect(memory)
    assert keys(memory) == before


def test_every_store_collects(store):
    """The same on each kind of store, by its own clock: nothing is old enough yet, and the tag is passed over."""
    published(store, {"a.txt": b"1"})
    published(store, {"a.txt": b"2"}, publish_id="two", parent=1)
    tag(store, "first", 1)
    assert plan_expiry(store, keep=1).tagged == (1,)
    assert collect(store).condemned == ()


def condemned_once(store):
    """Publish two versions, let the first expire, and begin the epoch that lists its objects."""
    history(store, "a", "b")
    expire(store, keep=1)
    store.pass_time(days=8)
    collect(store)
    return f"gc/{1:020d}.json"


@pytest.mark.parametrize("damage", ["cut", "deleted"])
def test_an_epoch_whose_record_is_lost_condemns_all_that_is_older(memory, damage):
    """A publication that found an old object is refused, and told which record; repeated, it uses fresh keys."""
    history(memory, "a", "b")
    expire(memory, keep=1)
    memory.pass_time(days=8)
    stale = manifest_of(memory, {"own-a.txt": b"a"})
    collect(memory)
    lost = f"gc/{1:020d}.json"
    if damage == "cut":
        memory.put(lost, memory.get(lost)[:-3])
    else:
        memory.delete(lost)
        collect(memory)  # lists the same objects again, under a number that was used
        memory.delete(lost)
        lost = f"gc/{2:020d}.json"  # the newest of those that are lost is told
        memory.put(lost, b"{}")
    with pytest.raises(StorageRefusedError, match=lost) as refused:
        publish(memory, stale, publish_id="again", parent=3)
    assert refused.value.code == "object_condemned"
    commit = published(memory, {"own-a.txt": b"a"}, publish_id="again", parent=3)
    for _ in range(3):
        memory.pass_time(days=8)
        collect(memory, lost=True)
    assert [read_file(memory, file) for file in read_snapshot(memory, commit.version).manifest.files] == [b"a"]


def test_a_damaged_epoch_is_given_up_on_request(memory):
    """The refusal says how; what the epoch listed is listed again, and deleted a day later."""
    lost = condemned_once(memory)
    memory.put(lost, b"{}")
    with pytest.raises(StorageRefusedError, match=lost) as refused:
        collect(memory)
    assert "--lost --yes" in refused.value.remedy
    assert plan_collection(memory, lost=True).lost == (1,)
    done = collect(memory, lost=True)
    assert (done.lost, done.deleted) == ((1,), ())
    assert [entry.key.startswith("data/own-a-") for entry in done.condemned if entry.key.startswith("data/")] == [True]
    assert plan_collection(memory).lost == ()
    memory.pass_time(days=1)
    assert set(collect(memory).deleted) == set(done.condemned)
    assert keys(memory) == {"own-b", "shared"}


def test_an_epoch_of_a_later_format_is_not_given_up(memory):
    """It is no damage: only a later labelsnap can tell what it lists."""
    lost = condemned_once(memory)
    record = msgspec.json.decode(memory.get(lost)) | {"format_version": 2}
    del record["digest"]
    digest = hashlib.sha256(msgspec.json.encode(record, order="sorted")).hexdigest()
    memory.put(lost, msgspec.json.encode(record | {"digest": digest}, order="sorted"))
    with pytest.raises(StorageRefusedError, match="version"):
        collect(memory, lost=True)


def test_a_new_epoch_is_above_all_that_its_objects_were_written_in(memory):
    """The number of an epoch that was deleted is not given to another: keys that carry it may be listed."""
    lost = condemned_once(memory)
    published(memory, {"own-c.txt": b"c"}, publish_id="c", parent=3)
    published(memory, {"own-d.txt": b"d"}, publish_id="d", parent=4)
    memory.delete(lost)
    expire(memory, keep=1)
    memory.pass_time(days=8)
    epoch = collect(memory).epoch
    assert any("-g1." in entry.key for waiting in plan_collection(memory).waiting for entry in waiting.condemned)
    assert epoch == 2


def test_what_is_known_of_the_source_is_no_garbage(memory):
    """The note of the last export, and deliveries, are as old as they are; what runs left is garbage."""
    history(memory, "a")
    state = ["work/exported.json", "work/hints/delivery-1.json"]
    for key in (*state, work_key("run-1", "lines/bucket.zst")):
        memory.put(key, b"x")
    memory.pass_time(days=30)
    assert [entry.key for entry in collected(memory).deleted] == ["work/run-1/lines/bucket.zst"]
    assert [memory.get(key) for key in state] == [b"x", b"x"]
