"""Checkpoints of a history: few objects that say what thousands of records say, and never decide anything alone."""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from unittest.mock import patch

import pytest
from dying import Dying, Killed, copied
from hypothesis import given
from hypothesis import strategies as st
from publishing import manifest_of, publish, published

from labelsnap.errors import StorageOutcomeUnknownError, StorageRefusedError
from labelsnap.snapshots import (
    LostRace,
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
from labelsnap.snapshots.checking.verify import verify
from labelsnap.snapshots.keeping.checkpoints import EVERY, chain_of, first_of, fold
from labelsnap.snapshots.keeping.history import RECENT, newest_key, newest_record, published_by, survey
from labelsnap.snapshots.keeping.records import side_by_side
from labelsnap.snapshots.layout import checkpoint_key, commit_key
from tests.contracts.long_history import Counted, long_history
from tests.contracts.memory_store import MemoryStore
from tests.contracts.one_by_one import one_by_one
from tests.contracts.store_faults import LossyStore

HINT = "checkpoints/newest.json"
LONG = 8 * EVERY + 3


def versions(store, number, *, first=1):
    """Publish versions up to a number, each of a file of its own."""
    for version in range(first, number + 1):
        contents = {f"{version}.txt": b"%d" % version}
        published(store, contents, publish_id=f"run-{version}", parent=version - 1)


@pytest.fixture(scope="module")
def standing():
    """A history with several checkpoints: of some kept versions, one of them tagged, and the newest."""
    store = MemoryStore()
    versions(store, 20)
    tag(store, "model", 7)
    expire(store, keep=3)
    versions(store, LONG, first=22)
    expire(store, keep=4)
    return store


@pytest.fixture
def memory(standing):
    """A copy of it that a test may harm."""
    return MemoryStore(now=standing.now, objects=dict(standing.objects))


def bare(store):
    """The same dataset without any checkpoint."""
    left = {key: entry for key, entry in store.objects.items() if not key.startswith("checkpoints/")}
    return MemoryStore(now=store.now, objects=left)


def answers(store):
    """What is asked of a history, by everybody who asks."""
    history = read_history(store)
    return {
        "newest": newest_key(store),
        "record": newest_record(store),
        "live": [(each.version, each.manifest, each.publish_id, each.rows, each.action) for each in history.live],
        "runs": [published_by(store, history, f"run-{number}") is not None for number in range(1, LONG + 3)],
        "missing": survey(store).missing,
        "damaged": list(survey(store).damaged),
        "shown": [each.version for each in survey(store, back=RECENT).live],
        "expiry": plan_expiry(store, keep=2),
        "garbage": plan_collection(store),
        "behind": history.head.behind,
    }


def checkpoints(store):
    """The checkpoints there are, by their number."""
    return {int(key[12:32]): body for key, (body, _) in store.objects.items() if key.startswith("checkpoints/0")}


def made_anew(store):
    """The same checkpoints, made of the records alone."""
    left = bare(store)
    for number in checkpoints(store):
        fold(left, number, 0)
    return {number: body for number, body in checkpoints(left).items() if number in checkpoints(store)}


@given(number=st.integers(1, 10**7))
def test_a_chain_tells_of_every_version_once(number):
    """From the newest checkpoint's back to 1, by one for each digit to the base of eight at most."""
    chain = chain_of(number)
    told = [(first_of(each), each) for each in reversed(chain)]
    assert [first for first, _ in told] == [1, *(last + 1 for _, last in told[:-1])][: len(told)]
    assert (chain[0] if chain else 0) == number - number % 8
    assert len(chain) <= len(f"{number:o}") - 1


def test_ranges_of_checkpoints_by_hand():
    """As FORMAT.md has them: 8 begins at 1, 72 behind 64, 576 behind 512."""
    assert {each: first_of(each) for each in (8, 16, 56, 64, 72, 512, 576, 584)} == {
        8: 1, 16: 1, 56: 1, 64: 1, 72: 65, 512: 1, 576: 513, 584: 577,
    }  # fmt: skip
    assert chain_of(0o62627) == (0o62620, 0o62600, 0o62000, 0o60000)


def test_with_and_without_checkpoints_the_answers_are_the_same(memory):
    """Whatever is asked, they are a shorter way to it."""
    assert checkpoints(memory).keys() == set(range(8, LONG, 8))
    assert json.loads(memory.get(HINT)) == {"version": 64}
    assert answers(memory) == answers(bare(memory))


def test_a_checkpoint_is_what_the_records_say(memory):
    """Its kept versions, and the first digits of each run's sha256, by hand of one of them."""
    found = json.loads(memory.get(checkpoint_key(24)))
    assert (found["first"], found["version"]) == (1, 24)
    assert [each["version"] for each in found["kept"]] == [7, 18, 19, 20, 21, 22, 23, 24]
    assert found["expired"] == [[1, 6], [8, 17]]
    assert found["runs"][: 2 * 8] == "4e65d3fbb9d17232"  # of `printf run-1 | sha256sum`, and run-2
    assert len(found["runs"]) == 24 * 8


@pytest.mark.parametrize(
    "hint", [None, b"", b"[", b"{}", *(b'{"version":%d}' % number for number in (0, 8, 60, 72, 1 << 62))]
)
def test_a_hint_that_is_wrong_costs_a_list_and_no_answer(memory, hint):
    """One that is gone, or damaged, or names a version before or above the newest checkpoint's, or none that can be."""
    expected = answers(memory)
    memory.delete(HINT) if hint is None else memory.put(HINT, hint)
    assert answers(memory) == expected
    assert published(memory, {"z.txt": b"z"}, publish_id="run-z", parent=LONG + 1).version == LONG + 2


def harmed(store, key):
    """Flip a byte of an object."""
    body = bytearray(store.get(key, most=1 << 30))
    body[len(body) // 2] ^= 1
    store.put(key, bytes(body))


@pytest.mark.parametrize("harm", [harmed, MemoryStore.delete], ids=["damaged", "gone"])
def test_a_checkpoint_that_is_damaged_or_gone_is_told_and_made_anew(memory, harm, caplog):
    """The records say the same; the next publication that makes one makes it as it was."""
    expected, whole = answers(memory), checkpoints(memory)[64]
    harm(memory, checkpoint_key(64))
    assert answers(memory) == expected
    assert checkpoint_key(64) in caplog.text
    versions(memory, 71, first=LONG + 2)
    assert 64 not in checkpoints(memory) or checkpoints(memory)[64] != whole
    versions(memory, 72, first=72)
    assert checkpoints(memory)[64] == whole
    assert answers(memory) == answers(bare(memory))


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found | {"kept": found["kept"][::-1]},
        lambda found: found | {"kept": [*found["kept"], found["kept"][-1]]},
        lambda found: found | {"kept": [*found["kept"], found["kept"][-1] | {"version": 65}]},
        lambda found: found | {"runs": found["runs"][8:]},
        lambda found: found | {"runs": found["runs"][:-1] + "G"},
        lambda found: found | {"first": 2},
        lambda found: found | {"format_version": 2},
    ],
    ids=["order", "twice", "beyond", "short", "digits", "first", "format"],
)
def test_what_no_checkpoint_can_say_is_damage_of_it(memory, change):
    """Though its digest is right; the records are read, and it stands until it is made anew."""
    expected = answers(memory)
    fields = json.loads(memory.get(checkpoint_key(64)))
    del fields["digest"]
    canonical = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
    body = json.dumps(change(fields), **canonical).encode()
    sealed = change(fields) | {"digest": hashlib.sha256(body).hexdigest()}
    memory.put(checkpoint_key(64), json.dumps(sealed, **canonical).encode())
    assert answers(memory) == expected


def test_another_checkpoint_under_a_key_is_damage_of_it(memory):
    """It tells of other versions, though its digest is right."""
    expected = answers(memory)
    memory.put(checkpoint_key(64), memory.get(checkpoint_key(56)))
    assert answers(memory) == expected


def test_a_record_that_no_list_has_any_more_is_told(memory):
    """A checkpoint in its place is not enough for whoever deletes, nor for whoever reads that version."""
    memory.delete(commit_key(20))
    for work in (collect, lambda store: expire(store, keep=1), list_versions):
        with pytest.raises(StorageRefusedError, match=commit_key(20)) as refused:
            work(memory)
        assert refused.value.code == "version_gap"
    with pytest.raises(StorageRefusedError, match=commit_key(20)):
        read_snapshot(memory, 20)
    assert survey(memory, back=RECENT).missing == ((20, 20),)


def test_records_that_a_checkpoint_alone_bears_witness_of_are_told(memory):
    """Where it and all after it are gone, no number is given twice."""
    for version in range(64, LONG + 2):
        memory.delete(commit_key(version))
    with pytest.raises(StorageRefusedError, match=checkpoint_key(64)) as refused:
        latest(memory)
    assert refused.value.code == "version_gap"
    with pytest.raises(StorageRefusedError, match=commit_key(64)):
        publish(memory, manifest_of(memory, {"z.txt": b"z"}), publish_id="run-z", parent=63)
    harmed(memory, checkpoint_key(64))
    assert newest_key(memory).version == 63


def test_a_damaged_record_stands_in_no_checkpoint(memory):
    """Of a kept version it is told as before, also by who reads checkpoints made since."""
    store = bare(memory)
    harmed(store, commit_key(7))
    published(store, {"z.txt": b"z"}, publish_id="run-z", parent=LONG + 1)
    assert 7 not in [each["version"] for each in json.loads(store.get(checkpoint_key(64)))["kept"]]
    assert list(survey(store, back=RECENT).damaged) == [7]
    store.put(commit_key(7), memory.get(commit_key(7)))
    assert published_by(store, read_history(store), "run-7").version == 7


def test_a_record_that_is_damaged_behind_its_checkpoint_is_told_by_who_reads_it(memory):
    """What it said is known: nothing that is kept is at stake, and the version itself is refused by name."""
    expected = answers(memory)
    harmed(memory, commit_key(7))
    assert answers(memory) == expected
    with pytest.raises(StorageRefusedError, match=commit_key(7)):
        read_snapshot(memory, 7)
    assert [fault.key for fault in verify(memory, 7).faults] == [commit_key(7)]


@pytest.mark.parametrize("number", [10**20 - 1, 10**9])
def test_a_number_that_no_dataset_has_makes_nobody_count_up_to_it(memory, number):
    """Neither a record under it nor a hint that names it."""
    memory.put(commit_key(number), memory.get(commit_key(7)))
    memory.put(HINT, b'{"version":%d}' % (number % (1 << 63)))
    shown = survey(memory, back=RECENT)
    assert [each.version for each in shown.live] == [each.version for each in survey(bare(memory)).live]
    assert list(shown.damaged) == [number]
    assert shown.missing == ((LONG + 2, number - 1),)


def test_an_old_dataset_goes_over_with_its_next_publication(memory):
    """Nothing but checkpoints is written, the same that were made as versions came."""
    store = bare(memory)
    before = dict(store.objects)
    published(store, {"z.txt": b"z"}, publish_id="run-z", parent=LONG + 1)
    assert checkpoints(store) == {64: checkpoints(memory)[64]}
    new = {key.partition("/")[0] for key in store.objects.keys() - before.keys()}
    assert new == {"checkpoints", "commits", "data", "manifests"}
    assert all(store.objects[key] == entry for key, entry in before.items())


def test_what_a_lost_expiry_said_counts_no_more(memory):
    """Versions that it alone let expire are kept again, though the checkpoint of its number has left them out."""
    store = MemoryStore()
    versions(store, 7)
    assert expire(store, keep=2)[1].version == 8
    versions(store, 9, first=9)
    assert [each["version"] for each in json.loads(store.get(checkpoint_key(8)))["kept"]] == [6, 7, 8]
    for version in (8, 9):
        harmed(store, commit_key(version))
    assert expire(store, keep=20, lost=True)[1].version == 10
    assert [each.version for each in read_history(store).live] == [1, 2, 3, 4, 5, 6, 7, 10]
    assert answers(store) == answers(bare(store))


def test_a_run_of_long_ago_is_found(memory):
    """By the checkpoint of its number and its own record; also one of a version that has expired."""
    for number in (3, 20, 30):
        outcome = publish(memory, manifest_of(memory, {"3.txt": b"3"}), publish_id=f"run-{number}", parent=LONG + 1)
        assert outcome.commit.version == number
    assert rollback(memory, 7, publish_id="run-25").version == 25
    assert published_by(memory, read_history(memory), "run-never") is None


def test_two_runs_of_the_same_first_digits_are_told_apart(memory):
    """A checkpoint only says where to look."""
    with patch("labelsnap.snapshots.keeping.checkpoints._digits", lambda _: "0" * 8):
        store = bare(memory)
        published(store, {"z.txt": b"z"}, publish_id="run-z", parent=LONG + 1)
        assert published_by(store, read_history(store), "run-3").version == 3
        assert published_by(store, read_history(store), "run-never") is None


def test_who_knows_since_when_reads_no_checkpoint(memory):
    """A run whose name is newer than a version is in none up to it."""
    manifest = manifest_of(memory, {"z.txt": b"z"})
    counted = Counted(memory)
    assert publish(counted, manifest, publish_id="run-3", parent=LONG + 1, since=LONG + 1).commit.version == LONG + 2
    assert counted.asked["get", "checkpoints"] == 1
    assert publish(memory, manifest, publish_id="run-3", parent=LONG + 1, since=LONG + 1).commit.version == LONG + 2


def test_single_writers_make_no_checkpoints():
    """Their records may be taken away by a person who ends a fork."""
    store = MemoryStore()
    for parent in range(2 * EVERY + 1):
        manifest = manifest_of(store, {"a.txt": b"%d" % parent})
        publish(store, manifest, publish_id=f"run-{parent}", parent=parent, single_writer=True)
    assert not checkpoints(store)
    assert [each.version for each in list_versions(store)] == list(range(1, 2 * EVERY + 2))


def test_a_fork_of_an_old_version_shows_twice(memory):
    """What a checkpoint says of one of the records does not count, where all are listed."""
    body = memory.get(commit_key(7))
    memory.put(commit_key(7, "0" * 32), body)
    assert [each.version for each in survey(memory).live].count(7) == 2
    with pytest.raises(StorageRefusedError, match="fork"):
        read_snapshot(memory, 7)


def test_a_collection_deletes_checkpoints_that_others_took_the_place_of(memory):
    """Those that tell of all versions together stay; nothing that is asked has another answer."""
    expected = answers(memory)
    collect(memory)
    assert checkpoints(memory).keys() == {64}
    assert answers(memory) == expected
    versions(memory, 74, first=LONG + 2)
    collect(memory)
    assert checkpoints(memory).keys() == {64, 72}
    memory.delete(checkpoint_key(64))
    versions(memory, 80, first=75)
    assert checkpoints(memory).keys() == {64, 72, 80}


@pytest.mark.parametrize(
    "after", [pytest.param(False, id="before"), pytest.param(True, id="after", marks=pytest.mark.slow)]
)
def test_a_kill_at_any_call_of_a_checkpoint_leaves_a_whole_history(after):
    """The version is there or not; the run again is one version, and the next one makes what is missing."""
    before = MemoryStore()
    versions(before, 15)
    counted = Dying(copied(before), begin=commit_key(16))
    versions(counted, 16, first=16)
    assert counted.asked > 10
    for at in range(1, counted.asked + 1):
        store = copied(before)
        with one_by_one(), pytest.raises(Killed):
            versions(Dying(store, at, after=after, begin=commit_key(16)), 16, first=16)
        assert answers(store) == answers(bare(store))
        versions(store, 17, first=16)
        assert checkpoints(store).keys() == {8, 16}
        assert checkpoints(store) == made_anew(store)
        assert [each.publish_id for each in list_versions(store)] == [f"run-{number}" for number in range(1, 18)]


def test_a_checkpoint_that_cannot_be_written_is_told_and_the_version_stands(caplog):
    """The next publication makes it."""

    class Refusing(LossyStore):
        def create(self, key, body):
            if key.startswith("checkpoints/"):
                raise StorageOutcomeUnknownError("No answer.", remedy="Repeat.", code="storage_unreachable")
            return self.store.create(key, body)

    store = MemoryStore()
    versions(Refusing(store, "", 0, landed=False), 8)
    assert latest(store).version == 8
    assert "No checkpoint of version 8" in caplog.text
    versions(store, 9, first=9)
    assert checkpoints(store).keys() == {8}


def test_sixteen_writers_make_gap_free_versions_and_one_history_of_checkpoints():
    """Each publishes three versions: none is lost, none is double, and every checkpoint is what the records say."""
    store, barrier = MemoryStore(), Barrier(16)

    def race(writer):
        barrier.wait()
        parent = 0
        for turn in range(3):
            name = f"run-{writer}-{turn}"
            manifest = manifest_of(store, {f"{name}.txt": name.encode()})
            while isinstance(outcome := publish(store, manifest, publish_id=name, parent=parent), LostRace):
                parent = outcome.head

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(race, range(16)))
    made = list_versions(store)
    assert [each.version for each in made] == list(range(1, 49))
    assert len({each.publish_id for each in made}) == 48
    assert answers(store) == answers(bare(store))
    assert 48 in checkpoints(store)
    assert checkpoints(store) == made_anew(store)


@pytest.mark.parametrize("newest", [2000, *(pytest.param(each, marks=pytest.mark.slow) for each in (5000, 26_000))])
def test_requests_do_not_grow_with_the_history(newest):
    """Of so many versions 160 are kept: what is asked to begin, to publish, to list, to expire and to collect."""
    kept = range(1, newest, newest // 160)
    store, last = long_history(newest, kept)

    def asked(work):
        counted = Counted(store)
        work(counted)
        return counted

    begun = asked(newest_key)
    assert (begun.requests, begun.asked["list", "commits"]) == (4, 1)
    shown = asked(lambda each: survey(each, back=RECENT))
    assert shown.requests <= 20
    assert len(survey(store, back=RECENT).live) == len({*kept, newest - 1, newest})
    manifest = manifest_of(store, {"z.txt": b"z"})
    outcome = asked(lambda each: publish(each, manifest, publish_id="z", parent=newest, since=newest))
    assert outcome.requests <= 22
    assert outcome.asked["list", "commits"] == 1
    assert asked(lambda each: publish(each, manifest, publish_id="run-17", parent=newest)).requests <= 20
    pages = newest // 1000 + 1
    assert asked(lambda each: plan_expiry(each, keep=10)).requests <= 25 + pages
    assert asked(plan_collection).requests <= 30 + pages
    assert latest(store).version == last.version + 1


def test_records_are_not_all_held_that_nobody_has_taken_yet():
    """Of however many, some hundred are read ahead: whoever makes the first checkpoint of an old dataset reads all."""
    asked = []
    given = side_by_side(asked.append, range(5000))
    next(given)
    time.sleep(0.3)  # in which all could be read
    assert len(asked) <= 1000
    assert len([None, *given]) == len(asked) == 5000
