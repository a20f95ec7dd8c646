"""What stands behind a version: recorded by rollbacks, passed on by expiries, kept by garbage collection."""

from __future__ import annotations

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from publishing import manifest_of, publish, published
from test_snapshot_gc import collected

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots import expire, latest, read_snapshot, rollback
from labelsnap.snapshots.keeping.behind import behind_of, manifests_behind, needed, read_behind, told
from labelsnap.snapshots.keeping.epochs import Condemned
from labelsnap.snapshots.keeping.gc import Marked, condemn, sweep
from labelsnap.snapshots.keeping.records import Commit
from tests.contracts.memory_store import MemoryStore

CLASSES = "tables/classes/classes.parquet"
ROWS = "tables/data_rows/bucket-00000-of-00001.parquet"
LEFT = "tables/left/bucket-00000-of-00001.parquet"
LABELS = "tables/labels/bucket-00000-of-00001.parquet"


def contents(letter):
    """A snapshot's files, each with bytes of its own."""
    return {path: f"{letter} {path}".encode() for path in (CLASSES, ROWS, LEFT, LABELS, "formats/coco/a.json")}


@pytest.fixture
def memory():
    """Two versions, a day apart, and a third that is the first again."""
    store = MemoryStore()
    for number, letter in enumerate("ab"):
        published(store, contents(letter), publish_id=letter, parent=number)
        store.pass_time(days=1)
    rollback(store, 1)
    return store


def manifests(store):
    """The manifests of versions 1 and 2."""
    return [latest_at(store, version).manifest for version in (1, 2)]


def latest_at(store, version):
    """The record of a version."""
    return read_snapshot(store, version).commit


def head(store):
    """The newest record."""
    return latest(store).commit


def test_a_rollback_says_what_it_leaves_behind_and_what_stood_there(memory):
    """The head that it replaces; its own manifest is never behind it."""
    first, second = manifests(memory)
    assert head(memory).behind == (second,)
    publish(memory, manifest_of(memory, contents("c")), publish_id="c", parent=3, behind=head(memory).behind)
    third = head(memory).manifest
    assert (rollback(memory, 1).behind, rollback(memory, 2).behind) == ((third, second), (first, third))


@pytest.mark.parametrize("lost", ["the manifest", CLASSES, ROWS, LEFT])
@pytest.mark.parametrize("target", [3, 1])
def test_what_a_lost_version_had_taken_over_stands_behind_its_successor(memory, lost, target):
    """Version 4 knew what version 2 gave away, and cannot say so any more: manifest 2 says it."""
    _, second = manifests(memory)
    fourth = published(memory, contents("c"), publish_id="c", parent=3).manifest
    files = {file.path: file.key for file in read_snapshot(memory, 4).manifest.files}
    memory.delete(files.get(lost, f"manifests/{fourth}.json"))
    assert rollback(memory, target).behind == (fourth, second)


@pytest.mark.parametrize("target", [1, 2])
def test_a_whole_version_says_what_those_before_it_gave_away(target):
    """Of versions that follow each other the newest is enough; where it is lost, the one before it counts too."""
    store = MemoryStore()
    for number, letter in enumerate("abcd"):
        published(store, contents(letter), publish_id=letter, parent=number)
    third, fourth = (latest_at(store, version).manifest for version in (3, 4))
    store.delete(f"manifests/{fourth}.json")
    assert rollback(store, target).behind == (fourth, third)


def test_what_a_version_that_is_given_up_had_taken_over_stands_behind_its_successor(memory):
    """Expiry goes on from version 3, which had manifest 2 behind it."""
    _, second = manifests(memory)
    fourth = published(memory, contents("c"), publish_id="c", parent=3).manifest
    memory.delete(f"manifests/{fourth}.json")
    plan, made = expire(memory, keep=9, lost=True)
    assert (plan.lost, made.behind) == (((4, 4),), (second,))


def test_a_publication_has_nothing_behind_it_unless_told(memory):
    """It has taken everything over."""
    assert published(memory, contents("c"), publish_id="c", parent=3).behind == ()


def test_expiries_and_fences_pass_it_on(memory):
    """They change nothing of the content, and nobody has taken it over."""
    behind = head(memory).behind
    expire(memory, keep=1)
    assert (head(memory).action, head(memory).behind) == ("expire", behind)
    memory.put("data/raw/left-0123456789abcdef.ndjson", b"left")
    memory.pass_time(days=8)
    collected(memory)
    assert (head(memory).action, head(memory).behind) == ("fence", behind)


def test_garbage_collection_keeps_what_says_class_ids_and_splits(memory):
    """Of a version behind that has expired; its other tables, images and formats go. When it is behind no more, all."""
    (second,) = head(memory).behind
    expire(memory, keep=1)
    memory.pass_time(days=8)
    collected(memory)
    (manifest,) = manifests_behind(memory, (second,))
    assert {file.path for file in manifest.files if memory.head(file.key)} == {CLASSES, ROWS, LEFT}
    assert {file.path for file in needed(manifest)} == {CLASSES, ROWS, LEFT}
    published(memory, contents("c"), publish_id="c", parent=head(memory).version)
    memory.pass_time(days=8)
    collected(memory)
    assert manifests_behind(memory, (second,)) == ()


def test_what_is_gone_is_passed_over_and_what_is_damaged_is_named_with_a_way_out(memory):
    """A collector of an earlier version of labelsnap deletes it; a flipped byte is no reason to forget."""
    (manifest,) = manifests_behind(memory, head(memory).behind)
    file = manifest.file(ROWS)
    memory.put(file.key, b"other")
    with pytest.raises(StorageRefusedError, match=file.key) as caught:
        read_behind(memory, file)
    assert "delete it" in caught.value.remedy
    memory.delete(file.key)
    assert read_behind(memory, file) is None


def record(version, manifest, action="publish", behind=UNSET):
    """A commit record of a version of labelsnap that did not say what stands behind one, unless told."""
    return Commit(
        version=version,
        parent=version - 1,
        manifest=manifest,
        created_at="",
        publish_id=str(version),
        write_id="",
        action=action,
        behind=behind,
    )


@pytest.mark.parametrize(
    ("history", "behind"),
    [
        ([], ()),
        (["publish a", "publish b"], ()),
        (["publish a", "publish b", "rollback a"], ("b",)),
        (["publish a", "publish b", "rollback a", "expire a", "fence a"], ("b",)),
        (["publish a", "publish b", "publish c", "rollback a", "rollback b"], ("a", "c")),
        # a publication of before went on from the older version, and took nothing over
        (["publish a", "publish b", "rollback a", "publish c"], ("b",)),
        (["publish a", "publish b", "rollback a", "publish c", "rollback a"], ("c", "b")),
    ],
)
def test_records_of_before_say_it_by_their_order(history, behind):
    """As a rollback of today would have recorded it."""
    records = [record(number, *reversed(each.split())) for number, each in enumerate(history, start=1)]
    assert told(records) == behind


def test_what_a_record_says_counts_for_those_after_it():
    """An earlier version of labelsnap that expires drops the field; what came before a record that has it does not."""
    records = [record(1, "a"), record(2, "b"), record(3, "a", "rollback"), record(4, "c", behind=())]
    assert told(records) == ()
    assert told([*records, record(5, "a", "rollback"), record(6, "a", "expire")]) == ("c",)
    assert told([*records, record(5, "a", "rollback", ("c", "x")), record(6, "a", "expire")]) == ("c", "x")


def test_what_stands_behind_a_version_is_as_of_that_version(memory):
    """Later versions say nothing of it."""
    silent = replace(latest_at(memory, 3), behind=UNSET)
    (second,) = head(memory).behind
    rollback(memory, 2)
    assert behind_of(memory, silent) == (second,)


def test_a_collector_that_listed_what_a_rollback_leaves_behind_spares_it():
    """It was garbage in the epoch; what came behind the head since is reachable at the second mark."""
    store = MemoryStore()
    for number, letter in enumerate("ab"):
        published(store, contents(letter), publish_id=letter, parent=number)
    keys = {file.key for file in latest(store).manifest.files}
    store.pass_time(days=8)
    epoch = condemn(store, tuple(sorted(Condemned(key, store.head(key).size) for key in keys)))
    rollback(store, 1)
    expire(store, keep=1)
    sweep(store, epoch, Marked(), over=0)
    (manifest,) = manifests_behind(store, head(store).behind)
    assert {file.path for file in manifest.files if store.head(file.key)} == {CLASSES, ROWS, LEFT}
