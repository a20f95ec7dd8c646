"""Which splits a bucket's rows were given, wherever that stands, and what becomes of those that are not published."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from labelsnap.buckets.base import BasePart, part_base
from labelsnap.buckets.given import behind_part, left_table, read_given
from labelsnap.buckets.grouping import bucket_name, bucket_of
from labelsnap.buckets.reading import NOTHING
from labelsnap.buckets.receipt import BucketInput
from labelsnap.records.tables.tables import write_table
from labelsnap.snapshots import Draft, Manifest
from tests.contracts.memory_store import MemoryStore

ROWS = {f"row-{number}": ("train", "val", "test")[number % 3] for number in range(40)}


def table(rows):
    """Rows with their splits, as ``left`` has them and, among other columns, ``data_rows``."""
    return pa.table({"data_row_id": list(rows), "split": list(rows.values())})


def snapshot(store, name, rows, count):
    """A snapshot whose one table, in so many buckets, has these rows."""
    draft, files = Draft(store), []
    for index in range(count):
        own = {row: split for row, split in rows.items() if bucket_of(row.encode(), count) == index}
        if own:
            files.append(draft.add_file(f"tables/{name}/{bucket_name(index, count)}.parquet", write_table(table(own))))
    return Manifest.of(dataset="streets", created_at="", config={}, result={}, files=files, packs=[])


def found(store, base, behind, count):
    """What is known of each bucket's rows, all together; no row may be in two."""
    known = {}
    parts = part_base(base, range(count), count)
    parts_behind = [part_base(each, range(count), count) for each in behind]
    for index in range(count):
        tables = behind_part(part[index] for part in parts_behind)
        bucket = BucketInput(index, count, "", 0, parts[index], splits_stand=base is not None, behind=tables)
        here = read_given(store, bucket, NOTHING)
        assert not known.keys() & here.keys()
        known |= here
    return known


@given(*(st.sampled_from([1, 2, 4, 16]) for _ in range(3)), st.sampled_from(["left", "data_rows"]))
def test_each_row_is_known_in_its_own_bucket(before, further, now, name):
    """Whatever numbers of buckets there are now, in the base and behind it, which counts where the base is silent."""
    store, rows = MemoryStore(), list(ROWS)
    base = snapshot(store, "left", {row: ROWS[row] for row in rows[:20]}, before)
    others = snapshot(store, name, dict.fromkeys(rows[:10], "test") | {row: ROWS[row] for row in rows[10:]}, further)
    assert found(store, base, [others], now) == ROWS


def test_of_several_snapshots_behind_the_newest_counts():
    """What it says of a row, the older ones say no more."""
    store = MemoryStore()
    newer, older = snapshot(store, "left", {"a": "val"}, 1), snapshot(store, "data_rows", {"a": "test", "b": "test"}, 1)
    assert found(store, None, [newer, older], 1) == {"a": "val", "b": "test"}


def test_what_was_deleted_and_what_is_no_split_is_passed_over():
    """A split of another name would be in no tree."""
    store = MemoryStore()
    gone = snapshot(store, "left", {"a": "val"}, 1)
    store.delete(gone.files[0].key)
    assert found(store, None, [gone, snapshot(store, "left", {"b": "holdout", "c": "val"}, 1)], 1) == {"c": "val"}


@pytest.mark.parametrize("stand", [False, True])
def test_a_base_of_other_settings_says_nothing(stand):
    """All its rows are given splits anew; what stands behind it may have been made under those of now."""
    store = MemoryStore()
    files = snapshot(store, "left", {"a": "val"}, 1).files
    bucket = BucketInput(0, 1, "", 0, BasePart(files), splits_stand=stand)
    assert read_given(store, bucket, NOTHING) == ({"a": "val"} if stand else {})
    assert read_given(store, replace(bucket, behind=files), NOTHING) == {"a": "val"}


def test_rows_that_are_published_again_have_not_left():
    """The others are listed by id."""
    assert left_table({"c": "val", "a": "test", "b": "train"}, ["b", "d"]).to_pylist() == [
        {"data_row_id": "a", "split": "test"},
        {"data_row_id": "c", "split": "val"},
    ]
