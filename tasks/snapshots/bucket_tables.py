"""The bucket tables among a snapshot's files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tasks.snapshots.manifest import File

TABLE_PATH: Final = re.compile(r"tables/(?P<table>[a-z_]+)/bucket-(?P<index>\d{5,})-of-(?P<count>\d{5,})\.parquet")

BucketFiles = dict[str, "File"]
"""The files of one bucket by table."""


def bucket_files(files: Iterable[File]) -> dict[tuple[int, int], BucketFiles]:
    """Return the bucket tables among a snapshot's files, in order: (number of buckets, bucket) → table → file."""
    buckets: dict[tuple[int, int], BucketFiles] = {}
    for file in files:
        if match := TABLE_PATH.fullmatch(file.path):
            place = int(match["count"]), int(match["index"])
            buckets.setdefault(place, {})[match["table"]] = file
    return dict(sorted(buckets.items()))
