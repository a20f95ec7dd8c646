"""Rows into buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.buckets.grouping import bucket_count, bucket_name, bucket_of, earlier_buckets


def test_the_number_of_buckets_is_the_power_of_two_that_keeps_their_size():
    """Worked out by hand for 256 rows a bucket."""
    lines = [0, 1, 256, 257, 512, 513, 2000, 10_000]
    assert [bucket_count(n, 256) for n in lines] == [1, 1, 1, 2, 2, 4, 8, 64]


@given(st.binary(max_size=40), st.integers(0, 12), st.integers(0, 12))
def test_a_row_is_found_in_the_earlier_buckets_of_its_bucket(key, now, before):
    """Whatever the numbers of buckets, an earlier snapshot's bucket of a row is among those looked into."""
    count, earlier = 1 << now, 1 << before
    assert bucket_of(key, earlier) in earlier_buckets(bucket_of(key, count), count, earlier)


def test_few_earlier_buckets_are_looked_into():
    """As many or fewer buckets before: one. Four times as many: four."""
    assert earlier_buckets(5, 8, 8) == [5]
    assert earlier_buckets(5, 8, 2) == [1]
    assert earlier_buckets(1, 2, 8) == [1, 3, 5, 7]


def test_names_sort_like_numbers():
    """Names are padded, so that the order of names is the order of buckets."""
    names = [bucket_name(index, 16384) for index in (9, 10, 100, 16383)]
    assert names == sorted(names)
    assert names[0] == "bucket-00009-of-16384"
