"""Which objects there are, and what it costs to know: by pages of a thousand keys, as S3 gives them."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.snapshots.layout import data_key
from labelsnap.snapshots.reading import looking
from labelsnap.snapshots.reading.at_hand import AtHandStore, Folder
from tests.contracts.memory_store import MemoryStore

PAGE = 1000
TABLES = tuple(f"tables/{number:02}/bucket-00000-of-00001.parquet" for number in range(20))
DOCUMENTS = tuple(f"formats/coco/annotations/{number}.json" for number in range(4))


class Paged(MemoryStore):
    """Counts requests: those of a list as far as it is read, a thousand keys each."""

    def __init__(self):
        super().__init__()
        self.asked = Counter()

    def list(self, prefix, *, after=""):
        """Count, and list."""
        self.asked["list"] += 1
        for count, info in enumerate(super().list(prefix, after=after)):
            if count and count % PAGE == 0:
                self.asked["list"] += 1
            yield info

    def head(self, key):
        """Count, and look."""
        self.asked["head"] += 1
        return super().head(key)


def key_of(path, night):
    """Where a file lies that was written that night."""
    return data_key(path, sha256(f"{path} {night}".encode()).hexdigest())


def aged(nights):
    """A store after so many nights of which nothing was collected, and what the newest version has of it.

    That are the tables of the last night, and of each document what the last eight wrote.
    """
    store = Paged()
    for night in range(nights):
        for path in TABLES + DOCUMENTS:
            store.put(key_of(path, night), b"x" * 10)
    last = range(max(0, nights - 8), nights)
    newest = {key_of(path, nights - 1) for path in TABLES} | {key_of(path, n) for path in DOCUMENTS for n in last}
    return store, newest


@pytest.mark.parametrize(("nights", "most"), [(1, 1), (40, 1), (400, 10), (1_000, 54)])
def test_what_it_costs_to_know_what_stands(nights, most):
    """A request a thousand objects while these are few, as 24 a night; in the end one for each looked for, and two."""
    store, newest = aged(nights)
    assert looking.looked_for(store, newest).keys() == newest
    assert store.asked.total() <= most


def test_what_lies_among_much_else_is_found_by_few_pages():
    """Folders of ten thousand objects that nobody looks for, between those that are, are passed over."""
    store = Paged()
    wanted = {f"data/{folder}/{number:04}" for folder in "ace" for number in range(1500)}
    for key in wanted | {f"data/{folder}/{number:05}" for folder in "bd" for number in range(10_000)}:
        store.put(key, b"")
    assert looking.looked_for(store, wanted).keys() == wanted
    assert store.asked == {"list": 6}


def test_few_are_asked_for_one_by_one():
    """One or two of a folder need no list; none at all need nothing."""
    store, newest = aged(3)
    one, other, *_ = newest
    assert looking.looked_for(store, [one, other]).keys() == {one, other}
    assert looking.looked_for(store, []) == {}
    assert store.asked == {"head": 2}


NAMES = st.text("ab/é😀", min_size=1, max_size=6).filter(lambda name: all(name.split("/")))


@given(st.sets(NAMES), st.sets(NAMES), st.integers(1, 4), st.integers(1, 3))
def test_answers_are_those_of_the_store(standing, wanted, page, worth):
    """However long pages are, and how soon a list is given up: what is there is found, and nothing else."""
    store = MemoryStore(objects={f"data/{name}": (name.encode(), MemoryStore().now) for name in standing})
    keys = {f"data/{name}" for name in wanted}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looking, "PAGE", page)
        patch.setattr(looking, "WORTH", worth)
        found = looking.looked_for(store, keys)
        told = looking.listed(store, "data/", sorted(key.encode() for key in keys))
    there = {key: size for key in keys if (size := len(key.removeprefix("data/").encode())) and key[5:] in standing}
    assert {key: info.size for key, info in found.items()} == there
    assert all((key in told.found) == (key[5:] in standing) for key in keys if told.tells_of(key))


def test_what_a_run_expects_is_known_in_a_list_as_long_as_that_is_worth_it(tmp_path):
    """The list that is at hand is given up where it tells of little, and then objects are asked for."""
    for nights, most in ((40, 1), (400, 10), (2_500, 54)):
        store, newest = aged(nights)
        folder = Folder(1000, tmp_path)
        at_hand = AtHandStore(store, folder)
        at_hand.expect(newest)
        there = [at_hand.head(key) is not None for key in newest]
        folder.close()
        assert all(there)
        assert store.asked.total() <= most
