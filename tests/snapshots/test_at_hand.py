"""Copies of what a process wrote or read: the store is asked once, and what it holds is never guessed."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from hashlib import sha256

import pytest

from labelsnap.snapshots.layout import data_key
from labelsnap.snapshots.reading.at_hand import AtHandStore, Folder, the_store_of
from labelsnap.snapshots.writing.draft import Draft
from tests.contracts.memory_store import MemoryStore

KILLED = """
import os, sys
from pathlib import Path
from labelsnap.snapshots.reading.at_hand import Folder
folder = Folder(1000, Path(sys.argv[1]))
folder.take("a", b"left behind")
os._exit(9)
"""


class Counting(MemoryStore):
    """Says how often it was asked for what."""

    def __init__(self):
        super().__init__()
        self.asked = Counter()

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name in {"put", "get", "download", "head", "list", "delete"}:
            self.asked[name] += 1
        return found


@pytest.fixture
def folder(tmp_path):
    """A folder for a thousand bytes."""
    made = Folder(1000, tmp_path)
    yield made
    made.close()


@pytest.fixture
def store(folder):
    """An empty store and what this process has of it at hand."""
    return AtHandStore(Counting(), folder)


def key_of(content, path="tables/a.parquet"):
    """Where content lies."""
    return data_key(path, sha256(content).hexdigest())


def copies_in(tmp_path):
    """The sizes of the files below a folder, but for locks."""
    return sorted(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock")


def test_what_was_written_is_not_asked_for(store, tmp_path):
    """Whole, in parts, and to a file: no request, and the same bytes as the store's."""
    content = b"0123456789"
    store.put(key := key_of(content), content)
    assert store.get(key) == store.get(key, length=11) == content
    assert store.get(key, offset=3, length=4) == b"3456"
    assert store.get(key, offset=10, length=4) == b""
    assert store.download(key, tmp_path / "copy", size=10)
    assert (tmp_path / "copy").read_bytes() == content
    assert +store.store.asked == {"put": 1}


def test_what_was_read_is_asked_for_once(store):
    """Of an object that another process wrote the first reader brings a copy."""
    content = b"0123456789"
    store.store.put(key := key_of(content), content)
    assert [store.get(key, length=11) for _ in range(3)] == [content] * 3
    assert store.store.asked["get"] == 1


def test_what_is_read_in_parts_is_brought_whole(store):
    """Ranges that come to more than a sixteenth of an object bring it; fewer are asked of the store."""
    content = bytes(range(160))
    store.store.put(key := key_of(content), content)
    parts = [store.get(key, offset=start, length=10) for start in range(0, 160, 10)]
    assert b"".join(parts) == content
    asked = store.store.asked
    assert (asked["download"], asked["get"] - asked["download"]) == (1, 1)


def test_what_is_lent_is_brought_once_and_is_no_copy(store, tmp_path):
    """Whoever only reads it has the very file that is at hand; what is not there is not lent."""
    store.store.put(key := key_of(b"content"), b"content")
    for name in ("one", "other"):
        assert store.lend(key, tmp_path / name, size=7)
    assert (tmp_path / "one").samefile(tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == b"content"
    assert store.store.asked["download"] == 1
    assert not store.lend(key_of(b"other"), tmp_path / "none", size=5)


def test_of_an_object_that_is_wanted_up_to_a_place_all_is_brought_once(store, tmp_path):
    """Such as that of a shard, whose last bytes tell of a table that is no more."""
    store.store.put(key := key_of(b"content and its end"), b"content and its end")
    assert store.head(key)
    for name in ("one", "other"):
        assert store.lend(key, tmp_path / name, size=12)
        assert (tmp_path / name).read_bytes() == b"content and its end"
    assert store.store.asked["download"] == 1


def test_nothing_is_lent_to_where_a_file_is(store, tmp_path):
    """It may be lent itself, and what is lent is written to by nobody."""
    for content in (b"content", b"another"):
        store.store.put(key_of(content), content)
    assert store.lend(key_of(b"content"), tmp_path / "one", size=7)
    with pytest.raises(FileExistsError):
        store.lend(key_of(b"another"), tmp_path / "one", size=7)
    assert store.get(key_of(b"content")) == b"content"


def test_keys_that_do_not_say_their_content_are_always_asked_for(store):
    """A lease, a receipt, a commit record and a tag may be other ones the next time."""
    for key in ("work/lease/00000000000000000001.json", "work/a/receipts/b.json", "commits/00000000000000000001.json"):
        store.put(key, b"one")
        store.store.objects[key] = (b"two", store.store.now)
        assert store.get(key) == b"two"
        assert store.head(key).size == 3


def test_largest_copies_go_first(store, tmp_path):
    """There are never more bytes than the folder may hold, and what goes is brought again."""
    small, large = [b"%03d" % number * 10 for number in range(20)], b"l" * 700
    for content in (*small[:10], large, *small[10:]):
        store.put(key_of(content), content)
    assert copies_in(tmp_path) == [30] * 20
    assert store.get(key_of(large), length=701) == large
    assert store.store.asked["get"] == 1


def test_larger_than_the_folder_is_not_kept(store, tmp_path):
    """It is the store's, and everything else stays."""
    store.put(key_of(b"small"), b"small")
    store.put(key_of(large := b"l" * 1001), large)
    assert copies_in(tmp_path) == [5]
    assert store.get(key_of(large), most=2000) == large


def test_full_disk_is_no_error(store, folder, monkeypatch):
    """What cannot be kept is asked for again."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labelsnap.snapshots.reading.at_hand.Path.write_bytes", full)
    store.put(key := key_of(b"content"), b"content")
    assert folder.size(f"{store.url}/{key}") is None
    assert store.get(key) == b"content"


def test_one_list_tells_what_stands(store):
    """A new dataset has nothing: no object is looked for before it is put, and each is put once."""
    draft = Draft(store)
    for number in range(5):
        draft.add_file(f"tables/{number}.parquet", b"%d" % number)
    asked = store.store.asked
    assert (asked["head"], asked["put"]) == (0, 5)
    assert asked["list"] == 2  # what stands, and the epochs of garbage collection
    again = AtHandStore(store.store, store.folder)
    Draft(again).add_file("tables/3.parquet", b"3")
    assert (asked["head"], asked["put"]) == (0, 5)


def test_object_of_another_length_is_put_again(store):
    """What was cut short in the store is mended, though a key of its name stands."""
    store.store.put(key := key_of(b"content"), b"con")
    uploads = Draft(store)
    uploads.add_file("tables/a.parquet", b"content")
    assert store.store.get(key) == b"content"
    assert uploads.uploads.objects == 1


def test_what_this_process_wrote_is_looked_for(store):
    """An object that is gone after it was written is put again by whoever needs it."""
    Draft(store).add_file("tables/a.parquet", b"content")
    del store.store.objects[key_of(b"content")]
    Draft(store).add_file("tables/a.parquet", b"content")
    assert key_of(b"content") in store.store.objects


def test_behind_the_end_of_a_list_each_object_is_asked_for(store, monkeypatch):
    """Of more than are held at once the list tells the first ones, and the store is asked for the others."""
    monkeypatch.setattr("labelsnap.snapshots.reading.looking.MOST_LISTED", 3)
    keys = sorted(key_of(b"%d" % number) for number in range(5))
    for key in keys:
        store.store.put(key, b"content")
    assert [store.head(key).size for key in keys] == [7] * 5
    assert store.head(keys[-1].replace("tables", "texts")) is None
    assert store.store.asked["head"] == 3
    assert [info.key for info in store.list("data/")] == keys


def test_what_was_listed_lately_is_not_asked_again(store):
    """Which objects stand is told for as long as is asked for; of what this process wrote the store is asked."""
    listed, written = key_of(b"listed"), key_of(b"written")
    store.store.put(listed, b"listed")
    store.look()
    store.put(written, b"written")
    asked = store.store.asked
    asked.clear()
    assert store.looked_for([listed], 60).keys() == {listed}
    assert +asked == {}
    del store.store.objects[listed], store.store.objects[written]
    assert store.looked_for([listed, written], 60).keys() == {listed}
    assert store.looked_for([listed, written], 0) == {}


def test_the_store_itself_has_nothing_at_hand(store):
    """Whoever has to see what is there gets the store that was wrapped, and a plain one as it is."""
    assert the_store_of(store) is store.store
    assert the_store_of(store.store) is store.store


def test_copies_go_with_the_folder(folder, tmp_path):
    """Nothing is left of it, and what comes after is not kept."""
    folder.take("a", b"content")
    folder.close()
    folder.take("b", b"content")
    assert list(tmp_path.iterdir()) == []
    assert folder.read("a", 0, 7) is folder.read("b", 0, 7) is None
    folder.close()


def test_copies_of_a_killed_process_are_removed(folder, tmp_path):
    """The next process that makes a folder finds them; those of a process that lives stay."""
    folder.take("a", b"content")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)  # noqa: S603 - our own interpreter
    assert done.returncode == 9
    assert copies_in(tmp_path) == [7, 11]
    Folder(1000, tmp_path).close()
    assert copies_in(tmp_path) == [7]
    assert len([*tmp_path.iterdir()]) == 1
