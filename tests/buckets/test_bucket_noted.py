"""What was done about published rows that were not quite as expected, counted and said."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from labelsnap.buckets.noted import NOTED, blocks_of, noted, said_of
from labelsnap.buckets.rows.images import StoredImages, images_table, row_image
from labelsnap.records.model import MediaAttributes, Unreadable
from labelsnap.records.tables.tables import to_tables
from tests.formats.format_samples import sample


def row(name, *, copied=True, rotation=None, turned=False, replaced=0, unreadable=0, unconfirmed=False, of=None):
    """A sample with these oddities."""
    made = sample(name=name)
    media = MediaAttributes(exif_rotation=rotation)
    record = replace(
        made.record,
        data_row=replace(made.record.data_row, media=media),
        text_replaced=replaced,
        unreadable=(Unreadable("$.x", "wrong_type"),) * unreadable,
    )
    stored = {"sha256": "a" * 64, "size": 1} if copied else {"sha256": None, "size": None}
    return replace(
        made,
        record=record,
        image=replace(made.image, turned=turned, converted_from=of, unconfirmed=unconfirmed, **stored),
    )


def tables(rows):
    """The tables of a bucket of these rows."""
    return to_tables(rows) | {"images": images_table(map(row_image, rows), StoredImages({}))}


def test_counts_are_those_of_the_tables():
    """What was done to images, replaced text and unreadable fields are added up."""
    rows = [
        row("a", turned=True, rotation=6),
        row("b", copied=False, rotation=6, replaced=2),
        row("c", copied=False, rotation=8, replaced=1, unreadable=2),
        row("d", copied=False, rotation=1, unreadable=1),
        row("f", unconfirmed=True),
        row("e", copied=False),
        row("g", of="image/png"),
        row("h", of="image/gif"),
    ]
    assert blocks_of(noted(tables(rows))) == {
        "images": {"turned": 1, "converted": 2, "turned_by_readers": 2, "unconfirmed": 1},
        "masks": {"hidden": 0, "cut": 0, "overlapping": 0, "without_composite": 0, "from_composite": 0},
        "answers": {"unanswered": 0},
        "text": {"replaced": 3},
        "fields": {"unreadable": 3},
    }


def test_nothing_is_counted_as_zero():
    """Tables without rows, and results without counts, give zeros and no sentence."""
    assert set(noted(tables([])).values()) == {0}
    assert list(said_of(blocks_of({}))) == list(said_of({})) == []


@pytest.mark.parametrize("name", NOTED)
def test_each_count_is_said(name):
    """What was counted is said with its number; a result of an older version may lack the other blocks."""
    block, _, what = name.partition(".")
    assert [number for number, _ in said_of({block: {what: 7}})] == [7]
