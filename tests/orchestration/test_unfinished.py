"""Which run a new one goes on with, and which it does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec import Struct

from config.reading import parse_dataset
from tasks.errors import DatasetRejectedError, LabelboxAnswerError, LabelboxRefusedError, StorageRefusedError
from tasks.snapshots.manifest import File
from tasks.steps.ledger import Ledger
from tasks.steps.unfinished import (
    Unfinished,
    forget_unfinished,
    is_final,
    look_anew,
    note_unfinished,
    recall_unfinished,
)
from tests.contracts.memory_store import MemoryStore
from tests.snapshots.publishing import published


class Made(Struct):
    """A receipt that names files at some depth."""

    streams: tuple[Made, ...] = ()
    files: tuple[File, ...] = ()


def dataset(**changes):
    """A dataset file's content."""
    content = {"dataset": "streets", "store": "s3://datasets/team", "source": {"project": "p"}}
    return parse_dataset(content | changes)


@pytest.fixture
def store():
    """A store in which a run has begun and left a receipt."""
    store = MemoryStore()
    note_unfinished(store, dataset(), Unfinished("run-1", 3, store.now))
    store.put("work/run-1/receipts/export-000.json", b'{"id": "task"}')
    return store


def recalled(store, chosen=None, hours=10):
    """The run to go on with now."""
    return recall_unfinished(store, chosen or dataset(), now=store.now, hours=hours)


def test_a_run_of_the_same_dataset_and_parameters_is_gone_on_with(store):
    """With the version it builds upon, and its beginning by the store's clock."""
    begun = store.now
    store.pass_time(hours=9)
    assert recalled(store) == Unfinished("run-1", 3, begun)


@pytest.mark.parametrize("changes", [{"filters": {"workflow_status": "Done"}}, {"formats": {}}, {"dataset": "lanes"}])
def test_another_datasets_or_parameters_run_is_not(store, changes):
    """What it exported or wrote is not what is asked for now."""
    assert recalled(store, dataset(**changes)) is None


def test_a_run_that_did_nothing_for_long_is_forgotten(store):
    """With its ledger; a run that did something since its beginning is not."""
    store.pass_time(hours=9)
    store.put("work/run-1/receipts/bucket.json", b"{}")
    store.pass_time(hours=9)
    assert recalled(store).run == "run-1"
    store.pass_time(hours=2)
    assert recalled(store) is None
    assert not list(store.list("work/"))


def test_a_run_that_never_ends_is_forgotten_before_its_objects_may_be_collected(store):
    """Whatever it does."""
    for _ in range(6):
        store.pass_time(days=1)
        store.put("work/run-1/receipts/bucket.json", b"{}")
    assert recalled(store).run == "run-1"
    store.pass_time(hours=1)
    assert recalled(store) is None


def test_a_run_that_published_before_it_was_killed_is_finished(store):
    """The next run begins anew, rather than taking that version for its own."""
    published(store, {"tables/a.parquet": b"a"}, publish_id="run-1")
    assert recalled(store) is None
    assert not list(store.list("work/"))


def test_a_damaged_note_is_no_run(store):
    """It is overwritten by the run that begins."""
    (key,) = [found.key for found in store.list("work/runs/")]
    store.put(key, b"{")
    assert recalled(store) is None


def test_a_runs_name_goes_before_its_ledger():
    """Whenever the process dies between the two, nobody goes on with half a ledger."""
    store, deleted = MemoryStore(), []
    store.delete = deleted.append
    note_unfinished(store, dataset(), Unfinished("run-1", 0, store.now - timedelta(hours=1)))
    Ledger(store, "run-1").note("export-000", Unfinished("x", 0, store.now))
    forget_unfinished(store, dataset(), "run-1")
    assert [key.split("/")[1] for key in deleted] == ["runs", "run-1"]


def test_a_run_that_is_gone_on_with_much_later_looks_for_its_objects_anew(store):
    """What is gone or has another size is made again; its clock is now, and its age is not forgotten."""
    begun = store.now
    whole, gone, cut = (File(f"tables/{name}", f"data/{name}", 4, "0" * 64) for name in ("whole", "gone", "cut"))
    store.put("data/whole", b"1234")
    store.put("data/cut", b"123")
    for name, file in (("bucket-1", whole), ("window-1", gone), ("result-1", cut)):
        Ledger(store, "run-1").note(name, Made(streams=(Made(files=(file,)),)))
    store.pass_time(hours=9)
    found = look_anew(store, recalled(store), now=store.now)
    assert found == Unfinished("run-1", 3, store.now, begun)
    assert [key.key.rpartition("/")[2] for key in store.list("work/run-1/")] == ["bucket-1.json", "export-000.json"]
    note_unfinished(store, dataset(), found)
    for _ in range(6):
        store.pass_time(days=1)
        store.put("work/run-1/receipts/bucket-2.json", b"{}")
    assert recalled(store) is None


@pytest.mark.parametrize(
    ("error", "code", "final"),
    [
        (DatasetRejectedError, "too_many_problems", True),
        (LabelboxRefusedError, "export_failed", True),
        (LabelboxRefusedError, "source_not_found", True),
        (LabelboxRefusedError, "export_timeout", False),
        (LabelboxAnswerError, "labelbox_unreachable", False),
        (StorageRefusedError, "lost_race", True),
        (StorageRefusedError, "storage_full", False),
        (KeyboardInterrupt, None, False),
    ],
)
def test_a_failure_that_stays_ends_the_run(error, code, final):
    """One that may pass leaves it to be gone on with."""
    raised = error() if code is None else error("It failed.", remedy="Repeat.", code=code)
    assert is_final(raised) is final
