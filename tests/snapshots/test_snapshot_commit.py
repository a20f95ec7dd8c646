"""Publishing: gap-free versions, one winner, and no guess about an answer that was lost."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from publishing import CREATED_AT, manifest_of, publish, published

from labelsnap.errors import ConfigurationError, StorageOutcomeUnknownError, StorageRefusedError
from labelsnap.snapshots import Committed, LostRace, Manifest, latest, list_versions, read_history, read_snapshot
from labelsnap.snapshots.keeping.history import published_by
from labelsnap.snapshots.writing.commit import DELAYS
from labelsnap.storage import open_store, probe
from tests.contracts.processes import PROCESSES
from tests.contracts.store_faults import LossyStore

CANONICAL = {"sort_keys": True, "separators": (",", ":")}


def test_first_version_is_one(store):
    """The first publication is version 1 of parent 0, and its record says what FORMAT.md says."""
    publish(store, manifest_of(store, {"a.txt": b"a"}))
    record = json.loads(store.get("commits/00000000000000000001.json"))
    assert record.pop("digest") == hashlib.sha256(json.dumps(record, **CANONICAL).encode()).hexdigest()
    assert record.pop("write_id")
    manifest = record.pop("manifest")
    assert hashlib.sha256(store.get(f"manifests/{manifest}.json")).hexdigest() == manifest
    assert record == {
        "format_version": 1, "version": 1, "parent": 0, "created_at": CREATED_AT, "publish_id": "run-1", "rows": 1,
        "action": "publish", "expired": [], "behind": [],
    }  # fmt: skip


def test_versions_follow_each_other(store):
    """Each publication on the newest version gets the next number, and old ones stay as they were."""
    first = published(store, {"a.txt": b"1"}, publish_id="one")
    second = published(store, {"a.txt": b"2"}, publish_id="two", parent=1)
    assert [commit.version for commit in list_versions(store)] == [1, 2]
    assert list_versions(store) == (first, second)
    assert latest(store).version == 2
    assert read_snapshot(store, 1).manifest.files[0].sha256 == hashlib.sha256(b"1").hexdigest()


def test_repeated_run_is_one_version(store):
    """A run that publishes again, on whatever parent, gets the version that it made."""
    manifest = manifest_of(store, {"a.txt": b"1"})
    first = publish(store, manifest)
    published(store, {"a.txt": b"2"}, publish_id="other", parent=1)
    assert publish(store, manifest) == first
    assert publish(store, manifest, parent=2) == first
    assert published_by(store, read_history(store), "run-1") == first.commit
    assert published_by(store, read_history(store), "never") is None
    assert len(list_versions(store)) == 2


def test_stale_parent_loses(store):
    """Who built on an older version learns the newest one, and publishes nothing."""
    published(store, {"a.txt": b"1"}, publish_id="one")
    published(store, {"a.txt": b"2"}, publish_id="two", parent=1)
    outcome = publish(store, manifest_of(store, {"a.txt": b"3"}), publish_id="three", parent=1)
    assert outcome == LostRace(head=2)
    assert len(list_versions(store)) == 2


def _publish_until_in(store, name):
    """Publish on the head, again after every lost race."""
    manifest = manifest_of(store, {"a.txt": name.encode()})
    parent, races = 0, 0
    while isinstance(outcome := publish(store, manifest, publish_id=name, parent=parent), LostRace):
        parent, races = outcome.head, races + 1
        assert races < 1000
    return outcome.commit.version


def test_racing_threads_make_gap_free_versions(store):
    """Of many that publish on one parent each gets in once, in the end, and no two share a version."""
    barrier = Barrier(6)

    def race(name):
        barrier.wait()
        return _publish_until_in(store, name)

    with ThreadPoolExecutor(6) as pool:
        versions = list(pool.map(race, "abcdef"))
    assert sorted(versions) == [1, 2, 3, 4, 5, 6]
    assert {commit.publish_id: commit.version for commit in list_versions(store)} == dict(
        zip("abcdef", versions, strict=True)
    )


def _race(environment, store_url, name, barrier, told):
    """Open a store of its own, begin when all others are ready, and tell which version the publication became."""
    os.environ.update(environment)
    store = open_store(store_url)
    barrier.wait()
    told.put((name, _publish_until_in(store, name)))


@pytest.mark.slow
def test_sixteen_processes_make_gap_free_versions(store_url):
    """Sixteen processes that publish at once: no gap, each acknowledged publication once, no two share a version."""
    barrier, told = PROCESSES.Barrier(16), PROCESSES.Queue()
    names = [f"run-{number:02}" for number in range(16)]
    racers = [
        PROCESSES.Process(target=_race, args=[dict(os.environ), store_url, name, barrier, told]) for name in names
    ]
    for racer in racers:
        racer.start()
    acknowledged = dict(told.get(timeout=300) for _ in racers)
    for racer in racers:
        racer.join()
        assert racer.exitcode == 0
    assert sorted(acknowledged) == names
    assert sorted(acknowledged.values()) == list(range(1, 17))
    assert {each.publish_id: each.version for each in list_versions(open_store(store_url))} == acknowledged


def test_one_run_in_two_processes_is_one_version(store):
    """A run and its own stray repetition, at once, get the same version."""
    barrier = Barrier(2)

    def race(_):
        barrier.wait()
        return publish(store, manifest_of(store, {"a.txt": b"1"}))

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(race, range(2))
    assert one == other
    assert len(list_versions(store)) == 1


@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize("losses", [1, 3])
def test_lost_answer_is_settled(store, landed, losses):
    """Whether the creation took effect or not, a lost answer ends in one version that is ours."""
    lossy = LossyStore(store, "create", losses, landed)
    outcome = publish(lossy, manifest_of(store, {"a.txt": b"1"}))
    assert isinstance(outcome, Committed)
    assert list_versions(store) == (outcome.commit,)


def test_lost_answer_is_waited_for_within_bounds(folder_store):
    """When no answer ever comes, the outcome is called unknown after the last delay, and nothing is deleted."""
    lossy = LossyStore(folder_store, "create", 1000, landed=False)
    slept = []
    with pytest.raises(StorageOutcomeUnknownError) as unknown:
        publish(lossy, manifest_of(folder_store, {"a.txt": b"1"}), sleep=slept.append)
    assert unknown.value.code == "commit_unknown"
    assert slept == list(DELAYS)
    assert {key for name, key in lossy.calls if name == "create"} == {"commits/00000000000000000001.json"}
    assert not [key for name, key in lossy.calls if name == "delete" and not key.startswith("_probe/")]
    assert isinstance(publish(folder_store, manifest_of(folder_store, {"a.txt": b"1"})), Committed)


def test_late_landing_is_found_by_the_next_attempt(folder_store):
    """A creation that landed though nobody could read it back is the result of the next attempt."""

    class Blind(LossyStore):
        def get(self, key, **options):
            if key.startswith("commits/"):
                raise StorageOutcomeUnknownError("No answer.", remedy="Repeat.", code="storage_unreachable")
            return self.store.get(key, **options)

    manifest = manifest_of(folder_store, {"a.txt": b"1"})
    with pytest.raises(StorageOutcomeUnknownError):
        publish(Blind(folder_store, "create", 1, landed=True), manifest)
    outcome = publish(folder_store, manifest)
    assert outcome.commit.version == 1
    assert len(list_versions(folder_store)) == 1


def test_lost_answer_then_another_writer(folder_store):
    """When our lost creation never landed and another writer's did, we lost the race."""

    class Overtaken(LossyStore):
        def create(self, key, body):
            if self.losses:
                self.losses -= 1
                published(self.store, {"a.txt": b"other"}, publish_id="other")
                raise StorageOutcomeUnknownError("No answer.", remedy="Repeat.", code="storage_unreachable")
            return self.store.create(key, body)

    outcome = publish(Overtaken(folder_store, "", 1, landed=False), manifest_of(folder_store, {"a.txt": b"1"}))
    assert outcome == LostRace(head=1)


def test_refusal_after_a_lost_answer_stays_unknown(folder_store):
    """Rights that end between a lost answer and its repetition do not make the outcome known."""

    class Expiring(LossyStore):
        def create(self, *_):
            self.losses -= 1
            if self.losses:
                raise StorageOutcomeUnknownError("No answer.", remedy="Repeat.", code="storage_unreachable")
            raise StorageRefusedError("No rights.", remedy="Get some.", code="access_denied")

    manifest = manifest_of(folder_store, {"a.txt": b"1"})
    with pytest.raises(StorageOutcomeUnknownError):
        publish(Expiring(folder_store, "", 2, landed=False), manifest)
    with pytest.raises(StorageRefusedError) as refused:
        publish(Expiring(folder_store, "", 1, landed=False), manifest)
    assert refused.value.code == "access_denied"


def test_manifest_is_read_back(folder_store):
    """A store that does not give the manifest back gets no commit record."""

    class Corrupting(LossyStore):
        def put(self, key, body):
            self.store.put(key, body[:-1] if key.startswith("manifests/") else body)

    with pytest.raises(StorageRefusedError) as refused:
        publish(Corrupting(folder_store, "", 0, landed=False), manifest_of(folder_store, {"a.txt": b"1"}))
    assert refused.value.code == "object_damaged"
    assert list_versions(folder_store) == ()


def test_publication_must_not_take_too_long(folder_store):
    """By the store's own clock, a publication that began too long ago is refused before it is a version."""
    manifest = manifest_of(folder_store, {"a.txt": b"1"})
    with pytest.raises(StorageRefusedError) as refused:
        publish(folder_store, manifest, started_at=probe(folder_store) - timedelta(hours=13))
    assert refused.value.code == "publish_too_slow"
    assert list_versions(folder_store) == ()


def test_single_writer_needs_no_conditional_creation(store):
    """A single writer's records carry the write id in their key, and read like any other."""
    outcome = publish(store, manifest_of(store, {"a.txt": b"1"}), single_writer=True)
    assert isinstance(outcome, Committed)
    assert store.get(f"commits/00000000000000000001-{outcome.commit.write_id}.json")
    assert latest(store).commit == outcome.commit


@pytest.mark.parametrize("landed", [True, False])
def test_single_writer_settles_a_lost_answer(folder_store, landed):
    """A lost answer of a single writer ends in one version too."""

    class Lossy(LossyStore):
        def put(self, key, body):
            if key.startswith("commits/") and self.losses:
                self.losses -= 1
                if self.landed:
                    self.store.put(key, body)
                raise StorageOutcomeUnknownError("No answer.", remedy="Repeat.", code="storage_unreachable")
            self.store.put(key, body)

    manifest = manifest_of(folder_store, {"a.txt": b"1"})
    outcome = publish(Lossy(folder_store, "", 2, landed=landed), manifest, single_writer=True)
    assert list_versions(folder_store) == (outcome.commit,)


def test_fork_fails_closed(folder_store):
    """Two records of one version: the newest is not guessed, publishing stops, and older versions can be read."""
    published(folder_store, {"a.txt": b"1"})
    manifest = manifest_of(folder_store, {"a.txt": b"2"})
    publish(folder_store, manifest, publish_id="two", parent=1, single_writer=True)
    standing = folder_store.get(f"commits/00000000000000000002-{latest(folder_store).commit.write_id}.json")
    folder_store.put(f"commits/00000000000000000002-{'0' * 32}.json", standing)
    for read in (lambda: latest(folder_store), lambda: read_snapshot(folder_store, 2)):
        with pytest.raises(StorageRefusedError) as refused:
            read()
        assert refused.value.code == "fork"
    with pytest.raises(StorageRefusedError):
        publish(folder_store, manifest, publish_id="three", parent=2, single_writer=True)
    assert read_snapshot(folder_store, 1).version == 1
    assert [commit.version for commit in list_versions(folder_store)] == [1, 2, 2]


def test_two_single_writers_notice_the_fork(folder_store):
    """A single writer that meets another's record at its own version does not call it published."""

    class Raced(LossyStore):
        def put(self, key, body):
            if key.startswith("commits/"):
                self.store.put(f"commits/00000000000000000001-{'f' * 32}.json", body)
            self.store.put(key, body)

    manifest = manifest_of(folder_store, {"a.txt": b"1"})
    with pytest.raises(StorageRefusedError) as refused:
        publish(Raced(folder_store, "", 0, landed=False), manifest, single_writer=True)
    assert refused.value.code == "fork"


def test_empty_dataset_has_no_versions(store):
    """A dataset that does not exist yet lists as empty, and a version of it is a configuration error."""
    assert list_versions(store) == ()
    assert latest(store) is None
    with pytest.raises(ConfigurationError, match="labelsnap refresh"):
        read_snapshot(store, "latest")


@pytest.mark.parametrize("selector", [3, "best"])
def test_unknown_version_names_those_there_are(folder_store, selector):
    """An unknown version or tag is answered with the versions there are."""
    published(folder_store, {"a.txt": b"1"}, publish_id="one")
    published(folder_store, {"a.txt": b"2"}, publish_id="two", parent=1)
    with pytest.raises(ConfigurationError, match=r"There are: 1, 2\.") as refused:
        read_snapshot(folder_store, selector)
    assert refused.value.exit_status == 2


@pytest.mark.parametrize(
    ("folder", "change", "code"),
    [
        ("commits/", lambda body: body[:-9], "object_damaged"),
        ("commits/", lambda body: body.replace(b'"version":1', b'"version":7'), "object_damaged"),
        ("commits/", lambda body: body.replace(b'"format_version":1', b'"format_version":2'), "format_version"),
        (
            "commits/",
            lambda body: body.replace(b"{", b'{"other":' + b"[" * 100_000 + b"]" * 100_000 + b",", 1),
            "object_damaged",
        ),
        ("manifests/", lambda body: body.replace(b"street", b"strxet"), "object_damaged"),
        ("manifests/", lambda _: None, "object_damaged"),
    ],
    ids=["cut", "another version", "later format", "nested too deep", "changed", "missing"],
)
def test_damaged_records_fail_closed(folder_store, folder, change, code):
    """A damaged, missing or later-format record or manifest is refused by name."""
    published(folder_store, {"a.txt": b"1"})
    (info,) = folder_store.list(folder)
    changed = change(folder_store.get(info.key))
    if changed is None:
        folder_store.delete(info.key)
    else:
        folder_store.put(info.key, changed)
    with pytest.raises(StorageRefusedError, match=info.key.removeprefix(folder).removesuffix(".json")) as refused:
        latest(folder_store)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "name",
    [
        "commits/readme.txt", "commits/00000000000000000002.json.bak", "commits/00000000000000000000.json",
        "commits/copy/00000000000000000002.json", "commits/0000000000000000000².json",
    ],
)  # fmt: skip
def test_foreign_object_among_commits_is_passed_over(folder_store, name):
    """What has no record's key is no record: neither a version nor in the way of the next one."""
    first = published(folder_store, {"a.txt": b"1"})
    folder_store.put(name, b"hello")
    assert list_versions(folder_store) == (first,)
    assert published(folder_store, {"a.txt": b"2"}, publish_id="two", parent=1).version == 2


EIGHT_MIB = 8 << 20  # of JSON, as FORMAT.md has it


@pytest.mark.parametrize("part", ["config", "result"])
def test_what_no_reader_would_take_is_not_published(folder_store, part):
    """A configuration or a result of 8 MiB is read as it was written; one of a byte more is refused by its writer."""
    rest = {"dataset": "street-scenes", "created_at": CREATED_AT, "files": [], "packs": []} | {
        "config": {},
        "result": {},
    }
    fitting = {"note": "a" * (EIGHT_MIB - len('{"note":""}'))}
    with pytest.raises(StorageRefusedError, match=f"the {part}") as refused:
        Manifest.of(**rest | {part: {"note": fitting["note"] + "a"}})
    assert refused.value.code == "too_long_to_publish"
    assert isinstance(publish(folder_store, Manifest.of(**rest | {part: fitting})), Committed)
    assert getattr(latest(folder_store).manifest, part) == fitting


def test_a_record_that_no_reader_would_take_is_not_published(folder_store):
    """Nothing is made a version by a record of more than 1 MiB."""
    with pytest.raises(StorageRefusedError, match="commits/") as refused:
        publish(folder_store, manifest_of(folder_store, {"a.txt": b"1"}), behind=("a" * 64,) * 16_000)
    assert refused.value.code == "too_long_to_publish"
    assert list_versions(folder_store) == ()
