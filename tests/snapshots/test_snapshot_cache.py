"""The cache of pulled files: what is linked, what is never given out, and what a broken-off pull leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from publishing import published

from labelsnap.snapshots import PullReport, latest, pull
from tests.contracts.store_faults import LossyStore

FILES = {f"formats/yolo/labels/train/{name}.txt": name.encode() * 1000 for name in "abcdef"}
SIZE = sum(map(len, FILES.values()))


@pytest.fixture
def snapshot(folder_store):
    """Publish a format of six files."""
    published(folder_store, FILES)
    return latest(folder_store)


def tree(folder):
    """Return {path: bytes} of a folder's labels."""
    return {f"formats/yolo/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*.txt")}


def reads(store, snapshot, directory, cache):
    """Pull, and say what came of it and how many objects were read."""
    watched = LossyStore(store, "", 0, landed=False)
    return pull(watched, snapshot, "yolo", directory, cache=cache), len(watched.calls)


def test_second_tree_is_linked(folder_store, snapshot, tmp_path):
    """The first pull fills the cache, the second reads nothing, and both trees and the cache are the same files."""
    cache = tmp_path / "cache"
    assert reads(folder_store, snapshot, tmp_path / "one", cache) == (PullReport(6, SIZE, 0, 0), 6)
    assert reads(folder_store, snapshot, tmp_path / "two", cache) == (PullReport(6, SIZE, 0, 6), 0)
    assert tree(tmp_path / "one") == tree(tmp_path / "two") == FILES
    linked = (tmp_path / "two/labels/train/a.txt").stat()
    assert linked.st_nlink == 3
    assert linked.st_mode & 0o777 == 0o444
    assert reads(folder_store, snapshot, tmp_path / "two", cache) == (PullReport(6, SIZE, 6, 0), 0)


def test_no_cache_is_made_unless_asked_for(folder_store, snapshot, tmp_path):
    """Without a cache a file has no second name, and can be written."""
    pull(folder_store, snapshot, "yolo", tmp_path / "one")
    status = (tmp_path / "one/labels/train/a.txt").stat()
    assert (status.st_nlink, bool(status.st_mode & 0o200)) == (1, True)


@pytest.mark.parametrize("damage", [b"", b"x" * 1000, b"a" * 999])
def test_damaged_entry_is_read_anew(folder_store, snapshot, tmp_path, damage):
    """An entry that a tool changed through a tree is never given out, and the next pull mends both."""
    cache = tmp_path / "cache"
    pull(folder_store, snapshot, "yolo", tmp_path / "one", cache=cache)
    changed = tmp_path / "one/labels/train/a.txt"
    changed.chmod(0o644)
    changed.write_bytes(damage)
    assert reads(folder_store, snapshot, tmp_path / "two", cache) == (PullReport(6, SIZE, 0, 5), 1)
    assert tree(tmp_path / "two") == FILES
    assert reads(folder_store, snapshot, tmp_path / "one", cache) == (PullReport(6, SIZE, 5, 1, mended=1), 0)
    assert tree(tmp_path / "one") == FILES


def test_other_file_system_is_copied_to(folder_store, snapshot, tmp_path):
    """Where no link can be made, the cache still saves the download, and trees do not share files."""
    elsewhere = Path("/dev/shm")  # noqa: S108 - the one other file system that is there to be written
    if not os.access(elsewhere, os.W_OK) or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system")
    with tempfile.TemporaryDirectory(dir=elsewhere) as folder:
        cache = Path(folder, "cache")
        assert reads(folder_store, snapshot, tmp_path / "one", cache)[1] == 6
        assert reads(folder_store, snapshot, tmp_path / "two", cache) == (PullReport(6, SIZE, 0, 6), 0)
        assert tree(tmp_path / "two") == FILES
        assert (tmp_path / "two/labels/train/a.txt").stat().st_nlink == 1
        assert not list(cache.rglob(".partial/*"))


def test_what_a_killed_pull_left_half_copied_is_removed_after_a_day(folder_store, snapshot, tmp_path):
    """Not what may be another pull's work, and nothing that no pull wrote."""
    partial = tmp_path / "cache" / ".partial"
    partial.mkdir(parents=True)
    for name, hours in {"0" * 32: 25, "1" * 32: 23, "notes.txt": 25, "2" * 32: -25}.items():
        (partial / name).write_bytes(b"half")
        then = time.time() - hours * 3600
        os.utime(partial / name, (then, then))
    pull(folder_store, snapshot, "yolo", tmp_path / "one", cache=tmp_path / "cache")
    assert sorted(path.name for path in partial.iterdir()) == ["1" * 32, "2" * 32, "notes.txt"]


def test_cache_in_use_can_be_deleted(folder_store, snapshot, tmp_path):
    """The trees stay whole."""
    pull(folder_store, snapshot, "yolo", tmp_path / "one", cache=tmp_path / "cache")
    shutil.rmtree(tmp_path / "cache")
    assert reads(folder_store, snapshot, tmp_path / "one", tmp_path / "cache") == (PullReport(6, SIZE, 6, 0), 0)


PULL = """
import os, sys
from pathlib import Path
from labelsnap.snapshots import latest, pull
from labelsnap.storage import open_store
store = open_store(sys.argv[1])
def stop(report):
    if report.files == 3:
        print("three", flush=True)
        os.kill(os.getpid(), 9)
pull(store, latest(store), "yolo", Path(sys.argv[2]), cache=Path(sys.argv[3]), on_progress=stop)
"""


def test_killed_pull_goes_on(folder_store, snapshot, tmp_path):
    """After SIGKILL in mid-pull there is no receipt; the next pull keeps what is whole and ends with the whole tree."""
    one, cache = tmp_path / "one", tmp_path / "cache"
    killed = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", PULL, folder_store.url, one, cache], check=False, capture_output=True
    )
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, b"three\n")
    assert not (one / "snapshot.json").exists()
    report, read = reads(folder_store, snapshot, one, cache)
    assert report.kept >= 3
    assert report.kept + report.cached + read == 6
    assert tree(one) == FILES
    assert (one / "snapshot.json").exists()
    assert not list(one.glob(".labelsnap-partial*"))
