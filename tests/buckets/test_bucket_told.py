"""What a version tells of a bucket's rows: where they are as they were, it is all that is read of the bucket."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from test_bucket_build import PROJECT, build, counts, odd, row

from labelsnap.buckets.base import BasePart, rows_path
from labelsnap.errors import StorageRefusedError
from labelsnap.records.choices.policy import Policy
from labelsnap.records.model import Source
from labelsnap.storage import open_store
from labelsnap.storage.local import LocalStore

POLICY = Policy(Source("project", PROJECT), classes={"polyline": None}, empty="exclude")
LINES = [row("row-a", labels=2), odd("row-b"), row("row-c", skipped=True), b"{", row("row-d", empty=True)]
"""Two rows that are published, two that policies leave out, and one that is no row."""


@pytest.fixture
def asked(monkeypatch):
    """The keys that stores in a folder are read by from now on."""
    keys, real = [], LocalStore.get

    def get(self, key, **given):
        keys.append(key)
        return real(self, key, **given)

    monkeypatch.setattr(LocalStore, "get", get)
    return keys


@pytest.fixture
def store(tmp_path):
    """The store that buckets are built in."""
    return open_store((tmp_path / "store").as_uri())


def again(before, folder, asked, lines=LINES, **changes):
    """Build the bucket again upon what it was; what was asked for before is forgotten."""
    base = changes.pop("base", BasePart(before.files, before.packs, alike=True))
    asked.clear()
    return build(lines, folder, policy=POLICY, base=base, **({"images": "copy"} | changes))


def files_of(lines, folder):
    """The files of a bucket that has no past, by path."""
    return {file.path: file.sha256 for file in build(lines, folder, policy=POLICY).files}


def told_key(receipt):
    """The key of what a bucket's version tells of its rows."""
    (key,) = (file.key for file in receipt.files if file.path == rows_path(0, 1))
    return key


def test_a_bucket_that_is_as_it_was_is_read_by_one_request(asked, tmp_path):
    """Though policies leave lines out and others are no rows, whose numbers may be others now."""
    before = build(LINES, tmp_path, policy=POLICY)
    lines = [*LINES[2:], *LINES[:2]]
    found = again(before, tmp_path, asked, lines)
    assert asked == [told_key(before)]
    read = again(before, tmp_path, asked, lines, told=False)
    assert len(asked) > 5
    assert replace(found, tally=counts(found.tally)) == replace(read, tally=counts(read.tally))
    tally = found.tally
    assert (tally.published, tally.reused_rows, found.changed) == (2, 2, ())
    assert (tally.excluded, tally.problem_codes) == ({"skipped": 1, "empty": 1}, {"not_json": 1})
    assert tally.labels_excluded == {"not_selected": 1, "skipped": 1}
    assert {file.path: file.sha256 for file in found.files} == files_of(lines, tmp_path)


@pytest.mark.parametrize(
    "lines",
    [LINES[1:], [*LINES, row("row-e")], [row("row-a"), *LINES[1:]], [*LINES, LINES[0]]],
    ids=["gone", "new", "changed", "twice"],
)
def test_a_bucket_with_other_rows_is_read_by_its_tables(asked, tmp_path, lines):
    """Where one came, went, changed, or has two lines."""
    before = build(LINES, tmp_path, policy=POLICY)
    found = again(before, tmp_path, asked, lines, images="reference")
    assert len(asked) > 5
    assert {file.path: file.sha256 for file in found.files} == files_of(lines, tmp_path)


@pytest.mark.parametrize("how", ["gone", "cut short", "of other tables"])
def test_where_it_is_lost_or_of_other_tables_these_are_read(store, asked, tmp_path, how):
    """The bucket is the same then, and so is what is told of it."""
    before = build(LINES, tmp_path, policy=POLICY)
    other = build(LINES[:1], tmp_path, policy=POLICY)
    key, base = told_key(before), BasePart(before.files, before.packs, alike=True)
    if how == "gone":
        store.delete(key)
    elif how == "cut short":
        store.put(key, store.get(key)[:-1])
    elif how == "of other tables":
        tables = [file for file in before.files if file.path != rows_path(0, 1)]
        (told,) = (file for file in other.files if file.path == rows_path(0, 1))
        base = replace(base, files=(told, *tables))
    found = again(before, tmp_path, asked, base=base)
    assert len(asked) > 5
    assert found.files == before.files
    assert store.get(key) is not None


def test_damage_of_it_is_told(store, asked, tmp_path):
    """Other bytes of its size: its key is named."""
    before = build(LINES, tmp_path, policy=POLICY)
    key = told_key(before)
    store.put(key, store.get(key)[:-1] + b"?")
    with pytest.raises(StorageRefusedError, match=key) as refused:
        again(before, tmp_path, asked)
    assert refused.value.code == "object_damaged"
