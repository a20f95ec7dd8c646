"""Rows that formats failed at → the buckets that are built again without them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from labelsnap.buckets.grouping import bucket_of
from labelsnap.buckets.unwritable import MOST, format_fails
from labelsnap.snapshots.writing.draft import Uploads
from tasks.run.receipts import FormatReceipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from labelsnap.buckets.parts.work import BucketMade
    from labelsnap.buckets.receipt import BucketInput

WRITINGS: Final = 3
"""So often a run writes its formats; each time without the rows that they failed at before."""


def failed_at(formats: Iterable[FormatReceipt]) -> dict[str, str]:
    """The ids of the rows that any format failed at, each with what the first one met."""
    found: dict[str, str] = {}
    for receipt in formats:
        found = receipt.unwritable | found
    return found


def without(
    inputs: Sequence[BucketInput], found: Iterable[str], unwritable: Mapping[str, str]
) -> Iterator[BucketInput]:
    """The buckets that have rows of those just found, each with all its rows that are unwritable."""
    of_bucket: defaultdict[int, dict[str, str]] = defaultdict(dict)
    count = inputs[0].count
    for row_id, fault in unwritable.items():
        of_bucket[bucket_of(row_id.encode(), count)][row_id] = fault
    concerned = {bucket_of(row_id.encode(), count) for row_id in found}
    return (replace(each, unwritable=of_bucket[each.index]) for each in inputs if each.index in concerned)


def failures(made: Iterable[BucketMade]) -> tuple[FormatReceipt, ...]:
    """The rows that formats failed at in buckets, as receipts without files.

    Raises ``LabelsnapError`` where a format failed at more than single rows can be blamed for.
    """
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for each in made:
        for name, rows in each.unwritable.items():
            found[name] |= rows
    for name, rows in found.items():
        if len(rows) > MOST:
            raise format_fails(name, rows)
    return tuple(FormatReceipt(name, (), (), Uploads(), rows) for name, rows in found.items())


def check_writings(writing: int, formats: Iterable[FormatReceipt]) -> None:
    """Raise ``LabelsnapError`` where formats still fail at rows when they were written for the last time."""
    failed = next((receipt for receipt in formats if receipt.unwritable), None)
    if failed and writing == WRITINGS:
        raise format_fails(failed.name, failed.unwritable)
