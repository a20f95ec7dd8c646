"""Objects that are kept and not read: which of them are there."""

from __future__ import annotations

import pytest

from labelsnap.buckets.base import BasePart
from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.manifest import Pack
from labelsnap.snapshots.reading.at_hand import AtHandStore, Folder
from labelsnap.snapshots.writing.presence import absent, check_kept_objects
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


def test_an_old_list_is_believed_by_nobody_who_publishes(tmp_path, monkeypatch):
    """What was lost since a list that is five minutes old is named before a version is made of it."""
    now = [1000.0]
    for module in ("at_hand", "looking"):
        monkeypatch.setattr(f"labelsnap.snapshots.reading.{module}.monotonic", lambda: now[0])
    folder = Folder(1000, tmp_path)
    store = AtHandStore(MemoryStore(), folder)
    kept = BasePart((), tuple(Pack(f"data/packs/{number}-{'0' * 16}.pack", 4, "0" * 64) for number in range(5)))
    for pack in kept.packs:
        store.store.put(pack.key, b"body")
    store.look()
    store.store.delete(kept.packs[3].key)
    now[0] += 301
    with pytest.raises(StorageRefusedError, match="3-0000"):
        check_kept_objects(store, kept, kept)
    folder.close()
