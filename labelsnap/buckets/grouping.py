"""Which bucket a row belongs to: by hash, so that it stays there while rows come and go.

The number of buckets is a power of two and depends on the number of rows, and on that of the snapshot before. When it
doubles, each bucket's rows go to two buckets and no other, so the rows of any bucket are found in few buckets of an
earlier snapshot.
"""

from __future__ import annotations

from typing import Final

from labelsnap.records.choices.numbers import hash_of

SPARE: Final = 4
"""With so many times as many buckets as are needed, or more, there are fewer from then on."""


def bucket_count(rows: int, rows_per_bucket: int, standing: int = 1) -> int:
    """The smallest power of two that keeps a bucket at ``rows_per_bucket`` rows on average; at least 1.

    The ``standing`` number of an earlier snapshot stays while it does that too, and is less than ``SPARE`` times that.
    """
    buckets = -(-rows // rows_per_bucket)
    needed = 1 << max(0, buckets - 1).bit_length()
    return standing if needed <= standing < SPARE * needed else needed


def bucket_of(key: bytes, count: int) -> int:
    """The bucket (0 to ``count`` - 1) of a row id, or of a whole line that has none: the low bits of its sha256."""
    return hash_of(key) & (count - 1)


def bucket_name(index: int, count: int) -> str:
    """``bucket-00003-of-00016``: the same in every snapshot with so many buckets."""
    return f"bucket-{index:05}-of-{count:05}"
