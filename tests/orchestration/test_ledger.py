"""Receipts of a run: which of them a process asks the store for."""

from __future__ import annotations

import pytest

from labelsnap.errors import StorageOutcomeUnknownError
from tasks.run.ledger import Ledger
from tests.contracts.memory_store import MemoryStore
from tests.contracts.store_faults import LossyStore


def test_what_this_process_has_not_noted_is_not_asked_for():
    """In a run that was begun here no receipts are but its own; in any other the store tells."""
    store = LossyStore(MemoryStore(), "", 0, landed=False)
    Ledger(store, "r").note("others", 1)
    begun = Ledger(store, "r", set())
    begun.note("own", 2)
    store.calls.clear()
    assert begun.recall("others", int) is None
    assert store.calls == []
    assert begun.recall("own", int) == 2
    assert Ledger(store, "r").recall("others", int) == 1


def test_a_receipt_whose_answer_was_lost_is_asked_for():
    """It may stand: what it tells, such as an export that was asked for, must not be done twice."""
    store = LossyStore(MemoryStore(), "put", 1, landed=True)
    ledger = Ledger(store, "r", set())
    with pytest.raises(StorageOutcomeUnknownError):
        ledger.note("asked", 1)
    assert ledger.recall("asked", int) == 1


def test_everything_of_a_run_is_removed():
    """And nothing of another one."""
    store = MemoryStore()
    for run in ("r", "r2"):
        for number in range(40):
            Ledger(store, run).note(f"bucket-{number}", number)
        store.put(f"work/{run}/lines/a.zst", b"lines")
    Ledger(store, "r").clear()
    assert {key.split("/")[1] for key in store.objects} == {"r2"}
    assert len(store.objects) == 41
