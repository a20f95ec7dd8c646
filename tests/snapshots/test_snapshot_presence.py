"""Objects that are kept and not read: which of them are there."""

from __future__ import annotations

from labelsnap.snapshots.writing.presence import absent
from tests.contracts.memory_store import MemoryStore


def test_what_is_missing_or_of_another_size_is_absent():
    """In a folder of many objects, in one of few, and in none; deeper folders change nothing."""
    store = MemoryStore()
    sizes = {f"data/tables/labels/bucket-{number}": 3 for number in range(300)} | {"data/a/x": 1, "data/b": 2}
    for key, size in sizes.items():
        store.put(key, b"x" * size)
    store.put("data/tables/labels/deeper/bucket-7", b"xxx")
    assert absent(store, sizes) == ()
    assert absent(store, {}) == ()
    store.delete("data/tables/labels/bucket-7")
    store.put("data/tables/labels/bucket-9", b"xx")
    store.delete("data/a/x")
    assert absent(store, sizes) == ("data/a/x", "data/tables/labels/bucket-7", "data/tables/labels/bucket-9")
