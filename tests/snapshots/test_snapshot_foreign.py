"""What is not ours below a dataset: it is in nobody's way, and it stays."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from publishing import published
from test_snapshot_gc import collected, history

from labelsnap.errors import ConfigurationError, StorageRefusedError
from labelsnap.snapshots import collect, expire, latest, list_tags, list_versions, plan_collection, tag
from labelsnap.snapshots.keeping.epochs import Condemned
from labelsnap.snapshots.keeping.gc import condemn
from labelsnap.snapshots.writing.nesting import check_outermost
from labelsnap.storage import Upload, open_store
from tests.contracts.memory_store import MemoryStore

FOREIGN = [
    f"{folder}{name}"
    for folder in ("commits/", "tags/", "gc/", "data/", "data/raw/", "manifests/", "work/", "work/run/", "_probe/")
    for name in ("", ".DS_Store", ".nfs0000000000c0ffee00000001", "read me.txt", "._a.json", "a\\b", "a\nb")
    if f"{folder}{name}" != "work/run/read me.txt"
]


class Bucket(MemoryStore):
    """A store in which others put what they like."""

    def litter(self, *keys):
        for key in keys:
            self.objects[key] = (b"", self.now)


@pytest.fixture
def bucket():
    """Two versions, the first of them expired, and everything of others that there may be, all old enough to go."""
    store = Bucket()
    history(store, "a", "b")
    tag(store, "model", 2)
    store.litter(*FOREIGN)
    expire(store, keep=1)
    store.put("work/run/lines", b"x")
    store.pass_time(days=8)
    return store


def test_foreign_objects_stop_nothing_and_stay(bucket):
    """Folder markers, what file managers, network file systems and people leave: the dataset works as without them."""
    before = {key for key in bucket.objects if key not in FOREIGN}
    assert {entry.key.partition("/")[0] for entry in plan_collection(bucket).condemned} == {"data", "manifests", "work"}
    deleted = {entry.key for entry in collected(bucket).deleted}
    assert len(deleted) == 3
    assert before - deleted <= bucket.objects.keys()
    assert set(FOREIGN) <= bucket.objects.keys()
    published(bucket, {"c.txt": b"c"}, publish_id="run-c", parent=latest(bucket).version)
    assert [found.name for found in list_tags(bucket)] == ["model"]
    assert latest(bucket).version == len(list_versions(bucket)) == 5


def test_an_epoch_that_lists_foreign_objects_comes_to_its_end(bucket):
    """As one does that was written when they were taken for garbage; they are spared."""
    foreign = ("data/", "work/.DS_Store", "data/read me.txt")
    condemn(bucket, tuple(sorted(Condemned(key, 0) for key in foreign)))
    bucket.pass_time(days=1)
    done = collect(bucket)
    assert (done.deleted, {entry.key for entry in done.spared}) == ((), set(foreign))
    assert set(foreign) <= bucket.objects.keys()
    assert not plan_collection(bucket).ripe


@pytest.mark.parametrize("hours", [0, 12, 24 * 30])
def test_scratch_that_is_written_again_is_not_deleted(bucket, hours):
    """However long its epoch waits after that: its key is used again, and what stands there is another thing."""
    bucket.put("work/run/receipts/again.json", b"old")
    bucket.pass_time(days=8)
    assert "work/run/receipts/again.json" in {entry.key for entry in collect(bucket).condemned}
    bucket.pass_time(hours=1)
    bucket.put("work/run/receipts/again.json", b"new")
    bucket.pass_time(hours=24 + hours)
    done = collect(bucket)
    assert bucket.get("work/run/receipts/again.json") == b"new"
    assert "work/run/receipts/again.json" in {entry.key for entry in done.spared}
    assert bucket.get("work/run/lines") is None


def test_uploads_that_were_broken_off_go(bucket):
    """When they are older than the grace period, and ours."""
    names = {"old": "data/pack-0123456789abcdef.tar", "young": "data/pack-0123456789abcdef.tar", "theirs": "data/x.zip"}
    ages = {"old": 8, "young": 6, "theirs": 8}
    uploads = [Upload(key, name, bucket.now - timedelta(days=ages[name])) for name, key in names.items()]
    aborted = []
    bucket.uploads = lambda: iter(uploads)
    bucket.abort = aborted.append
    assert plan_collection(bucket).uploads == (uploads[0],)
    assert aborted == []
    assert collect(bucket).uploads == (uploads[0],)
    assert aborted == [uploads[0]]


def test_files_that_a_killed_process_was_writing_go(folder_store):
    """From a folder as a store: the old ones, by its own clock."""
    published(folder_store, {"a.txt": b"a"})
    old, young = "0" * 32, "1" * 32
    for name, days in ((old, 8), (young, 6)):
        path = folder_store.root / ".partial" / name
        path.write_bytes(b"half")
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - days * 86_400))
    assert [upload.name for upload in collect(folder_store).uploads] == [old]
    assert [path.name for path in (folder_store.root / ".partial").iterdir()] == [young]


@pytest.mark.parametrize("inside", ["data", "work/inner", "manifests/a/b", "_probe/x"])
def test_a_dataset_where_garbage_lies_is_not_collected(bucket, inside):
    """Its objects look like unreachable ones: nothing is deleted, and it is named."""
    inner = MemoryStore(now=bucket.now)
    history(inner, "x")
    for key, entry in inner.objects.items():
        bucket.objects[f"{inside}/{key}"] = entry
    bucket.pass_time(days=8)
    before = dict(bucket.objects)
    with pytest.raises(StorageRefusedError, match=inside) as refused:
        collect(bucket)
    assert refused.value.code == "dataset_nested"
    assert bucket.objects == before


@pytest.mark.parametrize("inner", ["inner", "data/inner", "a/b/c"])
def test_a_new_dataset_below_another_is_refused(store, inner):
    """At any depth; a neighbour whose URL begins alike is not."""
    published(store, {"a.txt": b"a"})
    with pytest.raises(ConfigurationError, match=f"below the dataset {store.url}") as refused:
        check_outermost(f"{store.url}/{inner}")
    assert refused.value.code == "dataset_nested"
    check_outermost(store.url)
    check_outermost(f"{store.url}-2")
    check_outermost(open_store(f"{store.url}-2/{inner}").url)
