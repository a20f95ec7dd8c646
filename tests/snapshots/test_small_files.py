"""Many small files in few objects."""

from __future__ import annotations

import pytest

from labelsnap.snapshots.manifest import Manifest
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.writing.draft import Draft
from labelsnap.snapshots.writing.small import SmallFiles


def added(store, bodies, base=None, **limits):
    """Add files to packs; give them, and the bytes that were uploaded."""
    draft = Draft(store)
    files = SmallFiles(draft, "packs/yolo/train", base, **limits)
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
