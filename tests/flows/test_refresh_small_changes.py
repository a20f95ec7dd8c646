"""A version after a small change: the same bytes as a dataset made anew, and few of them uploaded."""

from __future__ import annotations

import pytest

from deploy.sandbox import Sandbox
from flows.refresh import refresh
from labelsnap.references import pull
from labelsnap.snapshots.checking.verify import verify
from labelsnap.snapshots.reading.read import read_snapshot
from labelsnap.storage import open_store

pytestmark = pytest.mark.slow

OF_A_SNAPSHOT = {"snapshot.json", "croissant.json", "report.html", "export.ndjson"}
"""What names the snapshot or the export, and so is of one version alone, as is the table of where images are stored."""


@pytest.fixture
def own_sandbox(dataset_file, monkeypatch, tmp_path):
    """A sandbox whose project may be changed, and buckets of few rows."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "16")
    with Sandbox(rows=48, directory=tmp_path / "own") as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        yield sandbox


def tree(ref, name, directory):
    """The pulled tree of a format: bytes by path."""
    pull(ref, name, directory)
    files = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    if name == "parquet":
        files = {path: file for path, file in files.items() if not path.startswith("images/")}
    return {path: file.read_bytes() for path, file in files.items() if file.name not in OF_A_SNAPSHOT}


def test_changed_dataset_is_what_it_would_be_made_anew(own_sandbox, dataset, tmp_path):
    """Rows edited, removed and added, over three versions: each format's tree has the bytes of a first version."""
    content = {
        "source": {"project": own_sandbox.project_id},
        "formats": {"coco": {}, "yolo": {"task": "segment"}},
    }
    kept = dataset(**content, store=f"file://{tmp_path}/kept")
    refresh(kept)
    changes = (
        lambda: own_sandbox.edit_row(3),
        lambda: (own_sandbox.remove_row(18), own_sandbox.edit_row(30), own_sandbox.add_rows(3)),
    )
    for number, change in enumerate(changes):
        change()
        result = refresh(kept)
        anew = refresh(dataset(**content, store=f"file://{tmp_path}/anew-{number}"))
        assert result["version"] == number + 2
        assert 0 < result["reused_rows"] < anew["rows"]["published"]
        for name in (*content["formats"], "parquet", "raw"):
            found = tree(result["ref"], name, tmp_path / f"kept-{number}-{name}")
            assert found == tree(anew["ref"], name, tmp_path / f"anew-{number}-{name}"), name
    store = open_store(kept.url)
    assert any(file.parts for file in read_snapshot(store).manifest.files)
    assert [verify(store, version).faults for version in range(1, 4)] == [()] * 3


def test_small_change_uploads_a_small_part(own_sandbox, dataset, tmp_path):
    """One row of 48 edited: what goes up of formats is about a row's share, and no image goes up."""
    made = dataset(source={"project": own_sandbox.project_id}, store=f"file://{tmp_path}/store", formats={"coco": {}})
    refresh(made)
    before = stored(made.url)
    own_sandbox.edit_row(3)
    result = refresh(made)
    added = {key: size for key, size in stored(made.url).items() if key not in before}
    assert result["rows"]["published"] - result["reused_rows"] == 1

    def size_of(objects, folder):
        return sum(size for key, size in objects.items() if key.startswith(f"data/{folder}/"))

    assert size_of(added, "images") == 0
    assert size_of(added, "formats/coco") + size_of(added, "packs/coco") < 0.1 * (
        size_of(before, "formats/coco") + size_of(before, "packs/coco")
    )
    assert size_of(added, "tables") < 0.3 * size_of(before, "tables")


def stored(url):
    """The objects of a dataset, with their sizes in bytes."""
    return {info.key: info.size for info in open_store(url).list("data/")}


def test_raw_export_is_restored_byte_for_byte(own_sandbox, dataset, tmp_path):
    """Of three versions each gives back what Labelbox sent for it; the later two upload a part of the first's bytes."""
    own_sandbox.settings.chunk_bytes, own_sandbox.settings.cut = 30_000, "character"
    made = dataset(source={"project": own_sandbox.project_id}, store=f"file://{tmp_path}/store", formats={"coco": {}})
    sizes = []
    for change in (lambda: None, lambda: own_sandbox.edit_row(3), lambda: own_sandbox.add_rows(1)):
        change()
        before = stored(made.url)
        result = refresh(made)
        task = own_sandbox.exports.get([*own_sandbox.exports][-1])
        pull(result["ref"], "raw", tmp_path / task.id)
        assert (tmp_path / task.id / "export.ndjson").read_bytes() == task.files["RESULT"].read_bytes()
        added = {key: size for key, size in stored(made.url).items() if key not in before}
        sizes.append(sum(size for key, size in added.items() if key.startswith("data/raw/")))
    assert max(sizes[1:]) < sizes[0] / 2
