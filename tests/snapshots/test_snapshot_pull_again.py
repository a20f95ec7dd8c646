"""Pulling where something lies already: an earlier tree goes, a person's own files stay, and two pulls do not mix."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publishing import published

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots import pull, read_snapshot
from tests.contracts.forked import in_process
from tests.contracts.memory_store import MemoryStore

FIRST = {"data.yaml": b"one", "labels/train/a.txt": b"a1", "labels/train/b.txt": b"b1", "labels/val/c.txt": b"c1"}
SECOND = {"data.yaml": b"two", "labels/train/a.txt": b"a1", "labels/val/b.txt": b"b2"}
OTHER = {"annotations/instances_train.json": b"{}"}
KILL_POINTS = 40


def in_format(name, contents):
    """The logical paths of a format's files."""
    return {f"formats/{name}/{path}": body for path, body in contents.items()}


@pytest.fixture
def versions(folder_store):
    """A store with two versions of a YOLO tree, the first of them with a COCO tree too."""
    published(folder_store, in_format("yolo", FIRST) | in_format("coco", OTHER))
    published(folder_store, in_format("yolo", SECOND), publish_id="two", parent=1)
    return folder_store


def pulled(store, version, directory, format_name="yolo", **options):
    """Pull a version."""
    return pull(store, read_snapshot(store, version), format_name, directory, **options)


def tree(folder):
    """Return {path: bytes} of a folder, without snapshot.json."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files.pop("snapshot.json", None)
    return files


def everything(folder):
    """Return {path: bytes} of a folder, with whatever is not the tree's."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_later_version_takes_the_place_of_an_earlier_one(versions, tmp_path):
    """What only the earlier one has is gone, with folders that are empty then; what both have is kept."""
    pulled(versions, 1, tmp_path / "out")
    report = pulled(versions, 2, tmp_path / "out")
    assert tree(tmp_path / "out") == SECOND
    assert (report.files, report.kept, report.removed, report.changed) == (3, 1, 2, 0)
    assert pulled(versions, 1, tmp_path / "out").removed == 1
    assert tree(tmp_path / "out") == FIRST


def test_another_format_takes_the_place_of_the_first(versions, tmp_path):
    """One folder holds one tree, and no folder of the other is left."""
    pulled(versions, 1, tmp_path / "out")
    assert pulled(versions, 1, tmp_path / "out", "coco").removed == 4
    assert tree(tmp_path / "out") == OTHER
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["annotations", "snapshot.json"]


def test_a_persons_own_files_stay(versions, tmp_path):
    """Notes beside the labels, and a label of the earlier tree that was drawn anew: the report counts it."""
    pulled(versions, 1, tmp_path / "out")
    (tmp_path / "out/labels/train/notes.md").write_bytes(b"mine")
    (tmp_path / "out/labels/train/b.txt").write_bytes(b"mended")
    report = pulled(versions, 2, tmp_path / "out")
    own = {"labels/train/notes.md": b"mine", "labels/train/b.txt": b"mended"}
    assert tree(tmp_path / "out") == SECOND | own
    assert (report.removed, report.changed) == (1, 1)
    pulled(versions, 2, tmp_path / "out")
    assert tree(tmp_path / "out") == SECOND | own


def test_a_link_in_an_earlier_files_place_stays(versions, tmp_path):
    """It was not written so, and what it leads to is somebody's."""
    pulled(versions, 1, tmp_path / "out")
    (tmp_path / "mine.txt").write_bytes(b"b1")
    (tmp_path / "out/labels/train/b.txt").unlink()
    (tmp_path / "out/labels/train/b.txt").symlink_to(tmp_path / "mine.txt")
    assert pulled(versions, 2, tmp_path / "out").changed == 1
    assert (tmp_path / "out/labels/train/b.txt").is_symlink()
    assert (tmp_path / "mine.txt").read_bytes() == b"b1"


@pytest.mark.parametrize("linked", [False, True])
def test_a_pulled_file_that_was_changed_since_gives_way_to_another_only_on_request(versions, tmp_path, linked):
    """It is a person's own by now; the pull names it, and changes nothing."""
    pulled(versions, 1, tmp_path / "out")
    changed = tmp_path / "out/data.yaml"
    if linked:
        changed.unlink()
        changed.symlink_to(tmp_path / "mine.yaml")
    changed.write_bytes(b"mine")
    standing = everything(tmp_path / "out")
    with pytest.raises(StorageRefusedError, match=r"data\.yaml.*changed since.*--overwrite") as refused:
        pulled(versions, 2, tmp_path / "out")
    assert refused.value.code == "file_stands"
    assert everything(tmp_path / "out") == standing
    pulled(versions, 2, tmp_path / "out", overwrite=True)
    assert tree(tmp_path / "out") == SECOND
    assert not linked or (tmp_path / "mine.yaml").read_bytes() == b"mine"


def test_a_pulled_file_that_was_changed_since_is_set_right_and_counted(versions, tmp_path):
    """Where the tree has the very file that was written there; one that is as it was is not counted."""
    pulled(versions, 1, tmp_path / "out")
    (tmp_path / "out/data.yaml").write_bytes(b"mine")
    assert pulled(versions, 1, tmp_path / "out").mended == 1
    assert tree(tmp_path / "out") == FIRST
    assert pulled(versions, 2, tmp_path / "out").mended == 0


@pytest.mark.parametrize("before", [False, True], ids=["empty folder", "earlier tree"])
def test_a_file_that_no_pull_wrote_is_replaced_only_on_request(versions, tmp_path, before):
    """Without it nothing is changed, and the tree before is still known as one; with it the new tree is whole."""
    if before:
        pulled(versions, 1, tmp_path / "out")
    own = tmp_path / "out/labels/val/b.txt"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(b"mine")
    standing = everything(tmp_path / "out")
    for _ in range(2):
        with pytest.raises(StorageRefusedError, match=r"labels/val/b\.txt.*--overwrite") as refused:
            pulled(versions, 2, tmp_path / "out")
        assert refused.value.code == "file_stands"
        assert everything(tmp_path / "out") == standing
    pulled(versions, 2, tmp_path / "out", overwrite=True)
    assert tree(tmp_path / "out") == SECOND


def test_a_snapshot_json_of_something_else_is_a_persons_own(versions, tmp_path):
    """It is replaced on request only."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/snapshot.json").write_text('{"mine": true}')
    with pytest.raises(StorageRefusedError) as refused:
        pulled(versions, 2, tmp_path / "out")
    assert refused.value.code == "file_stands"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["snapshot.json"]
    pulled(versions, 2, tmp_path / "out", overwrite=True)
    assert tree(tmp_path / "out") == SECOND


@pytest.mark.parametrize("paths", [("cam", "cam/1.txt"), ("cam/1.txt", "cam"), ("cam/1/a.txt", "cam")])
def test_a_file_gives_way_to_a_folder_and_a_folder_to_a_file(folder_store, tmp_path, paths):
    """Where the earlier tree has the one and the later the other."""
    before, after = ({path: b"x"} for path in paths)
    published(folder_store, in_format("yolo", before))
    published(folder_store, in_format("yolo", after), publish_id="two", parent=1)
    pulled(folder_store, 1, tmp_path / "out")
    pulled(folder_store, 2, tmp_path / "out")
    assert tree(tmp_path / "out") == after


@pytest.mark.parametrize("path", ["../outside.txt", "{root}/outside.txt", "a/../../outside.txt", "link/outside.txt"])
@pytest.mark.parametrize("list_name", ["snapshot.json", ".labelsnap-pulled"])
def test_nothing_is_removed_outside_the_folder(versions, tmp_path, path, list_name):
    """Whatever the lists in it say, which anybody may have written."""
    (tmp_path / "outside.txt").write_bytes(b"theirs")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path)
    path, sha256 = path.format(root=tmp_path), hashlib.sha256(b"theirs").hexdigest()
    lists = {
        "snapshot.json": {"ref": "file:///x@1", "files": {path: {"size": 6, "sha256": sha256}}},
        ".labelsnap-pulled": [path, 6, sha256],
    }
    (tmp_path / "out" / list_name).write_text(json.dumps(lists[list_name]))
    assert pulled(versions, 2, tmp_path / "out").removed == 0
    assert (tmp_path / "outside.txt").read_bytes() == b"theirs"


@given(
    content=st.one_of(
        st.binary(), st.recursive(st.none() | st.text(), st.lists).map(lambda each: json.dumps(each).encode())
    )
)
def test_a_damaged_list_is_no_obstacle(content, tmp_path_factory):
    """Lines that are none list nothing."""
    folder, store = tmp_path_factory.mktemp("pull"), MemoryStore()
    published(store, in_format("yolo", SECOND))
    (folder / ".labelsnap-pulled").write_bytes(content)
    pulled(store, 1, folder)
    assert tree(folder) == SECOND


def dying(number):
    """Let this process die at the n-th change of a name in a folder."""
    left = iter(range(number))

    def wrapped(real):
        def call(*arguments, **options):
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call

    for name in ("replace", "unlink", "rmdir"):
        setattr(os, name, wrapped(getattr(os, name)))


@pytest.mark.slow
def test_a_pull_killed_anywhere_leaves_a_folder_that_the_next_one_sets_right(versions, tmp_path):
    """Whichever version is pulled next, its tree and the person's own file are all there is."""
    killed = 0
    for number in range(KILL_POINTS):
        out = tmp_path / f"out-{number}"
        pulled(versions, 1, out)
        (out / "mine.md").write_bytes(b"mine")

        def work(number=number, out=out):
            dying(number)
            pulled(versions, 2, out)

        if in_process(work) == 0:
            break
        killed += 1
        for version, contents in ((2, SECOND), (1, FIRST)) if number % 2 else ((1, FIRST), (2, SECOND)):
            pulled(versions, version, out)
            assert tree(out) == contents | {"mine.md": b"mine"}
    assert 8 < killed < KILL_POINTS


@pytest.mark.parametrize("at", range(6))
def test_a_link_put_there_during_a_pull_is_not_gone_through(versions, tmp_path, monkeypatch, at):
    """Whoever may write to the folder can exchange what lies in it after any look: nothing elsewhere is changed."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "b.txt").write_bytes(FIRST["labels/train/b.txt"])
    pulled(versions, 1, tmp_path / "out")
    resolve, looks = Path.resolve, count()

    def look(path, **options):
        found = resolve(path, **options)
        if path.parent.name == "labels" and next(looks) == at:
            path.rename(path.with_name("was-there"))
            path.symlink_to(victim)
        return found

    with monkeypatch.context() as patched, suppress(StorageRefusedError):
        patched.setattr(Path, "resolve", look)
        pulled(versions, 2, tmp_path / "out")
    assert next(looks) > at
    assert everything(victim) == {Path("b.txt"): FIRST["labels/train/b.txt"]}


def test_a_list_that_is_a_link_is_not_written_to(versions, tmp_path):
    """The file that a pull writes its own list in is its own."""
    (tmp_path / "out").mkdir()
    (tmp_path / "notes").write_bytes(b"mine")
    (tmp_path / "out/.labelsnap-pulled").symlink_to(tmp_path / "notes")
    with pytest.raises(StorageRefusedError) as refused:
        pulled(versions, 1, tmp_path / "out")
    assert refused.value.code == "folder_refused"
    assert (tmp_path / "notes").read_bytes() == b"mine"


def test_of_two_pulls_into_one_folder_one_is_refused(versions, tmp_path):
    """The second is told so at once, and changes nothing for the first; when that has ended, the folder is free."""
    reached, go_on = Event(), Event()

    def wait(_):
        reached.set()
        assert go_on.wait(60)

    first = Thread(target=pulled, args=[versions, 1, tmp_path / "out"], kwargs={"on_progress": wait})
    first.start()
    try:
        assert reached.wait(60)
        with pytest.raises(StorageRefusedError, match="another pull") as refused:
            pulled(versions, 2, tmp_path / "out")
        assert refused.value.code == "pull_running"
    finally:
        go_on.set()
        first.join()
    assert tree(tmp_path / "out") == FIRST
    pulled(versions, 2, tmp_path / "out")
    assert tree(tmp_path / "out") == SECOND


PULL = """
import os, sys, time
from pathlib import Path
from labelsnap.snapshots import pull, read_snapshot
from labelsnap.storage import open_store
store = open_store(sys.argv[1])
def stop(report):
    print("pulling", flush=True)
    time.sleep(600)
pull(store, read_snapshot(store, 1), "yolo", Path(sys.argv[2]), on_progress=stop)
"""


def test_a_killed_pull_lets_go_of_the_folder(versions, tmp_path):
    """Another process is refused while it lives, and pulls when it is dead."""
    command = [sys.executable, "-c", PULL, versions.url, tmp_path / "out"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:  # noqa: S603 - our own interpreter
        try:
            assert first.stdout.readline() == b"pulling\n"
            with pytest.raises(StorageRefusedError) as refused:
                pulled(versions, 2, tmp_path / "out")
            assert refused.value.code == "pull_running"
        finally:
            first.kill()
    pulled(versions, 2, tmp_path / "out")
    assert tree(tmp_path / "out") == SECOND
