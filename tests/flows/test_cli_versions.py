"""The commands about versions: what they print, what they change, and their exit status."""

from __future__ import annotations

import pytest

from labelsnap.snapshots import Draft, Manifest, commit
from labelsnap.storage import open_store, probe

CREATED_AT = "2024-05-06T07:08:09Z"


@pytest.fixture
def url(tmp_path):
    """A dataset in a folder, with three versions of one file."""
    url = f"file://{tmp_path}/store/street-scenes"
    store = open_store(url)
    for version in (1, 2, 3):
        manifest = Manifest.of(
            dataset="street-scenes",
            created_at=CREATED_AT,
            config={},
            result={"rows": {"published": version}},
            files=[Draft(store).add_file("raw/problems.ndjson", b"{}\n" * version)],
            packs=[],
        )
        commit(store, manifest, publish_id=f"run-{version}", parent=version - 1, started_at=probe(store))
    return url


def test_versions_are_named_and_found_by_name(labelsnap, url):
    """A tag is listed with its version, is a reference, never moves, and made twice is made once."""
    assert labelsnap.json("snapshots", "tag", f"{url}@2", "model-7") == (
        0, {"ref": f"{url}@model-7", "version": 2, "tag": "model-7"}
    )  # fmt: skip
    assert labelsnap("snapshots", "tag", f"{url}@2", "model-7")[0] == 0
    _, listed = labelsnap.json("snapshots", "list", url)
    assert [(each["version"], each["tags"], each["rows"]) for each in listed["versions"]] == [
        (1, [], 1), (2, ["model-7"], 2), (3, [], 3),
    ]  # fmt: skip
    assert "2 rows  model-7" in labelsnap("snapshots", "list", url)[1]
    assert labelsnap.json("snapshots", "verify", f"{url}@model-7")[1]["version"] == 2
    status, refused = labelsnap.json("snapshots", "tag", f"{url}@3", "model-7")
    assert (status, refused["error"]["code"]) == (4, "tag_taken")
    status, refused = labelsnap.json("snapshots", "tag", url, "12")
    assert (status, refused["error"]["code"]) == (2, "tag_name")


def test_rollback_makes_a_new_version(labelsnap, url):
    """Version 4 is what version 1 was, and is listed as that."""
    assert labelsnap.json("snapshots", "rollback", f"{url}@1") == (0, {"ref": f"{url}@4", "version": 4, "from": 1})
    assert "1 rows  rollback" in labelsnap("snapshots", "list", url)[1]
    assert f"{url}@5 is what version 2 was" in labelsnap("snapshots", "rollback", f"{url}@2")[1]
    assert labelsnap.json("snapshots", "rollback", f"{url}@9")[0] == 2


def test_expiry_is_a_dry_run_until_it_is_meant(labelsnap, url):
    """Tagged versions stay; what has expired is listed and read no longer."""
    labelsnap("snapshots", "tag", f"{url}@1", "paper")
    planned = {"expiring": [2], "kept": [1, 3], "tagged": [1]}
    assert labelsnap.json("snapshots", "expire", url, "--keep", 1) == (0, {"dry_run": True, **planned, "version": None})
    words = labelsnap("snapshots", "expire", url, "--keep", 1)[1]
    assert "would expire  2" in words
    assert "Nothing was changed" in words
    assert labelsnap.json("snapshots", "expire", url, "--keep", 1, "--yes") == (
        0, {"dry_run": False, **planned, "version": 4}
    )  # fmt: skip
    assert [each["version"] for each in labelsnap.json("snapshots", "list", url)[1]["versions"]] == [1, 3, 4]
    status, refused = labelsnap.json("snapshots", "show", f"{url}@2")
    assert (status, refused["error"]["code"]) == (2, "version_expired")
    assert "none" in labelsnap("snapshots", "expire", url, "--keep", 5, "--older-than-days", 30)[1]
    assert labelsnap("snapshots", "expire", url, "--keep", 0)[0] == 2


def test_garbage_is_counted_and_left_alone_while_young(labelsnap, url):
    """What was written today is no garbage yet, and less than a day's grace is refused."""
    none = {"objects": 0, "bytes": 0, "keys": []}
    assert labelsnap.json("snapshots", "gc", url) == (
        0, {"dry_run": True, "deleted": none, "condemned": none, "waiting": none, "uploads": none}
    )  # fmt: skip
    assert "no garbage" in labelsnap("snapshots", "gc", url, "--yes")[1]
    status, refused = labelsnap.json("snapshots", "gc", url, "--grace-days", 0.5)
    assert (status, refused["error"]["code"]) == (2, "grace")


def test_garbage_is_listed_first_and_deleted_later(labelsnap, url, tmp_path, days_ago):
    """An object that no version has, a month old: the first call lists it, one two days later deletes it."""
    store = open_store(url)
    store.put("data/raw/left-0123456789abcdef.ndjson", b"left")
    days_ago(30)
    _, planned = labelsnap.json("snapshots", "gc", url)
    assert planned["condemned"]["keys"] == ["data/raw/left-0123456789abcdef.ndjson"]
    assert "would list   1 objects, 4 bytes" in labelsnap("snapshots", "gc", url)[1]
    assert labelsnap.json("snapshots", "gc", url, "--yes")[1]["condemned"]["objects"] == 1
    assert labelsnap.json("snapshots", "gc", url)[1]["waiting"]["objects"] == 1
    days_ago(2)
    assert labelsnap.json("snapshots", "gc", url)[1]["deleted"]["objects"] == 1
    assert "deleted      1 objects, 4 bytes" in labelsnap("snapshots", "gc", url, "--yes")[1]
    assert store.get("data/raw/left-0123456789abcdef.ndjson") is None
    assert labelsnap("snapshots", "verify", url)[0] == 0
