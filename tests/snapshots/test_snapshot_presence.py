"""Objects that are kept and not read: which of them are there, and what it costs to know."""

from __future__ import annotations

from collections import Counter

from labelsnap.snapshots.writing.presence import absent
from tests.contracts.memory_store import MemoryStore


class Counting(MemoryStore):
    """Counts what it is asked."""

    def __init__(self):
        super().__init__()
        self.asked = Counter()

    def list(self, prefix, **options):
        """Count, and list."""
        self.asked["list"] += 1
        return super().list(prefix, **options)

    def head(self, key):
        """Count, and look."""
        self.asked["head"] += 1
        return super().head(key)


def test_what_is_missing_or_of_another_size_is_absent():
    """In a folder of many objects, in one of few, and in none; deeper folders change nothing."""
    store = Counting()
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


def test_one_list_tells_of_all_folders_where_little_stands(monkeypatch):
    """Of more than it lists at once each folder is asked for, by one request however many objects are kept in it."""
    store = Counting()
    sizes = {f"data/tables/{table}/bucket-{number}": 3 for table in ("labels", "images") for number in range(300)}
    assert len(absent(store, sizes | {"data/report-1": 5})) == 601
    assert store.asked == {"list": 1}
    store.asked.clear()
    monkeypatch.setattr("labelsnap.snapshots.writing.presence._AT_ONCE", 10)
    for key in list(sizes)[:11]:
        store.put(key, b"xxx")
    assert len(absent(store, sizes | {"data/report-1": 5})) == 590
    assert store.asked == {"list": 3, "head": 1}
