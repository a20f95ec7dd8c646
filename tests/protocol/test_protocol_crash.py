"""SIGKILL before and after every store call of a publication: old or new, whole, and the next run converges."""

from __future__ import annotations

import signal
from uuid import uuid4

import pytest
from killing import CONTENTS, PACKED, Counting, publish_whole

from labelsnap.snapshots import latest, list_versions, read_file
from labelsnap.storage import open_store
from tests.contracts.forked import in_process

BASE = {"same.txt": CONTENTS["same.txt"], "old.txt": b"old"}


def contents_of(snapshot):
    """What a reader finds."""
    return {file.path: read_file(open_store(snapshot.dataset_url), file) for file in snapshot.manifest.files}


@pytest.mark.slow
def test_a_kill_at_any_store_call_leaves_the_old_or_the_new_version(store_url, record_property):
    """A reader sees a whole version after each kill; the repeated run makes it one, and sends only what is missing."""
    old, new = BASE | PACKED, CONTENTS | PACKED

    def fresh():
        store = open_store(f"{store_url}/{uuid4().hex}")
        publish_whole(store, "base", BASE)
        return store

    counted = Counting(fresh())
    _, uploads = publish_whole(counted)
    points = [(call, after) for call in range(1, len(counted.calls) + 1) for after in (False, True)]
    seen = set()
    for call, after in points:
        store = fresh()
        objects = len(list(store.list("data/")))
        killed = in_process(lambda: publish_whole(Counting(store, kill_at=call, after=after)))  # noqa: B023
        assert killed == signal.SIGKILL
        found = latest(store)
        seen.add(found.version)
        assert contents_of(found) == (old if found.version == 1 else new)
        standing = len(list(store.list("data/"))) - objects
        commit, again = publish_whole(store)
        assert again.objects == uploads.objects - standing
        assert [version.publish_id for version in list_versions(store)] == ["base", "run"]
        assert latest(store).commit == commit
        assert contents_of(latest(store)) == new
    assert seen == {1, 2}
    record_property("points", len(points))
    print(f"{len(points)} points, {len(counted.calls)} calls")  # noqa: T201
