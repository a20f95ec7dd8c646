"""Many small files in few objects."""

from __future__ import annotations

import pytest

from labelsnap.snapshots.manifest import Manifest
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.writing import small
from labelsnap.snapshots.writing.draft import Draft
from labelsnap.snapshots.writing.small import SmallFiles
from tests.contracts.store_faults import LossyStore


def added(store, bodies, base=None, *, packing=False, **limits):
    """Add files to packs, also ``packing`` anew what stands; give them, and the bytes that were uploaded."""
    draft = Draft(store)
    files = SmallFiles(draft, "packs/yolo/train", base, store if packing else None, **limits)
    for path, body in bodies.items():
        files.add(f"formats/yolo/{path}", body)
    files.flush()
    return files, draft.uploads.bytes


def manifest(files):
    """A snapshot of these files and nothing else."""
    return Manifest.of(
        dataset="d",
        created_at="",
        config={},
        result={},
        files=list(files.files.values()),
        packs=list(files.packs.values()),
    )


def read_back(store, files):
    """The bytes of each file, by its path in the format's folder."""
    assert all(path == file.path for path, file in files.files.items())
    return {path.removeprefix("formats/yolo/"): read_file(store, file) for path, file in files.files.items()}


def bodies(count):
    """So many files of a few bytes."""
    return {f"labels/{number:04}.txt": b"%d 0.5" % number for number in range(count)}


def test_a_thousand_files_are_one_object(folder_store):
    """One request to the store, and every file reads back by its own range and hash."""
    expected = bodies(1000) | {"labels/empty.txt": b""}
    files, _ = added(folder_store, expected)
    assert len(files.packs) == 1
    assert len(list(folder_store.list("data/"))) == 1
    assert {
        file.path.removeprefix("formats/yolo/"): read_file(folder_store, file) for file in files.files.values()
    } == expected


def test_only_changed_files_are_uploaded(folder_store):
    """Ten changed of a thousand make a pack of ten; the others point into the base's pack, also under a new path."""
    first, uploaded = added(folder_store, bodies(1000))
    changed = bodies(1000) | {f"labels/{number:04}.txt": b"changed %d" % number for number in range(0, 1000, 100)}
    changed["labels/moved.txt"] = changed.pop("labels/0001.txt")
    second, again = added(folder_store, changed, manifest(first))
    assert again < uploaded / 50
    assert len(second.packs) == 2
    assert {
        file.path.removeprefix("formats/yolo/"): read_file(folder_store, file) for file in second.files.values()
    } == changed
    assert {file.key for file in second.files.values()} == set(second.packs)


def test_equal_files_give_equal_packs(folder_store):
    """A repeated step finds its packs in the store and uploads nothing."""
    first, _ = added(folder_store, bodies(20))
    second, again = added(folder_store, bodies(20))
    assert (second.files, second.packs, again) == (first.files, first.packs, 0)


@pytest.mark.parametrize("limit", [{"pack_files": 7}, {"pack_bytes": 40}])
def test_packs_are_bounded(folder_store, limit):
    """A pack is closed when it has enough files or bytes, so that memory does not grow with their number."""
    files, _ = added(folder_store, bodies(20), **limit)
    assert len(files.packs) == 3


def test_what_is_the_same_lies_in_a_pack_once(folder_store):
    """Under all its paths; an empty file takes up nothing, and a pack may have nothing else."""
    files, uploaded = added(folder_store, dict.fromkeys(bodies(9), b"0 0.5") | {"labels/empty.txt": b""})
    assert uploaded == 5
    assert set(read_back(folder_store, files).values()) == {b"0 0.5", b""}
    empty, uploaded = added(folder_store, {"labels/empty.txt": b""})
    assert (uploaded, read_back(folder_store, empty)) == (0, {"labels/empty.txt": b""})


def test_a_thousand_nights_are_one_pack(folder_store):
    """Ten labels of 250 change each night: all lie in one object of just their bytes, which one request more reads."""
    of_night = bodies(250)
    kept, _ = added(folder_store, of_night)
    for night in range(40):
        of_night |= {
            f"labels/{(night * 10 + edit) % 250:04}.txt": b"edited %d %d" % (night, edit) for edit in range(10)
        }
        watched = LossyStore(folder_store, "", 0, landed=False)
        kept, _ = added(watched, of_night, manifest(kept), packing=True)
        (pack,) = kept.packs.values()
        assert [call for call, _ in watched.calls if call == "get"] == ["get"]
        assert pack.size == sum(map(len, set(of_night.values())))
    assert read_back(folder_store, kept) == of_night


def test_large_packs_stand_until_a_third_of_them_is_waste(folder_store, monkeypatch):
    """What changed in a night is all that goes up; once it is worth it, what is left of a pack does too."""
    monkeypatch.setattr(small, "SMALL_PACK", 50)
    of_night = {f"{number:03}": b"%03d" % number * 10 for number in range(100)}
    kept, first = added(folder_store, of_night)
    sent = []
    for night in range(40):
        of_night[f"{night:03}"] = b"%03d" % (900 - night) * 10
        kept, uploaded = added(folder_store, of_night, manifest(kept), packing=True)
        sent.append(uploaded)
        live = sum(map(len, of_night.values()))
        assert sum(pack.size for pack in kept.packs.values()) <= live * 1.5 + 50
    assert read_back(folder_store, kept) == of_night
    assert sum(uploaded > 5 * 30 for uploaded in sent) == 1
    assert sum(sent) < 2 * first


def test_files_of_a_few_bytes_are_packed_anew_only_where_it_pays(folder_store):
    """Of many rows packs are full before they are large: one edit writes what is in one of them."""
    of_night = {f"labels/{number:06}.txt": b"%06d 0.5 0.5" % number for number in range(2000)}
    kept, whole = added(folder_store, of_night, pack_files=400)
    for night in range(4):
        of_night[f"labels/{night * 500:06}.txt"] = b"changed %d" % night
        kept, uploaded = added(folder_store, of_night, manifest(kept), packing=True, pack_files=400)
        assert uploaded < whole / 2
    assert read_back(folder_store, kept) == {
        path.removeprefix("formats/yolo/"): body for path, body in of_night.items()
    }


def test_what_cannot_be_read_stays_where_it_is(folder_store, caplog):
    """A pack that is damaged or gone is none to be packed anew: the log and `verify` name it, and the run goes on."""
    first, _ = added(folder_store, bodies(20))
    (key,) = first.packs
    changed = bodies(20) | {"labels/0007.txt": b"changed"}
    whole = folder_store.get(key)
    folder_store.put(key, b"?" * len(whole))
    second, _ = added(folder_store, changed, manifest(first), packing=True)
    assert key in second.packs
    assert key in caplog.text
    folder_store.put(key, whole)
    assert read_back(folder_store, second) == changed
    folder_store.delete(key)
    third, _ = added(folder_store, changed, manifest(first), packing=True)
    assert (third.files, third.packs) == (second.files, second.packs)
