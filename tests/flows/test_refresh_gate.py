"""A store that keeps other bytes than it was sent: the refresh notices before anybody can read them."""

from __future__ import annotations

import pytest

from flows.commands.maintain import versions_of
from labelsnap.storage.local import LocalStore


@pytest.fixture
def bad_disk(monkeypatch):
    """Let the store spoil what is put below a prefix, as a bad disk or proxy does: it acknowledges the right bytes."""

    def spoil(prefix):
        put = LocalStore.put

        def spoiled(self, key, body):
            put(self, key, body)
            if key.startswith(prefix):
                path = self.root / key
                content = path.read_bytes()
                path.write_bytes(content[:20] + bytes([content[20] ^ 1]) + content[21:])

        monkeypatch.setattr(LocalStore, "put", spoiled)

    return spoil


def test_damaged_write_stops_publication(labelsnap, dataset_file, bad_disk, tmp_path):
    """Status 5, nothing published, and the damaged file by name."""
    bad_disk("data/formats/coco/annotations/")
    status, output, errors = labelsnap("refresh", dataset_file())
    assert (status, output) == (5, "")
    assert "formats/coco/annotations/instances_test.json: expected sha256" in errors
    assert "Nothing was published" in errors
    assert versions_of(f"file://{tmp_path}/store/street-scenes") == ([], None)


@pytest.mark.prefect
@pytest.mark.slow
def test_damaged_image_stops_publication(labelsnap, dataset_file, bad_disk):
    """The same for a pack of images; with --json the whole result is printed, and why it is none."""
    bad_disk("data/images/")
    status, result = labelsnap.json("refresh", dataset_file(formats={}))
    assert (status, result["published"], result["reason"]) == (5, False, "read_back_differs")
    assert result["version"] is None
    assert result["rows"]["published"] > 0


def test_damaged_table_is_noticed_by_those_who_read_it(labelsnap, dataset_file, bad_disk, monkeypatch):
    """A process that has no copy hashes the table that it writes formats from: status 4, before the gate."""
    monkeypatch.setenv("LABELSNAP_AT_HAND_BYTES", "0")
    bad_disk("data/tables/annotations/")
    status, result = labelsnap.json("refresh", dataset_file())
    assert (status, result["error"]["code"]) == (4, "object_damaged")


@pytest.mark.slow
def test_damaged_table_is_noticed_whatever_is_at_hand(labelsnap, dataset_file, bad_disk):
    """The gate reads what the store holds, though the process has a sound copy of what it wrote: status 5."""
    bad_disk("data/tables/annotations/")
    status, output, errors = labelsnap("refresh", dataset_file())
    assert (status, output) == (5, "")
    assert "tables/annotations/bucket-00000-of-00001.parquet: expected sha256" in errors


@pytest.mark.prefect
@pytest.mark.slow
def test_gate_is_shown(labelsnap, sandbox, dataset_file):
    """A refresh says that it reads back, and a second one that finds nothing changed does not."""
    assert "read back (objects)" in labelsnap("refresh", dataset_file())[2]
    assert "read back" not in labelsnap("refresh", dataset_file())[2]
