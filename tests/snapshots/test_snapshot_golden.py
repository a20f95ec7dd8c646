"""A dataset that format version 1 was written as: read from now on, by labelsnap and by its specification alone."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
from pathlib import Path

import pyarrow as pa
import pytest

from labelsnap.snapshots import latest, list_tags, list_versions, read_file, read_history, read_snapshot
from labelsnap.snapshots.keeping.epochs import read_epoch
from labelsnap.snapshots.reading.chunks import chunk_blocks
from labelsnap.storage import open_store
from tests.golden import remake_format_1 as plain
from tests.golden import remake_format_1_joined as joined

GOLDEN = Path(__file__).parents[1] / "golden" / "format-1"
SHA = hashlib.sha256


def contents(number):
    """What version ``number`` of the script holds."""
    labels = {f"formats/yolo/labels/{label}.txt": f"{label} 0.5 0.5 1 1\n".encode() for label in range(3)}
    return {"formats/coco/a.json": f'{{"version":{number}}}'.encode(), "raw/problems.ndjson": b""} | labels


def below(root):
    """The bytes below data/ and manifests/, by path."""
    paths = (path for folder in ("data", "manifests") for path in (root / folder).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def golden(tmp_path):
    """Return a store over a copy of the dataset."""
    shutil.copytree(GOLDEN, tmp_path / "format-1")
    return open_store((tmp_path / "format-1").as_uri())


@pytest.mark.parametrize(("selector", "holds"), [(1, 1), ("model-7", 1), (4, 2), (5, 2), (6, 6), ("latest", 6)])
def test_every_version_is_read(golden, selector, holds):
    """Each kept version, by number, tag or as the newest, holds what was published."""
    files = read_snapshot(golden, selector).manifest.files
    assert {file.path: read_file(golden, file) for file in files} == contents(holds)


def test_history_is_read(golden):
    """Actions, expired versions, the tag and the epoch are what the script did."""
    assert [commit.action for commit in list_versions(golden)] == [
        "publish", "publish", "publish", "rollback", "expire", "publish",
    ]  # fmt: skip
    assert [commit.version for commit in read_history(golden).live] == [1, 4, 5, 6]
    assert [(tag.name, tag.version) for tag in list_tags(golden)] == [("model-7", 1)]
    assert [entry.size for entry in read_epoch(golden, 1).condemned] == [13]
    assert [file.key for file in latest(golden).manifest.files if "-g1." in file.key]


def test_specification_alone_reads_it():
    """With json and hashlib only: every digest is right, and every file is where its manifest says."""
    for path in [*GOLDEN.glob("commits/*"), *GOLDEN.glob("tags/*"), *GOLDEN.glob("gc/*")]:
        record = json.loads(path.read_bytes())
        sealed = record.pop("digest")
        assert SHA(json.dumps(record, sort_keys=True, separators=(",", ":")).encode()).hexdigest() == sealed
        assert record["format_version"] == 1
    for number in (1, 4, 6):
        record = json.loads((GOLDEN / f"commits/{number:020d}.json").read_bytes())
        body = (GOLDEN / f"manifests/{record['manifest']}.json").read_bytes()
        assert SHA(body).hexdigest() == record["manifest"]
        for file in json.loads(body)["files"]:
            content = (GOLDEN / file["key"]).read_bytes()[file.get("offset", 0) :][: file["size"]]
            assert (len(content), SHA(content).hexdigest()) == (file["size"], file["sha256"])


def test_the_same_input_is_still_written_so(tmp_path):
    """The same script writes the same keys and bytes below data/ and manifests/ as it did then."""
    plain.main(tmp_path)
    assert below(tmp_path) == below(GOLDEN)


JOINED = GOLDEN.with_name("format-1-joined")


@pytest.mark.parametrize("version", [1, 2])
def test_joined_files_are_read(tmp_path, version):
    """Of both versions the document and the restored export are what the script made."""
    shutil.copytree(JOINED, tmp_path / "joined")
    store = open_store((tmp_path / "joined").as_uri())
    document, chunk = read_snapshot(store, version).manifest.files
    assert read_file(store, document) == joined.document(version)
    assert b"".join(chunk_blocks(store, chunk, tmp_path / "chunk")) == joined.export(version)


@pytest.mark.parametrize("version", [1, 2])
def test_specification_alone_joins_and_restores(version):
    """With json, struct and a Zstandard decoder only, by the words of FORMAT.md."""

    def inflated(body):
        with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
            return stream.read()

    record = json.loads((JOINED / f"commits/{version:020d}.json").read_bytes())
    document, chunk = json.loads((JOINED / f"manifests/{record['manifest']}.json").read_bytes())["files"]
    bodies = []
    for file in (document, chunk):
        parts = file.get("parts") or [[file["key"], 0, file["size"]]]
        body = b"".join((JOINED / key).read_bytes()[offset : offset + size] for key, offset, size in parts)
        assert (len(body), SHA(body).hexdigest()) == (file["size"], file["sha256"])
        bodies.append(body)
    assert bodies[0] == joined.document(version)
    magic, size = struct.unpack_from("<II", bodies[1])
    assert magic == 0x184D2A50
    head = json.loads(inflated(bodies[1][8 : 8 + size]))
    frames, offset = bodies[1][8 + size :], 0
    for sha256, length in head["frames"]:
        assert SHA(frames[offset : offset + length]).hexdigest() == sha256
        offset += length
    assert offset == len(frames)
    first, *others = inflated(frames).decode().split("?…")
    text = first + "".join(f"?{query}{rest}" for query, rest in zip(head["queries"], others, strict=True))
    elided, named = "/tasks/…/masks/", f"/tasks/{head['task']}/masks/"
    exchange = {elided: named, named: elided}
    text = re.sub(f"{elided}|{named}", lambda found: exchange[found[0]], text)
    assert text.encode() == joined.export(version)
