"""What the tables of buckets are called, and whether those of one snapshot can be the buckets of one dataset."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_BUCKETS: Final = 1 << 24
NUMBER: Final = "[0-9]{5,8}"
COUNT: Final = "(?!0+[^0-9])[0-9]{5,8}"
"""How paths spell the number of a bucket, from 0, and of how many it is, which is never none."""
TABLE_PATH: Final = re.compile(rf"tables/(?P<table>[a-z_]+)/bucket-(?P<index>{NUMBER})-of-(?P<count>{COUNT})\.parquet")
_LIKE_IT: Final = re.compile(r"tables/[^/]+/bucket-.*-of-")


def stray_table(paths: Iterable[str]) -> str | None:
    """Return the first path that cannot be the table of a bucket beside those before it; None: all can.

    The number of buckets is a power of two and the same for all, and each bucket has one name.
    """
    counts: set[int] = set()
    for path in filter(_LIKE_IT.match, paths):
        match = TABLE_PATH.fullmatch(path)
        if match is None:
            return path
        index, count = int(match["index"]), int(match["count"])
        counts.add(count)
        named = path.endswith(f"/bucket-{index:05}-of-{count:05}.parquet")
        if not (named and index < count <= MOST_BUCKETS and count.bit_count() == 1 and len(counts) == 1):
            return path
    return None
