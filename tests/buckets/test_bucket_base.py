"""Which part of an earlier snapshot a bucket is given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.buckets.base import BasePart, part_base
from labelsnap.buckets.grouping import bucket_name, bucket_of
from labelsnap.snapshots.manifest import File, Manifest, Pack
from labelsnap.snapshots.tables.bucket_tables import bucket_count_of, bucket_files


def manifest_of(count, packs=()):
    """A snapshot of so many buckets, each with one table, and packs of buckets (index, of)."""
    tables = [f"tables/labels/{bucket_name(index, count)}.parquet" for index in range(count)]
    keys = [f"data/images/{bucket_name(index, of)}-{'0' * 16}.tar" for index, of in packs]
    return Manifest.of(
        dataset="streets",
        created_at="2024-05-06T07:08:09Z",
        config={},
        result={},
        files=[File(path, f"data/{path}", 1, "0" * 64) for path in (*tables, "raw/problems.ndjson")],
        packs=[Pack(key, 1, "0" * 64) for key in (*keys, "data/packs/yolo/train-00000-0123456789abcdef.tar")],
    )


@given(st.binary(max_size=40), *(st.integers(0, 8) for _ in range(3)))
def test_a_row_is_found_in_its_buckets_part(key, now, before, packed):
    """Whatever the numbers of buckets, now, before, and when its image was packed."""
    count, earlier, of = 1 << now, 1 << before, 1 << packed
    pack = bucket_of(key, of), of
    part = part_base(manifest_of(earlier, [pack]), range(count), count)[bucket_of(key, count)]
    assert f"tables/labels/{bucket_name(bucket_of(key, earlier), earlier)}.parquet" in {f.path for f in part.files}
    assert [each.key for each in part.packs] == [f"data/images/{bucket_name(*pack)}-{'0' * 16}.tar"]


def test_a_part_is_no_more_than_its_bucket_needs():
    """As many or fewer buckets before: one. Four times as many: four."""

    def indices(index, count, earlier):
        part = part_base(manifest_of(earlier), [index], count)[index]
        return [int(file.path.split("-")[1]) for file in part.files]

    assert indices(5, 8, 8) == [5]
    assert indices(5, 8, 2) == [1]
    assert indices(1, 2, 8) == [1, 3, 5, 7]


def test_a_pack_of_another_bucket_is_no_part():
    """Though it lies in the same snapshot."""
    part = part_base(manifest_of(8, [(5, 8), (6, 8), (1, 4), (2, 4)]), [5], 8)[5]
    assert [pack.key for pack in part.packs] == [
        f"data/images/{bucket_name(1, 4)}-{'0' * 16}.tar",
        f"data/images/{bucket_name(5, 8)}-{'0' * 16}.tar",
    ]


def test_a_shared_bucket_has_all_packs_that_its_tables_point_into():
    """There were eight buckets when images were packed, then two, and are four now: every row of the two is read."""
    part = part_base(manifest_of(2, [(1, 8), (3, 8), (4, 8)]), [1], 4)[1]
    assert [pack.key for pack in part.packs] == [f"data/images/{bucket_name(at, 8)}-{'0' * 16}.tar" for at in (1, 3)]


def test_without_a_base_every_part_is_empty():
    """The first version has nothing to reuse."""
    assert part_base(None, [0, 1], 2) == {0: BasePart(), 1: BasePart()}


@pytest.mark.parametrize("of", ["00000", "0" * 5000, "1" * 5000, "٠٠٠٠٤"])
def test_a_number_of_buckets_that_cannot_be_is_of_no_bucket(of):
    """Paths of a manifest may spell none, thousands of digits, or digits of other scripts: they are no tables."""
    pack = Pack(f"data/images/bucket-00000-of-{of}-{'0' * 16}.tar", 1, "0" * 64)
    file = File(f"tables/labels/bucket-00000-of-{of}.parquet", "data/x", 1, "0" * 64)
    assert part_base(BasePart((file,), (pack,)), range(4), 4) == {index: BasePart() for index in range(4)}
    assert (bucket_count_of([file]), bucket_files([file])) == (1, {})
