"""Pulling: exactly the tree of one format, every byte checked, nothing outside the folder."""

from __future__ import annotations

import hashlib
import io
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from publishing import manifest_of, publish, published
from pyarrow import parquet

from labelsnap.errors import ConfigurationError, StorageRefusedError
from labelsnap.snapshots import IMAGES_SCHEMA, Draft, File, PullReport, formats_held, latest, pull, write_tar
from labelsnap.snapshots.reading.ranges import GAP_BYTES, READ_BYTES, merged
from tests.contracts.store_faults import LossyStore

LINES = [b'{"row": 1}\n', b'{"row": 2}\n', b"not json\n"]
IMAGES = {
    ("train", "a.jpg"): b"aaa",
    ("train", "b.jpg"): b"b" * 5000,
    ("val", "a.jpg"): b"a2",
    ("val", "empty.jpg"): b"",
}


def zstd(body):
    """Compress bytes."""
    return pa.compress(body, codec="zstd", asbytes=True)


def layout(split, file_name):
    """Place an image as COCO's trees do."""
    return f"images/{split}/{file_name}"


def images_table(pack, members):
    """Write the images table of one bucket."""
    rows = [
        {
            "data_row_id": f"row-{index}",
            "split": split,
            "file_name": name,
            "sha256": hashlib.sha256(body).hexdigest(),
            "size": len(body),
            "pack": pack.key,
            "offset": member.offset,
        }
        for index, (((split, name), body), member) in enumerate(zip(IMAGES.items(), members, strict=True))
    ]
    rows.append({"data_row_id": "far", "split": "train", "file_name": "far.jpg"})
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows, IMAGES_SCHEMA), sink)
    return sink.getvalue()


@pytest.fixture
def contents(store, tmp_path):
    """Upload a pack of images; return the pack and the files of a small snapshot."""
    members = write_tar(tmp_path / "pack.tar", ((name, body) for (_, name), body in IMAGES.items()))
    pack = Draft(store).add_pack("images/pack-00000.tar", tmp_path / "pack.tar")
    return pack, members, {
        "formats/coco/annotations/instances_train.json": b'{"images": []}',
        "formats/coco/annotations/instances_val.json": b"{}",
        "formats/webdataset/train-000000.tar": b"tar",
        "tables/images/bucket-00000-of-00001.parquet": images_table(pack, members),
        "tables/labels/bucket-00000-of-00001.parquet": b"labels",
        "raw/result-000-000000000000000.ndjson.zst": zstd(LINES[0] + LINES[1]),
        "raw/result-000-000000000000022.ndjson.zst": zstd(LINES[2]),
        "raw/problems.ndjson": b'{"line": 3}\n',
    }  # fmt: skip


@pytest.fixture
def snapshot(store, contents):
    """Publish the small snapshot and read it back."""
    pack, _, files = contents
    published(store, files, packs=[pack])
    return latest(store)


def tree(folder):
    """Return {path: bytes} of a folder, without snapshot.json."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files.pop("snapshot.json", None)
    return files


COCO = {
    "annotations/instances_train.json": b'{"images": []}',
    "annotations/instances_val.json": b"{}",
    **{f"images/{split}/{name}": body for (split, name), body in IMAGES.items()},
}


def test_format_and_its_images_are_laid_out(store, snapshot, tmp_path):
    """A format's files land at the root, images where the layout says; an image that was not copied is not there."""
    steps = []
    report = pull(store, snapshot, "coco", tmp_path / "out", layout=layout, on_progress=steps.append)
    assert tree(tmp_path / "out") == COCO
    assert report == PullReport(files=6, bytes=sum(len(body) for body in COCO.values()), kept=0)
    assert [step.files for step in steps] == [1, 2, 3, 4, 5, 6]


def test_receipt_lists_every_file_with_its_hash(store, snapshot, tmp_path):
    """``snapshot.json`` says which version this is, and what it consists of."""
    pull(store, snapshot, "coco", tmp_path / "out", layout=layout)
    receipt = json.loads((tmp_path / "out" / "snapshot.json").read_text())
    assert receipt.pop("files") == {
        path: {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()} for path, body in COCO.items()
    }
    assert receipt == {"ref": f"{store.url}@1", "version": 1, "manifest": snapshot.commit.manifest, "format": "coco"}


def test_format_that_holds_its_images_needs_no_layout(store, snapshot, tmp_path):
    """Without a layout the format's own files are all there is."""
    pull(store, snapshot, "webdataset", tmp_path / "out")
    assert tree(tmp_path / "out") == {"train-000000.tar": b"tar"}


def test_parquet_is_the_tables(store, snapshot, tmp_path):
    """``parquet`` lays out a folder a table."""
    pull(store, snapshot, "parquet", tmp_path / "out")
    assert set(tree(tmp_path / "out")) == {
        "images/bucket-00000-of-00001.parquet", "labels/bucket-00000-of-00001.parquet",
    }  # fmt: skip


def test_raw_lines_of_two_exports_do_not_run_into_each_other(store, tmp_path):
    """An export that ends without a line break is given one; between its own chunks nothing is added."""
    contents = {
        "raw/result-000-000000000000000.ndjson.zst": zstd(b'{"a":'),
        "raw/result-000-000000000000005.ndjson.zst": zstd(b"1}"),
        "raw/result-001-000000000000000.ndjson.zst": zstd(b'{"b": 2}\n'),
        "raw/result-002-000000000000000.ndjson.zst": zstd(b'{"c": 3}'),
    }
    published(store, contents)
    pull(store, latest(store), "raw", tmp_path / "out")
    assert (tmp_path / "out" / "export.ndjson").read_bytes() == b'{"a":1}\n{"b": 2}\n{"c": 3}'


def test_raw_is_the_export_byte_for_byte(store, snapshot, tmp_path):
    """``raw`` joins the chunks in order; no errors are an empty file."""
    pull(store, snapshot, "raw", tmp_path / "out")
    export = b"".join(LINES)
    assert tree(tmp_path / "out") == {
        "export.ndjson": export,
        "errors.ndjson": b"",
        "problems.ndjson": b'{"line": 3}\n',
    }
    receipt = json.loads((tmp_path / "out" / "snapshot.json").read_text())
    assert receipt["files"]["export.ndjson"] == {"size": len(export), "sha256": hashlib.sha256(export).hexdigest()}


def test_unknown_format_names_those_there_are(store, snapshot, tmp_path):
    """A format that the snapshot does not hold is a configuration error, and the folder is not touched."""
    assert formats_held(snapshot.manifest) == ("coco", "parquet", "raw", "webdataset")
    with pytest.raises(ConfigurationError, match="coco, parquet, raw, webdataset"):
        pull(store, snapshot, "yolo", tmp_path / "out", layout=layout)
    assert not (tmp_path / "out").exists()


def test_pull_goes_on_where_it_stopped(store, snapshot, tmp_path):
    """Files that are whole are kept, damaged ones replaced, leftovers removed, and only the missing are read."""
    out = tmp_path / "out"
    pull(store, snapshot, "coco", out, layout=layout)
    (out / "images/val/a.jpg").write_bytes(b"xx")
    (out / "annotations/instances_val.json").unlink()
    (out / ".labelsnap-partial").mkdir()
    (out / ".labelsnap-partial/half").write_bytes(b"half")
    watched = LossyStore(store, "", 0, landed=False)
    report = pull(watched, snapshot, "coco", out, layout=layout)
    assert tree(out) == COCO
    assert report.kept == 4
    assert sorted(key.split("-")[0] for _, key in watched.calls) == [
        "data/formats/coco/annotations/instances_val", "data/images/pack", "data/tables/images/bucket",
    ]  # fmt: skip


def test_interrupted_pull_leaves_no_receipt(store, snapshot, tmp_path):
    """A pull that fails leaves no ``snapshot.json`` of an earlier one, and nothing half written but its own list."""
    out = tmp_path / "out"
    pull(store, snapshot, "webdataset", out)
    (file,) = snapshot.manifest.below("formats/webdataset/")
    (out / "train-000000.tar").unlink()
    store.put(file.key, b"tag")
    with pytest.raises(StorageRefusedError, match=f"{file.key}.*train-000000.tar") as refused:
        pull(store, snapshot, "webdataset", out)
    assert refused.value.code == "object_damaged"
    assert [path.name for path in out.iterdir()] == [".labelsnap-pulled"]


@pytest.mark.parametrize(
    "damage",
    [lambda body: body.replace(b"aaa", b"aba"), lambda body: body[:600], lambda _: None],
    ids=["flip", "cut", "gone"],
)
def test_damaged_pack_is_named(store, snapshot, contents, tmp_path, damage):
    """A damaged pack is named together with the image that cannot be had."""
    pack, *_ = contents
    body = damage(store.get(pack.key))
    store.delete(pack.key) if body is None else store.put(pack.key, body)
    with pytest.raises(StorageRefusedError, match=f"{pack.key}.*images/") as refused:
        pull(store, snapshot, "coco", tmp_path / "out", layout=layout)
    assert refused.value.code == "object_damaged"


@pytest.mark.parametrize("target", ["../outside", "/etc/outside", "a/../../outside", ".labelsnap-partial/x", "link/x"])
def test_nothing_is_written_outside(folder_store, tmp_path, target):
    """A layout or a link that leads out of the folder is refused."""
    body = b"content"
    members = write_tar(tmp_path / "pack.tar", [("a", body)] * len(IMAGES))
    pack = Draft(folder_store).add_pack("images/pack.tar", tmp_path / "pack.tar")
    table = images_table(pack, members)
    published(folder_store, {"formats/coco/a.json": b"{}", "tables/images/b.parquet": table}, packs=[pack])
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageRefusedError) as refused:
        pull(folder_store, latest(folder_store), "coco", tmp_path / "out", layout=lambda *_: target)
    assert refused.value.code == "unsafe_path"
    assert not (tmp_path / "outside").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_folder_that_cannot_be_written_is_refused(store, snapshot, tmp_path):
    """A folder that stands where a file should is told, with what to check."""
    (tmp_path / "out" / "train-000000.tar").mkdir(parents=True)
    with pytest.raises(StorageRefusedError, match="rights and free space") as refused:
        pull(store, snapshot, "webdataset", tmp_path / "out")
    assert refused.value.code == "folder_refused"


@pytest.mark.parametrize("target", ["a.json", "snapshot.json"])
def test_two_files_at_one_path_are_refused(store, snapshot, tmp_path, target):
    """Two files of one path are an error, not one file less."""
    with pytest.raises(StorageRefusedError, match=target) as refused:
        pull(store, snapshot, "coco", tmp_path / "out", layout=lambda *_: target)
    assert refused.value.code == "path_clash"


def test_small_files_are_read_from_their_pack(store, tmp_path):
    """Format files that share an object land where their paths say, by one read."""
    labels = {f"formats/yolo/labels/train/{name}.txt": name.encode() for name in "abc"}
    pack, files = Draft(store).add_small_files("formats/yolo/labels.tar", labels.items())
    publish(store, manifest_of(store, {}, packs=[pack], extra=files))
    watched = LossyStore(store, "", 0, landed=False)
    pull(watched, latest(store), "yolo", tmp_path / "out")
    assert tree(tmp_path / "out") == {f"labels/train/{name}.txt": name.encode() for name in "abc"}
    assert watched.calls == [("get", pack.key)]


EXTENTS = st.lists(
    st.tuples(st.sampled_from("pq"), st.integers(0, 3 * READ_BYTES), st.integers(0, READ_BYTES)), max_size=12
)


@given(extents=EXTENTS)
def test_merged_reads_cover_every_file(extents):
    """Each file is in exactly one read that covers it; reads of several files are bounded, and so are their gaps."""
    files = [File(str(number), key, size, "", offset) for number, (key, offset, size) in enumerate(extents)]
    runs = list(merged(files))
    assert sorted(file.path for run in runs for file in run.members) == sorted(file.path for file in files)
    for run in runs:
        end = run.offset
        for file in run.members:
            assert file.key == run.key
            assert run.offset <= file.offset
            assert file.offset + file.size <= run.offset + run.length
            assert file.offset - end <= GAP_BYTES
            end = max(end, file.offset + file.size)
        assert len(run.members) == 1 or run.length <= READ_BYTES
