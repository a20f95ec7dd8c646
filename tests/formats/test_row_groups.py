"""Tables of rows upon others: what pyarrow would write in one pass, of groups that are not read where they stand."""

from __future__ import annotations

import io
import random
from collections import Counter

import pyarrow as pa
import pytest
from pyarrow import parquet

from labelsnap.formats.interface import NotThereError, Span, Standing, Told
from labelsnap.formats.shared.groups import row_groups, standing
from labelsnap.formats.shared.groups.footers import Columns, Footer, footer_of
from labelsnap.formats.shared.groups.row_groups import RowGroups

SCHEMA = pa.schema(
    [
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("data_row_id", pa.string()),
        ("box", pa.list_(pa.float64())),
    ],
    metadata={"huggingface": "{}"},
)


def row(number, image=0, box=0):
    """A row whose image and box follow from its number and another."""
    drawn = random.Random(f"{number} {image}")  # noqa: S311 - no secret
    return {
        "image": {"bytes": drawn.randbytes(5000), "path": f"{number}.jpg"},
        "data_row_id": f"row{number:02}",
        "box": [drawn.random() for _ in range(number % 4)] + [0.5] * box,
    }


ROWS = [row(number) for number in range(40)]


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    """Groups of eight rows, or of five images, at most."""
    monkeypatch.setattr(row_groups, "ROWS_IN_A_GROUP", 8)
    monkeypatch.setattr(row_groups, "BYTES_IN_A_GROUP", 25_000)
    monkeypatch.setattr(row_groups, "ROWS_TO_AN_END", 8)


def one_pass(rows):
    """The table as pyarrow writes it, its groups as they are divided."""
    file = io.BytesIO()
    options = {"use_dictionary": ["data_row_id", "box"], "compression": "zstd", "write_page_index": True}
    with parquet.ParquetWriter(file, SCHEMA, version="2.6", **options) as writer:
        for group in row_groups._groups(rows) if rows else [[]]:
            writer.write_table(pa.Table.from_pylist(group, SCHEMA))
    return file.getvalue()


def upon(before, rows):
    """The table upon another, and how many of its bytes are spans; rows that are equal to none of ``ROWS`` are made."""
    told = [Told(each["data_row_id"], "", None if each in ROWS else each) for each in rows]
    pieces = list(RowGroups(SCHEMA).renewed(lambda each: each, Standing(io.BytesIO(before), told)))
    spans = [piece for piece in pieces if isinstance(piece, Span)]
    body = b"".join(
        before[piece.offset : piece.offset + piece.size] if isinstance(piece, Span) else piece for piece in pieces
    )
    return body, sum(span.size for span in spans)


def changed(*numbers):
    """All rows, of which some have another image."""
    return [row(number, int(number in numbers)) for number in range(40)]


def labelled(*numbers):
    """All rows, of which some have another box."""
    return [row(number, box=int(number in numbers)) for number in range(40)]


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        changed(0),
        changed(17, 39),
        changed(*range(0, 40, 3)),
        ROWS[1:],
        ROWS[:-1],
        ROWS[:9] + ROWS[12:],
        [*ROWS, row(40), row(41)],
        ROWS[4:5],
        changed(*range(40)),
        [],
        labelled(0),
        labelled(17, 20, 39),
        [*labelled(5)[:30], *changed(33)[30:]],
        labelled(5)[:-1],
    ],
    ids=[
        "none",
        "first",
        "two",
        "many",
        "first goes",
        "last goes",
        "some go",
        "more come",
        "one",
        "all",
        "no row",
        "labels",
        "more labels",
        "labels and images",
        "labels, and one goes",
    ],
)
def test_a_table_upon_another_is_what_pyarrow_writes_in_one_pass(rows):
    """Whichever rows came, went or changed: pages, their index and the footer, byte for byte."""
    body, _ = upon(one_pass(ROWS), rows)
    assert body == one_pass(rows)
    assert parquet.read_table(io.BytesIO(body)).to_pylist() == rows


def test_of_other_labels_no_image_is_written():
    """Where a group has the rows of one of before with their images, these are a span of it."""
    before = one_pass(ROWS)
    body, spanned = upon(before, labelled(17))
    assert spanned > 5000 * len(ROWS)
    assert body == one_pass(labelled(17))


def test_a_last_group_that_was_not_full_goes_on():
    """Rows that come behind it belong to it, by the sizes of those that stand there."""
    before, now = ROWS[:2], [*ROWS[:2], row(40), row(41), row(42), row(43)]
    assert upon(one_pass(before), now)[0] == one_pass(now)


def test_groups_that_stand_are_neither_read_nor_written(monkeypatch):
    """Of one row that changed its group is, and the last one, which rows may come behind; ids are read of all."""
    read = Counter()
    columns = standing.Group._read

    def counted(group, names):
        read[group.index, "image" in names] += 1
        return columns(group, names)

    monkeypatch.setattr(standing.Group, "_read", counted)
    before = one_pass(ROWS)
    groups = parquet.read_metadata(io.BytesIO(before)).num_row_groups
    _, spanned = upon(before, changed(17))
    images = [index for index, of_images in read if of_images]
    assert len(images) == 2
    assert groups - 1 in images
    assert {index for index, _ in read} == set(range(groups))
    assert spanned > 5000 * (len(ROWS) - 5)


def test_footers_that_are_none_are_taken_over_by_none():
    """Each byte of a footer another one, or the file cut: it does not stand, or tells of pages; nothing else comes."""
    before = one_pass(ROWS[:6])
    length = int.from_bytes(before[-8:-4], "little")
    fresh = Footer(io.BytesIO(before))
    places = range(len(before) - length - 8, len(before) - 4, 7)
    cut = [before[:end] for end in range(0, len(before), 997)]
    spoilt = [before[:place] + bytes([before[place] ^ 0x15]) + before[place + 1 :] for place in places]
    refused = 0
    for content in (*cut, *spoilt):
        try:
            found = Footer(io.BytesIO(content))
            assert footer_of(([Columns(found, number, 0, 9, 4)] for number in range(len(found.groups))), fresh, 4)
        except NotThereError:
            refused += 1
    assert refused > len(cut)


def test_columns_that_do_not_lie_one_behind_another_are_no_group():
    """A footer of an untrusted writer may say so: what a group is a span of would be something else."""
    before = one_pass(ROWS[:4])
    table = parquet.ParquetFile(io.BytesIO(before))
    size = table.metadata.row_group(0).column(0).total_compressed_size
    told = Footer(io.BytesIO(before))
    chunk = told.groups[0][1][1][1][0]
    chunk[3][1][7] = 6, size + 1
    spoilt = before[: -8 - int.from_bytes(before[-8:-4], "little")] + footer_of([[Columns(told, 0, 0, 9, 4)]], told, 4)
    with pytest.raises(NotThereError):
        upon(spoilt, ROWS[:4])


def test_a_filter_of_values_is_not_passed_on():
    """It lies apart from the pages (bloom_filter_offset), and a reader of the new table would look where it was."""
    footer = Footer(io.BytesIO(one_pass(ROWS[:5])))
    chunks = footer.groups[0][1][1][1]
    whole = [[Columns(footer, 0, 0, len(chunks), 4)]]
    assert footer_of(whole, footer, 30_000)
    chunks[-1][3][1][14] = 6, 1234
    with pytest.raises(NotThereError, match="a filter of values"):
        footer_of(whole, footer, 30_000)
