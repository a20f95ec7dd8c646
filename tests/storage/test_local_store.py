"""What is particular to a folder as a store: rights, empty folders, and what killed processes leave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from labelsnap.errors import StorageRefusedError
from labelsnap.storage import open_store
from labelsnap.storage.interface import Upload
from tests.contracts.forked import in_process

READ = """
import sys
from labelsnap.errors import StorageRefusedError
from labelsnap.storage import open_store
from labelsnap.storage.interface import Upload
store = open_store(sys.argv[1])
for ask in (lambda: list(store.list("tags/")), lambda: list(store.list("")), lambda: store.head("tags/a"),
            lambda: store.get("tags/a")):
    try:
        print("answered", ask())
    except StorageRefusedError as refused:
        print(refused.code)
"""


def without_rights(command):
    """The command, run without the rights that root has over the rights of files."""
    if os.geteuid():
        return command
    if not (setpriv := shutil.which("setpriv")):
        pytest.skip("root may read everything")
    return [setpriv, "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search", *command]


def test_a_folder_that_may_not_be_read_is_not_empty(folder_store):
    """Neither for a listing of it, nor for one of a folder that holds it, nor for a look at what is in it."""
    folder_store.put("tags/a", b"1")
    (folder_store.root / "tags").chmod(0)
    command = without_rights([sys.executable, "-c", READ, folder_store.url])
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own interpreter
    assert told.splitlines() == ["folder_refused"] * 4


def test_folders_go_with_the_last_object_in_them(folder_store):
    """What nothing is in is not there; the folder of the store itself stays."""
    for key in ("work/run/receipts/a", "work/run/lines/b", "work/hints/c"):
        folder_store.put(key, b"x")
    folder_store.delete("work/run/receipts/a")
    folder_store.delete("work/run/lines/b")
    assert sorted(path.name for path in (folder_store.root / "work").iterdir()) == ["hints"]
    folder_store.delete("work/hints/c")
    folder_store.delete("work/hints/c")
    assert [path.name for path in folder_store.root.iterdir()] == [".partial"]


def test_a_folder_with_a_foreign_file_stays(folder_store):
    """What somebody else put there is not removed."""
    folder_store.put("work/run/a", b"x")
    (folder_store.root / "work/run/.DS_Store").write_bytes(b"mac")
    folder_store.delete("work/run/a")
    assert (folder_store.root / "work/run/.DS_Store").read_bytes() == b"mac"


def test_writers_and_deleters_of_one_folder_do_not_fail(folder_store):
    """A folder that is removed while something is written to it is made again."""

    def work(number):
        for turn in range(60):
            key = f"work/shared/{number}-{turn}"
            folder_store.put(key, b"x") if turn % 2 else folder_store.create(key, b"x")
            assert folder_store.get(key) == b"x"
            folder_store.delete(key)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert not (folder_store.root / "work").exists()


def test_what_a_killed_process_was_writing_is_listed_and_removed(folder_store, tmp_path):
    """By name, size and age; a file manager's own file beside it is not."""
    (tmp_path / "body").write_bytes(b"0123456789")

    folder_store.put("data/first", b"x")

    def dying():
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        folder_store.put("data/a", tmp_path / "body")

    assert in_process(dying) == signal.SIGKILL
    (folder_store.root / ".partial/.DS_Store").write_bytes(b"mac")
    (upload,) = folder_store.uploads()
    assert (upload.key, upload.size) == ("", 10)
    assert abs(upload.begun - datetime.now(UTC)) < timedelta(minutes=1)
    folder_store.abort(upload)
    folder_store.abort(upload)
    assert list(folder_store.uploads()) == []
    assert [path.name for path in Path(folder_store.root, ".partial").iterdir()] == [".DS_Store"]


def ways_to(store, key, tmp_path):
    """Every way there is to read what stands under a key."""
    return (lambda: store.get(key), lambda: store.download(key, tmp_path / "copy", size=9))


def test_a_fifo_is_refused_and_not_waited_for(folder_store, tmp_path):
    """Nothing that is no file is opened, whatever it would say."""
    folder_store.put("tags/a", b"1")
    os.mkfifo(folder_store.root / "tags/b")
    for read in ways_to(folder_store, "tags/b", tmp_path):
        with pytest.raises(StorageRefusedError, match="tags/b") as refused:
            read()
        assert refused.value.code == "not_an_object"


@pytest.mark.parametrize("target", ["/dev/zero", "outside/file"])
@pytest.mark.parametrize("key", ["tags/b", "linked/b"], ids=["file", "folder"])
def test_a_link_out_of_the_store_is_refused(folder_store, tmp_path, target, key):
    """Neither read nor looked up, nor written or removed through the link of a folder."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_bytes(b"secret")
    folder_store.put("tags/a", b"1")
    (folder_store.root / "tags/b").symlink_to(tmp_path / target)
    (folder_store.root / "linked").symlink_to(tmp_path / "outside")
    asked = [*ways_to(folder_store, key, tmp_path), lambda: folder_store.head(key)]
    if key == "linked/b":
        asked += [lambda: folder_store.put(key, b"1"), lambda: folder_store.delete("linked/file")]
    for ask in asked:
        with pytest.raises(StorageRefusedError, match=key.partition("/")[0]) as refused:
            ask()
        assert refused.value.code == "not_an_object"
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["file"]


def test_a_store_that_is_a_link_and_links_inside_it_are_read(folder_store, tmp_path):
    """What leads to the store, or from one object to another, leads nowhere else."""
    folder_store.put("tags/a", b"1")
    (folder_store.root / "tags/b").symlink_to(folder_store.root / "tags/a")
    (tmp_path / "linked").symlink_to(folder_store.root)
    store = open_store((tmp_path / "linked").as_uri())
    assert store.get("tags/b") == b"1"
    store.put("tags/c", b"2")
    assert folder_store.get("tags/c") == b"2"


def test_a_file_from_no_time_is_as_old_or_new_as_any(folder_store):
    """Whatever its time says, days can be counted from it: the year 1906 is 1970, and 31,700 is 9000."""
    folder_store.put("data/a", b"1")
    for seconds, year in ((-2e9, 1970), (9e11, 9000)):
        try:
            os.utime(folder_store.root / "data/a", (seconds, seconds))
        except OverflowError:
            pytest.skip("this file system has no such times")
        modified = folder_store.head("data/a").modified
        assert modified.year == year or modified.year < 2500  # where the file system's own times end before
        assert [info.modified for info in folder_store.list("data/")] == [modified]


def test_no_copy_grows_past_the_size_that_is_announced(folder_store, tmp_path):
    """Of a longer object a copy has one byte more, which tells that it is longer; of a record nothing is held."""
    folder_store.put("data/a", b"0123456789")
    assert folder_store.download("data/a", tmp_path / "copy", size=4)
    assert (tmp_path / "copy").read_bytes() == b"01234"
    with pytest.raises(StorageRefusedError, match="data/a") as refused:
        folder_store.get("data/a", most=9)
    assert refused.value.code == "object_too_long"
    assert folder_store.get("data/a", most=10) == b"0123456789"


def test_a_strangers_folder_in_place_of_the_stores_own_is_left_alone(folder_store, tmp_path):
    """Where `.partial` is a link nothing is written, listed or removed: it would be in somebody else's folder."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / ("a" * 32)).write_bytes(b"mine")
    folder_store.root.mkdir(parents=True, exist_ok=True)
    (folder_store.root / ".partial").symlink_to(victim)
    upload = Upload(key="", name="a" * 32, begun=datetime.now(UTC))
    for ask in (
        lambda: folder_store.put("tags/a", b"1"),
        lambda: folder_store.create("tags/a", b"1"),
        lambda: list(folder_store.uploads()),
        lambda: folder_store.abort(upload),
    ):
        with pytest.raises(StorageRefusedError, match="partial") as refused:
            ask()
        assert refused.value.code == "not_an_object"
    assert [path.name for path in victim.iterdir()] == ["a" * 32]


def test_only_what_the_store_was_writing_is_an_upload(folder_store, tmp_path):
    """A stranger's file among them has another name, or is a link."""
    folder_store.put("tags/a", b"1")
    (tmp_path / "file").write_bytes(b"mine")
    (folder_store.root / ".partial/thesis.txt").write_bytes(b"mine")
    (folder_store.root / ".partial" / ("b" * 32)).symlink_to(tmp_path / "file")
    assert list(folder_store.uploads()) == []


@pytest.mark.parametrize("target", ["outside", "store/data"], ids=["out", "inside"])
def test_a_list_goes_through_no_link_of_a_folder(folder_store, tmp_path, target):
    """What lies elsewhere is no object of the folder's: a link in its place is refused, one below it passed over."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_bytes(b"secret")
    folder_store.put("data/a", b"1")
    leads = folder_store.root / "data" if target == "store/data" else tmp_path / target
    (folder_store.root / "work").symlink_to(leads)
    (folder_store.root / "data/linked").symlink_to(tmp_path / "outside")
    for prefix in ("work/", "work/runs/"):
        with pytest.raises(StorageRefusedError, match="work") as refused:
            list(folder_store.list(prefix))
        assert refused.value.code == "not_an_object"
    assert [info.key for info in folder_store.list("data/")] == ["data/a"]
    assert [info.key for info in folder_store.list("")] == ["data/a"]


def test_folders_deeper_than_any_key_are_passed_over(folder_store):
    """However many there are below one another: what has a key is listed."""
    folder_store.put("commits/a", b"1")
    folder = os.open(folder_store.root / "commits", os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=folder)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    assert [info.key for info in folder_store.list("commits/")] == ["commits/a"]


def exchanged(monkeypatch, place, leads):
    """Let a link take the place of a file or a folder of the store between any look at it and its use."""
    looked = os.path.realpath

    def look(path, **options):
        found = looked(path, **options)
        if place.exists() and not place.is_symlink():
            place.rename(place.with_name("was-there"))
            place.symlink_to(leads)
        return found

    monkeypatch.setattr("labelsnap.storage.local.os.path.realpath", look)


@pytest.mark.parametrize("place", ["tags/b", "tags"], ids=["file", "folder"])
def test_a_link_put_there_after_the_look_is_not_gone_through(folder_store, tmp_path, monkeypatch, place):
    """Whoever may write to the store can do so at any moment: nothing outside is read, written, removed or listed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b").write_bytes(b"secret")
    leads = outside / "b" if place == "tags/b" else outside
    for ask in (
        lambda: folder_store.get("tags/b"),
        lambda: folder_store.download("tags/b", tmp_path / "copy", size=9) and (tmp_path / "copy").read_bytes(),
        lambda: folder_store.head("tags/b"),
        lambda: folder_store.put("tags/b", b"mine"),
        lambda: folder_store.put("tags/c", b"mine"),
        lambda: folder_store.create("tags/c", b"mine"),
        lambda: folder_store.delete("tags/b"),
        lambda: [info.key for info in folder_store.list("tags/")],
    ):
        shutil.rmtree(folder_store.root, ignore_errors=True)
        folder_store.put("tags/b", b"object")
        with monkeypatch.context() as patched:
            exchanged(patched, folder_store.root / place, leads)
            told = None
            with suppress(StorageRefusedError):
                told = ask()
            assert told in (None, False, True, [], ["tags/b", "tags/was-there"])
        assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("b", b"secret")]


def test_what_may_not_be_listed_is_read_by_its_key(tmp_path):
    """As a path asks for the right to search each folder on its way, and for no other."""
    key = "data/images/a.jpg"
    open_store(tmp_path.as_uri()).put(key, b"image")
    folders = [tmp_path, tmp_path / "data", tmp_path / "data/images"]
    program = "import sys; from labelsnap.storage import open_store; print(open_store(sys.argv[1]).get(sys.argv[2]))"
    command = without_rights([sys.executable, "-c", program, tmp_path.as_uri(), key])
    for folder in folders:
        folder.chmod(0o311)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert done.stdout == "b'image'\n"
