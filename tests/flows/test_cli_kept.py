"""What is kept, seen from the command line: pulls into one folder, gaps, damage, and what others left in the store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from street_versions import TREES, record

from labelsnap.snapshots import expire, tag
from labelsnap.snapshots.keeping.epochs import Condemned
from labelsnap.snapshots.keeping.gc import condemn
from labelsnap.storage import open_store
from tasks.run.hints import note_hint, pending_hints

FOREIGN = (".DS_Store", ".nfs0000000000c0ffee00000001", "read me.txt")
FOLDERS = ("commits", "tags", "gc", "data", "manifests", "work", "work/lease", "work/runs", "work/hints", "_probe")


def test_a_pull_leaves_the_version_that_was_asked_for(labelsnap, url, tmp_path):
    """In the folder of an earlier pull, with a person's own notes; it says what it removed."""
    out = tmp_path / "out"
    assert labelsnap("pull", f"{url}@1", "--format", "yolo", out)[0] == 0
    (out / "notes.md").write_text("mine")
    status, told, _ = labelsnap("pull", f"{url}@2", "--format", "yolo", out)
    assert status == 0
    assert "1 of an earlier pull were removed" in told
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert found == {*TREES[1], "version.txt", "notes.md", "snapshot.json"}


def test_a_pull_writes_over_a_persons_file_only_on_request(labelsnap, url, tmp_path):
    """Status 4 before, and the tree with ``--overwrite``."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/data.yaml").write_text("mine")
    status, refused = labelsnap.json("pull", f"{url}@1", "--format", "yolo", tmp_path / "out")
    assert (status, refused["error"]["code"]) == (4, "file_stands")
    assert (tmp_path / "out/data.yaml").read_text() == "mine"
    assert labelsnap("pull", f"{url}@1", "--format", "yolo", "--overwrite", tmp_path / "out")[0] == 0
    assert (tmp_path / "out/data.yaml").read_bytes() == TREES[0]["data.yaml"]


def test_a_refused_pull_leaves_the_tree_before_as_it_was(labelsnap, url, tmp_path):
    """With its ``snapshot.json``: where a person's own file stands in the way, and where a pulled one was changed."""
    out = tmp_path / "out"
    labelsnap("pull", f"{url}@1", "--format", "yolo", out)
    for path, body in (("labels/val/b.txt", b"mine"), ("version.txt", b"mine too")):
        (out / path).parent.mkdir(exist_ok=True)
        (out / path).write_bytes(body)
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        status, refused = labelsnap.json("pull", f"{url}@2", "--format", "yolo", out)
        assert (status, refused["error"]["code"]) == (4, "file_stands")
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
        (out / path).unlink()
    (out / "labels/train/a.txt").write_bytes(b"mine")
    status, told, _ = labelsnap("pull", f"{url}@2", "--format", "yolo", out)
    assert (status, "1 of an earlier pull were changed since and are set right" in told) == (0, True)


def test_a_record_that_is_gone_is_told_and_its_data_is_kept(labelsnap, url, folder, days_ago):
    """Of a kept version: list shows the others and ends with status 4; gc, twice, deletes nothing."""
    expire(open_store(url), keep=3)
    record(folder, 5).unlink()
    days_ago(30)
    before = sorted(folder.joinpath("data").rglob("*"))
    status, listed = labelsnap.json("snapshots", "list", url)
    assert status == 4
    assert [each["version"] for each in listed["versions"]] == [4, 6, 7]
    assert listed["error"]["code"] == "version_gap"
    assert record(folder, 5).name in listed["error"]["remedy"]
    status, words, errors = labelsnap("snapshots", "list", url)
    assert (status, len(words.splitlines())) == (4, 3)
    assert "found none of 5" in errors
    for _ in range(2):
        status, refused = labelsnap.json("snapshots", "gc", url, "--yes")
        assert (status, refused["error"]["code"]) == (4, "version_gap")
        days_ago(2)
    assert labelsnap("snapshots", "expire", url, "--keep", 1, "--yes")[0] == 4
    assert labelsnap.json("snapshots", "show", f"{url}@5")[1]["error"]["code"] == "version_gap"
    assert sorted(folder.joinpath("data").rglob("*")) == before


def test_a_delivery_that_is_still_to_be_answered_is_no_garbage(labelsnap, url, days_ago):
    """However long the listener is down; nor is one of an epoch that an earlier labelsnap began."""
    store = open_store(url)
    note_hint(store, "a" * 32)
    days_ago(8)
    (hint,) = pending_hints(store)
    condemn(store, (Condemned(hint.key, hint.size),))
    for _ in range(2):
        days_ago(2)
        assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0
    assert [found.key for found in pending_hints(store)] == [hint.key]


def test_a_lost_version_is_given_up(labelsnap, url, folder):
    """What would be is said first, as ever."""
    record(folder, 5).unlink()
    status, planned = labelsnap.json("snapshots", "expire", url, "--keep", 9, "--lost")
    assert (status, planned["lost"], planned["version"]) == (0, [[5, 5]], None)
    words = labelsnap("snapshots", "expire", url, "--keep", 9, "--lost")[1]
    assert "given up      5" in words
    assert "Nothing was changed" in words
    assert labelsnap("snapshots", "list", url)[0] == 4
    assert labelsnap.json("snapshots", "expire", url, "--keep", 9, "--lost", "--yes")[1]["version"] == 7
    status, listed = labelsnap.json("snapshots", "list", url)
    assert (status, [each["version"] for each in listed["versions"]]) == (0, [1, 2, 3, 4, 6, 7])
    assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0


def test_a_flipped_byte_in_an_expired_record_stops_nothing(labelsnap, url, folder):
    """It is needed by no command; in a kept one it is named, with what to do."""
    expire(open_store(url), keep=3)
    body = bytearray(record(folder, 1).read_bytes())
    body[40] ^= 1
    record(folder, 1).write_bytes(body)
    for command in (["list"], ["expire", "--keep", 2], ["gc"]):
        assert labelsnap("snapshots", command[0], url, *command[1:])[0] == 0
    assert labelsnap("snapshots", "tag", f"{url}@5", "model")[0] == 0
    record(folder, 6).write_bytes(body)
    assert labelsnap("snapshots", "rollback", f"{url}@4")[0] == 0
    status, listed = labelsnap.json("snapshots", "list", url)
    assert (status, [each["version"] for each in listed["versions"]]) == (4, [4, 5, 7, 8])
    assert record(folder, 6).name in listed["error"]["message"]
    assert "--lost" in listed["error"]["remedy"]


def test_a_damaged_list_of_garbage_is_given_up(labelsnap, url, folder, days_ago):
    """The refusal names it and says how; following its words, what it listed is listed again, and then deleted."""
    expire(open_store(url), keep=1)
    days_ago(30)
    assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0
    epoch = folder / f"gc/{1:020d}.json"
    epoch.write_bytes(epoch.read_bytes()[:-1])
    days_ago(2)
    status, refused = labelsnap.json("snapshots", "gc", url, "--yes")
    assert (status, refused["error"]["code"]) == (4, "object_damaged")
    assert f"gc/{epoch.name}" in refused["error"]["message"]
    command = refused["error"]["remedy"].split("`")[1].replace("URL", url).split()
    assert command[:3] == ["labelsnap", "snapshots", "gc"]
    words = labelsnap(*command[1:-1])[1]
    assert "given up     damaged lists 1" in words
    status, outcome = labelsnap.json(*command[1:])
    assert (status, outcome["lost_epochs"], outcome["deleted"]["objects"]) == (0, [1], 0)
    assert outcome["condemned"]["objects"] > 0
    days_ago(2)
    status, outcome = labelsnap.json("snapshots", "gc", url, "--yes")
    assert (status, outcome["deleted"]["objects"] > 0) == (0, True)
    assert labelsnap("snapshots", "verify", f"{url}@latest")[0] == 0


def test_what_others_left_in_the_store_stops_no_command(labelsnap, url, folder, days_ago):
    """File managers' and network file systems' files, everywhere, a month old: they stay, and garbage goes."""
    left = open_store(url)
    left.put("data/raw/left-0123456789abcdef.ndjson", b"left")
    foreign = [folder / each / name for each in FOLDERS for name in FOREIGN]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"theirs")
    days_ago(30)
    assert labelsnap("snapshots", "list", url)[0] == 0
    assert labelsnap("snapshots", "tag", f"{url}@1", "first")[0] == 0
    assert labelsnap("snapshots", "expire", url, "--keep", 6, "--yes")[0] == 0
    for _ in range(2):
        assert labelsnap("snapshots", "gc", url, "--yes")[0] == 0
        days_ago(2)
    assert left.get("data/raw/left-0123456789abcdef.ndjson") is None
    assert all(path.read_bytes() == b"theirs" for path in foreign)


def test_tags_that_may_not_be_read_do_not_expire(url, folder):
    """Status 4, and the tagged version stays, though its tag cannot be seen."""
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root may read everything")
    tag(open_store(url), "model", 1)
    (folder / "tags").chmod(0)
    own = ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*own, sys.executable, "-m", "flows.cli", "snapshots", "expire", url, "--keep", "1", "--yes", "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own command
    (folder / "tags").chmod(0o755)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (4, "folder_refused")
    assert len(list((folder / "commits").iterdir())) == 6
