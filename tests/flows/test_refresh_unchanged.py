"""A refresh of what has not changed: nothing is done that only a version needs, and what is lost comes back."""

from __future__ import annotations

import msgspec
import pytest

from flows.refresh import refresh
from labelsnap.errors import StorageRefusedError
from labelsnap.references import open_snapshot
from labelsnap.snapshots.checking.verify import verify
from labelsnap.storage import open_store
from tasks import describe
from tasks.formats import convert
from tests.flows.versions import store_of
from tests.snapshots.publishing import publish


@pytest.fixture
def done(monkeypatch):
    """How often something was done from now on, by its name: buckets made for formats, and thumbnails drawn."""
    counts = {"make_parts": 0, "thumbnail": 0}

    def counted(module, name):
        real = getattr(module, name)

        def call(*given, **named):
            counts[name] += 1
            return real(*given, **named)

        monkeypatch.setattr(module, name, call)

    counted(convert, "make_parts")
    counted(describe, "thumbnail")
    return counts


def keys_below(result, folder):
    """The objects of a version that are files below a folder."""
    return sorted(file.key for file in open_snapshot(result["ref"]).manifest.below(folder))


def files_of(result):
    """The sha256 of each file of a version by path, but for those that name the version or an export."""
    files = open_snapshot(result["ref"]).manifest.files
    names_it = ("raw/", "report.html", "parts/")
    return {
        each.path: each.sha256
        for each in files
        if not each.path.startswith(names_it) and not each.path.endswith("croissant.json")
    }


def test_nothing_is_drawn_or_made_where_nothing_changed(dataset, done):
    """No thumbnail and no bucket of a format; the result counts the same objects as that of the version."""
    made = dataset(formats={"coco": {}})
    first = refresh(made)
    assert done["make_parts"] >= 1
    assert done["thumbnail"] >= 3
    done.update(dict.fromkeys(done, 0))
    second = refresh(made)
    assert (second["published"], second["version"]) == (False, 1)
    assert done == {"make_parts": 0, "thumbnail": 0}
    assert second["objects"]["reused"] == first["objects"]["uploaded"] + first["objects"]["reused"]


@pytest.mark.parametrize("path", ["report.html", "formats/coco/croissant.json"])
def test_a_lost_description_is_put_back(first_version, dataset, path):
    """One that names its version is written anew where it is gone, though nothing changed."""
    made = dataset(formats={"coco": {}})
    first = first_version(made)
    (key,) = keys_below(first, path)
    store_of(first).delete(key)
    assert refresh(made)["published"] is False
    assert verify(store_of(first), 1).faults == ()


@pytest.mark.slow
def test_a_version_without_indexes_is_followed_by_one_that_has_them(first_version, dataset, done):
    """As an earlier labelsnap wrote it: one version of the same rows comes, and the next night nothing is made."""
    made = dataset(formats={"coco": {}})
    first = first_version(made)
    store = open_store(made.url)
    manifest = open_snapshot(first["ref"]).manifest
    without = tuple(file for file in manifest.files if not file.path.startswith("parts/"))
    publish(store, msgspec.structs.replace(manifest, files=without), publish_id="before", parent=1)
    second = refresh(made)
    assert (second["published"], second["version"]) == (True, 3)
    assert files_of(second) == files_of(first)
    assert verify(store, 3).faults == ()
    done.update(dict.fromkeys(done, 0))
    assert (refresh(made)["reason"], done) == ("unchanged", {"make_parts": 0, "thumbnail": 0})


@pytest.mark.slow
@pytest.mark.parametrize("how", ["gone", "cut short"])
def test_a_lost_index_comes_back_once(sandbox, dataset, done, how):
    """It comes with a version where it is another one now, else under its own key; the next night nothing is made."""
    made = dataset(formats={"coco": {}, "yolo": {"task": "segment"}})
    refresh(made)
    sandbox.edit_row(3)
    second = refresh(made)
    store = open_store(made.url)
    for key in keys_below(second, "parts/"):
        store.delete(key) if how == "gone" else store.put(key, (store.get(key) or b"")[:-1])
    third = refresh(made)
    assert (third["published"], third["version"]) == (True, 3)
    assert files_of(third) == files_of(second)
    assert verify(store, 3).faults == ()
    done.update(dict.fromkeys(done, 0))
    assert (refresh(made)["reason"], done) == ("unchanged", {"make_parts": 0, "thumbnail": 0})
    for key in keys_below(third, "parts/"):
        store.delete(key)
    assert refresh(made)["reason"] == "unchanged"
    assert verify(store, 3).faults == ()
    done.update(dict.fromkeys(done, 0))
    assert (refresh(made)["reason"], done) == ("unchanged", {"make_parts": 0, "thumbnail": 0})


def test_a_lost_table_is_told_though_nothing_changed(first_version, dataset):
    """It would come into the next version unread: status 4, and its key."""
    made = dataset(formats={})
    first = first_version(made)
    (key, *_) = keys_below(first, "tables/labels/")
    store_of(first).delete(key)
    with pytest.raises(StorageRefusedError, match=key) as refused:
        refresh(made)
    assert (refused.value.code, refused.value.exit_status) == ("object_damaged", 4)
