"""Commit records that are gone or damaged: told where they are needed, passed over where they are not."""

from __future__ import annotations

import hashlib
import json
import os
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from publishing import manifest_of, publish, published
from test_snapshot_gc import collected, history

from labelsnap.errors import ConfigurationError, StorageRefusedError
from labelsnap.snapshots import (
    collect,
    expire,
    latest,
    list_versions,
    plan_collection,
    plan_expiry,
    read_history,
    read_snapshot,
    rollback,
    tag,
)
from labelsnap.snapshots.keeping.history import ALL, list_records, published_by, survey
from labelsnap.snapshots.reading.read import check_kept
from labelsnap.snapshots.runs import gaps, holds, merged
from labelsnap.storage.interface import RECORD_BYTES
from tests.contracts.memory_store import MemoryStore

VERSIONS = st.sets(st.integers(1, 30))


def record(version):
    """The key of a version's record."""
    return f"commits/{version:020d}.json"


def flip(store, version):
    """Change one byte of a record."""
    body = bytearray(store.get(record(version)))
    body[len(body) // 2] ^= 1
    store.put(record(version), bytes(body))


def remove(store, version):
    """Take a record away."""
    store.delete(record(version))


@pytest.fixture
def memory():
    """Six versions a day apart, of which the first three have expired by a seventh, eight days ago."""
    store = MemoryStore()
    history(store, *"abcdef")
    expire(store, keep=3)
    store.pass_time(days=8)
    return store


@given(versions=VERSIONS, newest=st.integers(0, 30))
def test_gaps_are_what_runs_leave_out(versions, newest):
    """Runs and gaps together are every version, and none is in both."""
    runs = merged((version, version) for version in versions)
    left = gaps(runs, newest)
    numbers = range(1, newest + 1)
    assert {number for number in numbers if holds(left, number)} == set(numbers) - versions
    assert {number for number in range(40) if holds(runs, number)} == versions
    assert merged([*left, *left]) == left


@pytest.mark.parametrize("version", [1, 2, 4, 5, 6])
def test_a_gap_stops_whatever_deletes(memory, version):
    """By a bucket's lifecycle rule, of a kept version or not: numbers have no gaps, so something is wrong."""
    memory.delete(record(version))
    before = dict(memory.objects)
    for work in (
        plan_collection,
        collect,
        lambda store: plan_expiry(store, keep=1),
        lambda store: expire(store, keep=1),
    ):
        with pytest.raises(StorageRefusedError, match=rf"none of {version}\..*{record(version)}") as refused:
            work(memory)
        assert refused.value.code == "version_gap"
    assert memory.objects == before
    assert survey(memory).missing == ((version, version),)


def test_a_gap_leaves_reading_and_publishing(memory):
    """Other versions are read, tagged, gone back to and published upon; the one that is gone is named."""
    memory.delete(record(5))
    assert check_kept(memory, read_snapshot(memory, 4)).version == 4
    assert published(memory, {"g.txt": b"g"}, publish_id="run-g", parent=7).version == 8
    assert tag(memory, "model", 6).version == 6
    assert rollback(memory, 4).version == 9
    with pytest.raises(StorageRefusedError, match=record(5)) as refused:
        read_snapshot(memory, 5)
    assert refused.value.code == "version_gap"
    with pytest.raises(StorageRefusedError):
        list_versions(memory)


def test_a_list_of_a_folder_that_misses_what_came_meanwhile_is_no_gap(memory):
    """The second list has it; what came after the first list's newest is not looked at."""
    missed, whole = record(7), MemoryStore.list
    history_before = list_records(memory).keys
    published(memory, {"g.txt": b"g"}, publish_id="run-g", parent=7)
    lists = iter([{missed}, {record(8)}])

    def partly(self, prefix, **options):
        left_out = next(lists, set()) if prefix == "commits/" else set()
        return iter([info for info in whole(self, prefix, **options) if info.key not in left_out])

    with patch.object(MemoryStore, "list", partly):
        assert [key.version for key in list_records(memory, ALL).keys] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert len(history_before) == 7


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_flipped_bit_in_an_expired_record_is_in_anybodys_way(memory, data):
    """Whichever it is, that of the format's version too."""
    store = MemoryStore(now=memory.now, objects=dict(memory.objects))
    body = bytearray(store.get(record(1)))
    body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    store.put(record(1), bytes(body))
    assert plan_collection(store) == plan_collection(memory)
    assert published(store, {"g.txt": b"g"}, publish_id="run-g", parent=7).version == 8


@pytest.mark.parametrize("version", [4, 7])
def test_a_record_of_a_later_format_is_not_given_up(memory, version):
    """It is whole: this labelsnap is too old for the dataset."""
    fields = json.loads(memory.get(record(version))) | {"format_version": 2}
    del fields["digest"]
    canonical = {"sort_keys": True, "separators": (",", ":")}
    sealed = fields | {"digest": hashlib.sha256(json.dumps(fields, **canonical).encode()).hexdigest()}
    memory.put(record(version), json.dumps(sealed, **canonical).encode())
    with pytest.raises(StorageRefusedError, match="later labelsnap") as refused:
        expire(memory, keep=9, lost=True)
    assert refused.value.code == "format_version"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_damaged_record_of_an_expired_version_is_in_nobodys_way(memory, version):
    """Not of listing, expiring, collecting, tagging, going back, or a publication; nor is it read for most of these."""
    flip(memory, version)
    assert [commit.version for commit in survey(memory).commits] == [4, 5, 6, 7]
    assert len(collected(memory).deleted) == 6
    assert rollback(memory, 5).version == 9
    assert tag(memory, "model", 4).version == 4
    assert expire(memory, keep=1)[1].version == 10
    outcome = publish(memory, manifest_of(memory, {"g.txt": b"g"}), publish_id="run-g", parent=10)
    assert outcome.commit.version == 11
    with pytest.raises(StorageRefusedError) as refused:
        read_snapshot(memory, version)
    assert refused.value.code == "object_damaged"


def test_a_publication_whose_version_has_expired_is_still_found(memory):
    """A repeated run gets the version that it made."""
    assert published_by(memory, read_history(memory), "run-b").version == 2
    assert publish(memory, manifest_of(memory, {"own-b.txt": b"b"}), publish_id="run-b", parent=1).commit.version == 2


def test_a_damaged_record_of_a_kept_version_is_named_with_a_way_out(memory):
    """Nothing is deleted; what needs another record goes on."""
    flip(memory, 5)
    before = dict(memory.objects)
    for work in (collect, lambda store: expire(store, keep=1), lambda store: tag(store, "x", 5), list_versions):
        with pytest.raises(StorageRefusedError, match=rf"{record(5)}.*copy of the bucket.*--lost") as refused:
            work(memory)
        assert refused.value.code == "object_damaged"
    assert memory.objects == before
    assert tag(memory, "model", 6).version == 6
    assert published(memory, {"g.txt": b"g"}, publish_id="run-g", parent=7).version == 8


@pytest.mark.parametrize(("version", "damage"), [(2, remove), (5, flip), (5, remove)])
def test_a_lost_version_is_given_up_on_request(memory, version, damage):
    """It expires by name, and everything goes on, without it: its objects go, and the others' stay."""
    damage(memory, version)
    plan = plan_expiry(memory, keep=9, lost=True)
    assert (plan.expiring, plan.lost) == ((), ((version, version),))
    done, commit = expire(memory, keep=9, lost=True)
    assert (done, commit.version, commit.lost) == (plan, 8, ((version, version),))
    assert holds(commit.expired, version)
    kept = {4, 6, 7, 8} | {5} - {version}
    assert {commit.version for commit in survey(memory).live} == kept
    memory.pass_time(days=8)
    deleted = {entry.key.rpartition("-")[0] for entry in collected(memory).deleted}
    assert deleted - {""} == {f"data/own-{name}" for name in ("abce" if version == 5 else "abc")}
    assert published(memory, {"g.txt": b"g"}, publish_id="run-g", parent=9).lost == ((version, version),)
    assert expire(memory, keep=9, lost=True)[1] is None


def test_a_damaged_newest_record_stops_writing_and_can_be_given_up(memory):
    """What is kept cannot be told without it; other versions are read, and the version before is the newest again."""
    published(memory, {"g.txt": b"g"}, publish_id="run-g", parent=7)
    flip(memory, 8)
    for work in (collect, latest, lambda store: rollback(store, 4)):
        with pytest.raises(StorageRefusedError, match=record(8)):
            work(memory)
    with pytest.raises(StorageRefusedError, match=r"--lost"):
        publish(memory, manifest_of(memory, {"h.txt": b"h"}), publish_id="run-h", parent=8)
    assert check_kept(memory, read_snapshot(memory, 6)).version == 6
    with pytest.raises(ConfigurationError):
        check_kept(memory, read_snapshot(memory, 1))
    _, commit = expire(memory, keep=9, lost=True)
    assert (commit.version, commit.parent, commit.lost) == (9, 8, ((8, 8),))
    assert latest(memory).manifest == read_snapshot(memory, 7).manifest
    assert not collect(memory).deleted


def test_nothing_is_left_to_go_on_from(memory):
    """Where no record can be read, giving up is refused too."""
    for version in range(1, 8):
        flip(memory, version)
    with pytest.raises(StorageRefusedError) as refused:
        expire(memory, keep=1, lost=True)
    assert refused.value.code == "object_damaged"


def too_much(folder, path):
    """A record without end."""
    path.write_bytes(b"")
    os.truncate(path, RECORD_BYTES + 1)


def in_its_place(make):
    """Something else under the record's name."""

    def damage(folder, path):
        path.unlink()
        make(folder, path)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        too_much,
        in_its_place(lambda _, path: os.mkfifo(path)),
        in_its_place(lambda folder, path: path.symlink_to(folder.parent / "elsewhere")),
    ],
    ids=["too long", "fifo", "link out of it"],
)
@pytest.mark.parametrize("version", [1, 3])
def test_a_record_that_no_record_can_be_is_given_up_like_a_damaged_one(folder_store, damage, version):
    """Without ``--lost`` it is told by its key; with it, it expires, and the dataset goes on."""
    (folder_store.root.parent / "elsewhere").write_bytes(b"{}")
    for number in range(3):
        published(folder_store, {"a.txt": b"%d" % number}, publish_id=f"run-{number}", parent=number)
    damage(folder_store.root, folder_store.root / record(version))
    with pytest.raises(StorageRefusedError, match=f"{record(version)}.*--lost"):
        expire(folder_store, keep=9)
    _, commit = expire(folder_store, keep=9, lost=True)
    assert (commit.version, commit.lost) == (4, ((version, version),))
    assert published(folder_store, {"b.txt": b"b"}, publish_id="run-b", parent=4).version == 5
