"""Rows into buckets."""

from __future__ import annotations

import pytest

from labelsnap.buckets.grouping import bucket_count, bucket_name


def test_the_number_of_buckets_is_the_power_of_two_that_keeps_their_size():
    """Worked out by hand for 256 rows a bucket."""
    lines = [0, 1, 256, 257, 512, 513, 2000, 10_000]
    assert [bucket_count(n, 256) for n in lines] == [1, 1, 1, 2, 2, 4, 8, 64]


@pytest.mark.parametrize(
    ("rows", "standing", "count"),
    [
        (1024, 4, 4),
        (1025, 4, 8),
        (5000, 4, 32),
        (1024, 8, 8),
        (1025, 8, 8),
        (513, 8, 8),
        (512, 8, 2),
        (0, 2, 2),
        (0, 4, 1),
    ],
)
def test_the_number_of_buckets_changes_when_it_must(rows, standing, count):
    """By hand for 256 rows a bucket: at once when there are too many rows, and else when a quarter would do."""
    assert bucket_count(rows, 256, standing) == count


def test_names_sort_like_numbers():
    """Names are padded, so that the order of names is the order of buckets."""
    names = [bucket_name(index, 16384) for index in (9, 10, 100, 16383)]
    assert names == sorted(names)
    assert names[0] == "bucket-00009-of-16384"
