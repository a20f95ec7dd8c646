"""One run of a dataset at a time: who holds the lease, who waits, and what becomes of a dead holder's."""

from __future__ import annotations

import os
import threading
import time

import pytest

from labelsnap.errors import StorageRefusedError
from tasks.run.lease import held, is_held, take
from tests.contracts.memory_store import MemoryStore
from tests.contracts.store_faults import LossyStore


def refused(store, **options):
    """A lease that is not waited for."""
    return held(store, "second", **{"overlap": "refuse", "seconds": 60, "patience": 0} | options)


def test_a_second_run_is_refused_while_the_first_one_works(store):
    """The refusal names the run that works; when that one has ended, the lease is free and nothing is left of it."""
    with held(store, "first", overlap="refuse", seconds=60, patience=0):
        with pytest.raises(StorageRefusedError, match="first on ") as caught, refused(store):
            pytest.fail("two runs held one lease")
        assert caught.value.code == "refresh_running"
    with refused(store):
        assert len(list(store.list("work/lease/"))) == 1
    assert not list(store.list("work/lease/"))


def test_a_queued_run_begins_when_the_first_one_has_ended():
    """It waits, and then works alone."""
    store, order = MemoryStore(), []
    first_holds = threading.Event()

    def first():
        with held(store, "first", overlap="queue", seconds=60, patience=0):
            first_holds.set()
            time.sleep(0.05)
            order.append("first ends")

    thread = threading.Thread(target=first)
    thread.start()
    assert first_holds.wait(10)
    with held(store, "second", overlap="queue", seconds=60, patience=60, sleep=lambda _: time.sleep(0.01)):
        order.append("second begins")
    thread.join()
    assert order == ["first ends", "second begins"]


def test_a_queued_run_does_not_wait_for_ever():
    """When its patience ends it is refused like the others."""
    store = MemoryStore()
    assert take(store, b'{"run": "first", "host": "there"}', seconds=60)
    with pytest.raises(StorageRefusedError), held(store, "second", overlap="queue", seconds=60, patience=0):
        pytest.fail("the lease was held already")


def test_a_dead_runs_lease_lapses_by_the_stores_clock():
    """Not before its time, and whatever the clock of this machine says."""
    store = MemoryStore()
    assert take(store, b"{}", seconds=60)
    store.pass_time(seconds=59)
    assert take(store, b"{}", seconds=60) is None
    store.pass_time(seconds=1)
    assert take(store, b"{}", seconds=60) == "work/lease/00000000000000000002.json"
    assert [found.key for found in store.list("work/lease/")] == ["work/lease/00000000000000000002.json"]


@pytest.mark.parametrize(("ahead", "taken"), [(59, False), (61, True), (6 * 3600, True)])
def test_a_lease_from_the_future_is_no_sign_of_life(ahead, taken):
    """A clock that was ahead wrote it; within the time that a lease may be old it counts as young."""
    store = MemoryStore()
    store.pass_time(seconds=ahead)
    assert take(store, b"{}", seconds=60)
    store.pass_time(seconds=-ahead)
    assert is_held(store, seconds=60) is not taken
    assert bool(take(store, b"{}", seconds=60)) is taken


@pytest.mark.parametrize("name", ["work/lease/.DS_Store", "work/lease/", "work/lease/00000000000000000009.json.swp"])
def test_a_foreign_file_is_no_lease(name):
    """It is passed over, and stays."""
    store = MemoryStore()
    store.objects[name] = (b"", store.now)
    assert not is_held(store, seconds=60)
    with held(store, "first", overlap="refuse", seconds=60, patience=0):
        assert is_held(store, seconds=60)
    assert list(store.objects) == [name]


def test_a_single_writer_takes_a_lease_without_conditional_creation():
    """It is the only one to write, and still waits for its own earlier run."""
    store = MemoryStore()
    store.create = None
    assert take(store, b"{}", seconds=60, single_writer=True)
    assert take(store, b"{}", seconds=60, single_writer=True) is None
    store.pass_time(seconds=60)
    assert take(store, b"{}", seconds=60, single_writer=True) == "work/lease/00000000000000000002.json"


def test_a_living_runs_lease_does_not_lapse():
    """It is written again while the run works, so it stays young."""
    store = MemoryStore()
    with held(store, "first", overlap="refuse", seconds=0.2, patience=0):
        store.pass_time(hours=1)
        for _ in range(1000):
            if store.head("work/lease/00000000000000000001.json").modified == store.now:
                break
            time.sleep(0.01)
        assert take(store, b"{}", seconds=60) is None


def test_of_many_that_find_a_dead_lease_one_takes_it(folder_store):
    """A conditional create decides."""
    assert take(folder_store, b"{}", seconds=60)
    barrier, taken = threading.Barrier(8), []

    def run():
        barrier.wait()
        taken.append(take(folder_store, b"{}", seconds=0))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    standing = [found.key for found in folder_store.list("work/lease/")]
    assert len(standing) == 1
    assert standing[0] == max(key for key in taken if key)


class Stopped(MemoryStore):
    """A process that is stopped before it creates a lease, while others take over, end, and take over again."""

    def create(self, key, body):
        if key.startswith("work/lease/"):
            others = MemoryStore(now=self.now, objects=self.objects)
            others.put("work/lease/00000000000000000007.json", b'{"run": "other", "host": "there"}')
        return super().create(key, body)


def test_a_run_that_was_stopped_before_it_took_the_lease_does_not_hold_it():
    """It finds a higher number afterwards and takes its own back."""
    store = Stopped()
    assert take(store, b"{}", seconds=60) is None
    assert [found.key for found in store.list("work/lease/")] == ["work/lease/00000000000000000007.json"]


def test_a_holder_that_was_taken_over_does_not_come_back(caplog):
    """Its next renewal finds its lease gone, and says so."""
    store = MemoryStore()
    with held(store, "first", overlap="refuse", seconds=0.04, patience=0):
        store.delete("work/lease/00000000000000000001.json")
        for _ in range(200):
            if "taken over" in caplog.text:
                break
            time.sleep(0.01)
        assert not list(store.list("work/lease/"))


def test_a_lease_that_none_can_follow_holds_nobody_up_for_ever(folder_store):
    """Its number is the highest that a key has: once it has lapsed it is taken away, and the next begins anew."""
    folder_store.put(f"work/lease/{'9' * 20}.json", b"{}")
    assert take(folder_store, b"{}", seconds=60) is None
    lapsed = folder_store.root / f"work/lease/{'9' * 20}.json"
    os.utime(lapsed, (0, 0))
    assert take(folder_store, b"{}", seconds=60) == f"work/lease/{1:020d}.json"


def test_a_free_lease_costs_no_probe():
    """The store's clock is asked for where there is a lease whose age counts."""
    store = LossyStore(MemoryStore(), "", 0, landed=False)
    with held(store, "first", overlap="refuse", seconds=60, patience=0):
        assert store.calls == [("create", "work/lease/00000000000000000001.json")]
        assert take(store, b"{}", seconds=60) is None
        assert {key.split("/")[0] for _, key in store.calls[1:]} == {"_probe"}


class Unconditional(MemoryStore):
    """Answers the condition as stores do that do not know it."""

    def create(self, *_):
        raise StorageRefusedError("501", remedy="", code="unsupported")


def test_a_store_without_conditional_creation_is_named():
    """By what a refresh needs of it, and what to do."""
    store = Unconditional()
    with pytest.raises(StorageRefusedError, match="refuse a second creation") as caught, refused(store):
        pytest.fail("a lease was held")
    assert caught.value.code == "no_conditional_create"
    assert store.objects == {}
