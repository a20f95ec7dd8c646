"""Tags and rollback: names that never move, and old versions that become the newest again."""

from __future__ import annotations

import pytest
from publishing import manifest_of, publish, published

from labelsnap.errors import ConfigurationError, StorageOutcomeUnknownError, StorageRefusedError
from labelsnap.snapshots import (
    Committed,
    expire,
    latest,
    list_tags,
    list_versions,
    read_snapshot,
    read_tag,
    rollback,
    tag,
)
from tests.contracts.store_faults import LossyStore


@pytest.fixture
def versions(store):
    """Return the records of three versions that differ, oldest first."""
    return [
        published(store, {"a.txt": body}, publish_id=f"run-{number}", parent=number)
        for number, body in enumerate((b"1", b"2", b"3"))
    ]


def test_tag_names_a_version_for_good(store, versions):
    """A tag holds the version and its manifest; making it again changes nothing, and it cannot be moved."""
    made = tag(store, "model-7", 2)
    assert (made.version, made.manifest) == (2, versions[1].manifest)
    assert tag(store, "model-7", 2) == made
    with pytest.raises(StorageRefusedError, match="names version 2") as refused:
        tag(store, "model-7", 3)
    assert refused.value.code == "tag_taken"
    assert list_tags(store) == (made,)
    assert read_tag(store, "model-7") == made
    assert read_tag(store, "model-8") is None


@pytest.mark.parametrize("name", ["latest", "7", "", "a/b", "-a", "a b", "a" * 65])
def test_names_that_are_no_tag(folder_store, name):
    """A tag cannot be taken for a version, for the newest one, or for a path."""
    published(folder_store, {"a.txt": b"1"})
    with pytest.raises(ConfigurationError) as refused:
        tag(folder_store, name, 1)
    assert refused.value.code == "tag_name"


def test_only_kept_versions_can_be_tagged(folder_store):
    """A version that is none, or has expired, gets no name."""
    published(folder_store, {"a.txt": b"1"})
    published(folder_store, {"a.txt": b"2"}, publish_id="two", parent=1)
    expire(folder_store, keep=1)
    for version, code in ((9, "unknown_version"), (1, "version_expired")):
        with pytest.raises(ConfigurationError) as refused:
            tag(folder_store, "model", version)
        assert refused.value.code == code
    assert list_tags(folder_store) == ()


def test_tag_that_comes_too_late_is_refused(folder_store):
    """When the version expires while its tag is made, whoever tags is told so."""
    published(folder_store, {"a.txt": b"1"})
    published(folder_store, {"a.txt": b"2"}, publish_id="two", parent=1)

    class Raced(LossyStore):
        def create(self, key, body):
            if key.startswith("tags/"):
                expire(self.store, keep=1)
            return self.store.create(key, body)

    with pytest.raises(ConfigurationError) as refused:
        tag(Raced(folder_store, "", 1, landed=True), "model", 1)
    assert refused.value.code == "version_expired"


@pytest.mark.parametrize("landed", [True, False])
def test_lost_answer_to_a_tag_is_settled(folder_store, landed):
    """Whether the creation took effect or not, a tag whose answers are lost is made once."""
    published(folder_store, {"a.txt": b"1"})

    class Lossy(LossyStore):
        def create(self, key, body):
            if key.startswith("tags/") and self.losses:
                self.losses -= 1
                if self.landed:
                    self.store.create(key, body)
                raise StorageOutcomeUnknownError("No answer.", remedy="Repeat.", code="storage_unreachable")
            return self.store.create(key, body)

    made = tag(Lossy(folder_store, "", 3, landed=landed), "model", 1, sleep=lambda _: None)
    assert list_tags(folder_store) == (made,)


def test_damaged_tag_fails_closed(folder_store):
    """A changed tag, or one under another name, is refused by name."""
    published(folder_store, {"a.txt": b"1"})
    tag(folder_store, "model", 1)
    body = folder_store.get("tags/model.json")
    for key, content in (
        ("tags/model.json", body.replace(b'"version":1', b'"version":2')),
        ("tags/other.json", body),
    ):
        folder_store.put(key, content)
        with pytest.raises(StorageRefusedError, match=key):
            list_tags(folder_store)
        folder_store.delete(key)


@pytest.mark.parametrize("name", ["tags/model.txt", "tags/latest.json", "tags/7.json", "tags/a/b.json", "tags/m.json~"])
def test_foreign_object_among_tags_is_passed_over(folder_store, name):
    """What has no tag's key is no tag, whatever it holds."""
    published(folder_store, {"a.txt": b"1"})
    made = tag(folder_store, "model", 1)
    folder_store.put(name, folder_store.get("tags/model.json"))
    assert list_tags(folder_store) == (made,)


def test_rollback_is_a_new_version_with_an_old_manifest(store, versions):
    """Nothing is copied and nothing is removed; the record says what it is."""
    made = rollback(store, 1)
    assert (made.version, made.parent, made.action) == (4, 3, "rollback")
    assert (made.manifest, made.rows) == (versions[0].manifest, versions[0].rows)
    assert latest(store).manifest == read_snapshot(store, 1).manifest
    assert [commit.version for commit in list_versions(store)] == [1, 2, 3, 4]
    assert rollback(store, 1) == made
    assert isinstance(publish(store, manifest_of(store, {"a.txt": b"4"}), publish_id="next", parent=4), Committed)


def test_repeated_rollback_is_one_version(folder_store):
    """A rollback that is repeated under its own name gets the version that it made, whatever came after."""
    published(folder_store, {"a.txt": b"1"}, publish_id="one")
    published(folder_store, {"a.txt": b"2"}, publish_id="two", parent=1)
    made = rollback(folder_store, 1, publish_id="back")
    published(folder_store, {"a.txt": b"3"}, publish_id="three", parent=3)
    assert rollback(folder_store, 1, publish_id="back") == made
    assert latest(folder_store).version == 4


def test_rollback_does_not_override_what_was_published_meanwhile(folder_store):
    """Who rolls back has not seen the version that came between, so nothing is changed."""
    published(folder_store, {"a.txt": b"1"}, publish_id="one")
    published(folder_store, {"a.txt": b"2"}, publish_id="two", parent=1)

    class Raced(LossyStore):
        def create(self, key, body):
            if key.startswith("commits/") and self.losses:
                self.losses -= 1
                published(self.store, {"a.txt": b"3"}, publish_id="three", parent=2)
            return self.store.create(key, body)

    with pytest.raises(StorageRefusedError) as refused:
        rollback(Raced(folder_store, "", 1, landed=True), 1)
    assert refused.value.code == "lost_race"
    assert latest(folder_store).commit.publish_id == "three"


@pytest.mark.parametrize("version", [0, 9])
def test_rollback_to_no_version_is_refused(folder_store, version):
    """There must be something to go back to."""
    published(folder_store, {"a.txt": b"1"})
    with pytest.raises(ConfigurationError) as refused:
        rollback(folder_store, version)
    assert refused.value.code == "unknown_version"


def test_single_writer_rolls_back_in_its_own_way(folder_store):
    """In a dataset without conditional creation the new record carries its write id in its key."""
    publish(folder_store, manifest_of(folder_store, {"a.txt": b"1"}), single_writer=True)
    publish(folder_store, manifest_of(folder_store, {"a.txt": b"2"}), publish_id="2", parent=1, single_writer=True)
    made = rollback(folder_store, 1)
    assert folder_store.get(f"commits/00000000000000000003-{made.write_id}.json")
    assert tag(folder_store, "model", 3).manifest == made.manifest
