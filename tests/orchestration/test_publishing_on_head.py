"""What a run publishes when the head is not the one any more that it was made for."""

from __future__ import annotations

import pytest

from config.reading import parse_dataset
from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots import expire, list_versions, rollback
from labelsnap.snapshots.reading.read import read_snapshot
from tasks.publish import publish_on_head
from tasks.run.beginning import Beginning, Head
from tasks.run.receipts import Publication
from tests.contracts.memory_store import MemoryStore
from tests.snapshots.publishing import manifest_of, published

CLASSES = {"tables/classes/classes.parquet": b"car = 1"}
BASE = CLASSES | {"tables/data_rows/a.parquet": b"row a"}
MINE = CLASSES | {"tables/data_rows/a.parquet": b"row a, edited"}
OTHERS = CLASSES | {"tables/data_rows/a.parquet": b"row a", "tables/data_rows/b.parquet": b"row b"}


@pytest.fixture
def store():
    """A store in which version 1 is published."""
    store = MemoryStore()
    published(store, BASE, publish_id="run-1")
    return store


def attempt(store, contents, base=1):
    """Publish contents that were made on this version."""
    dataset = parse_dataset({"dataset": "streets", "store": "s3://datasets/team", "source": {"project": "p"}})
    head = Head(base, read_snapshot(store, base).commit.manifest)
    beginning = Beginning("mine", "flow", head, store.now, store.now, store.now)
    return publish_on_head(store, dataset, beginning, manifest_of(store, contents))


def test_on_the_head_that_it_was_made_for(store):
    """It is the next version; the same as there is makes none."""
    assert attempt(store, BASE) == Publication(1, published=False)
    assert attempt(store, MINE) == Publication(2, published=True)


def test_over_another_head_nothing_is_published(store):
    """However equal the classes are: the rows that came in between would go."""
    published(store, OTHERS, publish_id="run-2", parent=1)
    with pytest.raises(StorageRefusedError) as caught:
        attempt(store, MINE)
    assert (caught.value.code, len(list_versions(store))) == ("lost_race", 2)


def test_a_head_that_holds_the_same_is_the_answer(store):
    """Somebody else published it meanwhile."""
    published(store, MINE, publish_id="run-2", parent=1)
    assert attempt(store, MINE) == Publication(2, published=False)


def test_over_its_own_manifest_that_was_rolled_back_to_nothing_is_published(store):
    """It knows nothing of the class ids that the version in between gave away."""
    published(store, OTHERS, publish_id="run-2", parent=1)
    rollback(store, 1)
    with pytest.raises(StorageRefusedError) as caught:
        attempt(store, MINE)
    assert (caught.value.code, len(list_versions(store))) == ("lost_race", 3)


def test_over_a_later_version_of_its_bases_own_manifest(store):
    """An expiry leaves the content as it was."""
    published(store, OTHERS, publish_id="run-2", parent=1)
    expire(store, keep=1)
    assert attempt(store, MINE, base=2) == Publication(4, published=True)
