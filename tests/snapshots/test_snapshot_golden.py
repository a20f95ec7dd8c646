"""A dataset that format version 1 was written as: read from now on, by labelsnap and by its specification alone."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tasks.snapshots import latest, list_tags, list_versions, read_file, read_history, read_snapshot
from tasks.snapshots.epochs import read_epoch
from tasks.storage import open_store
from tests.golden.remake_format_1 import main as remake

GOLDEN = Path(__file__).parents[1] / "golden" / "format-1"
SHA = hashlib.sha256


def contents(number):
    """What version ``number`` of the script holds."""
    labels = {f"formats/yolo/labels/{label}.txt": f"{label} 0.5 0.5 1 1\n".encode() for label in range(3)}
    return {"formats/coco/a.json": f'{{"version":{number}}}'.encode(), "raw/problems.ndjson": b""} | labels


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
    remake(tmp_path)

    def written(root):
        paths = (path for folder in ("data", "manifests") for path in (root / folder).rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}

    assert written(tmp_path) == written(GOLDEN)
