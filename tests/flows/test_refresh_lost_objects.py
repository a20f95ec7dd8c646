"""Data objects of the newest version that are lost: made anew where that can be, and told where it cannot."""

from __future__ import annotations

import pytest
from test_cli_history import RUNBOOK

from flows.refresh import refresh
from labelsnap.errors import StorageRefusedError
from labelsnap.references import open_snapshot
from labelsnap.snapshots import read_snapshot
from labelsnap.snapshots.checking.verify import verify
from labelsnap.storage import open_store
from tests.flows.versions import store_of

TROUBLE = "| a lost or damaged data object of the newest version"


def keys_of(result, prefix):
    """The objects of a version whose keys begin so."""
    manifest = open_snapshot(result["ref"]).manifest
    keys = {part.key for file in manifest.files for part in file.ranges} | {pack.key for pack in manifest.packs}
    return sorted(key for key in keys if key.startswith(prefix))


def contents_of(result):
    """The sha256 of each file of a version's COCO tree, by path, but for those that name the version."""
    files = open_snapshot(result["ref"]).manifest.below("formats/coco/")
    return {file.path: file.sha256 for file in files if not file.path.endswith("croissant.json")}


def with_an_edit(made, sandbox):
    """Two versions, of which the second has an edited row."""
    first = refresh(made)
    sandbox.edit_row(3)
    return first, refresh(made)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["gone", "cut short"])
def test_formats_and_raw_lines_that_are_lost_are_made_anew(sandbox, first_version, dataset, tmp_path, how):
    """A pack of small files, a document and a chunk: the next version is whole, and what it would be without a past."""
    made = dataset(formats={"coco": {}})
    first = first_version(made)
    store = open_store(made.url)
    for prefix in ("data/packs/coco/", "data/formats/coco/annotations/", "data/raw/result-"):
        key = keys_of(first, prefix)[0]
        store.delete(key) if how == "gone" else store.put(key, (store.get(key) or b"")[:-1])
    sandbox.edit_row(3)
    second = refresh(made)
    assert (second["version"], verify(store, 2).faults) == (2, ())
    anew = refresh(dataset(formats={"coco": {}}, store=f"file://{tmp_path}/anew"))
    assert contents_of(second) == contents_of(anew)


@pytest.mark.slow
def test_a_lost_pack_of_images_comes_into_no_other_version(sandbox, dataset, monkeypatch):
    """Its rows are kept and nobody reads it: status 4, and its key."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "2")
    made = dataset(formats={})
    first = refresh(made)
    *_, key = keys_of(first, "data/images/")
    store_of(first).delete(key)
    sandbox.edit_row(3)
    with pytest.raises(StorageRefusedError, match=key) as refused:
        refresh(made)
    assert (refused.value.code, refused.value.exit_status) == ("object_damaged", 4)
    assert read_snapshot(store_of(first)).commit.version == 1


@pytest.mark.slow
@pytest.mark.parametrize("way_out", ["a copy", "rollback"])
def test_the_runbooks_ways_out_of_a_lost_object_are_some(sandbox, dataset, begun, labelsnap, way_out):
    """The object is put back; or the version before is gone back to, and the next refresh makes the rest again."""
    made = dataset(formats={"coco": {}})
    first, second = begun(with_an_edit, made, sandbox)
    store = store_of(first)
    (key, *_) = sorted({*keys_of(second, "data/tables/labels/")} - {*keys_of(first, "data/tables/labels/")})
    body = store.get(key)
    store.delete(key)
    sandbox.edit_row(5)
    with pytest.raises(StorageRefusedError, match=key):
        refresh(made)
    (row,) = (line for line in RUNBOOK.read_text(encoding="utf-8").splitlines() if line.startswith(TROUBLE))
    assert "copy of the bucket" in row
    assert "`labelsnap snapshots rollback URL@VERSION`" in row
    if way_out == "a copy":
        store.put(key, body)
    else:
        assert labelsnap("snapshots", "verify", first["ref"])[0] == 0
        assert labelsnap("snapshots", "rollback", first["ref"])[0] == 0
    last = refresh(made)
    assert verify(store, last["version"]).faults == ()
