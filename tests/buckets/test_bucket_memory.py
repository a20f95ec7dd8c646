"""What is held of a bucket while it is built, counted in bytes: no line, and no third copy of a table."""

from __future__ import annotations

import gc
import json
import tracemalloc
from contextlib import contextmanager

import pyarrow as pa
import pytest
from test_bucket_build import build, row

from labelsnap.buckets import build as building
from labelsnap.buckets.base import BasePart
from labelsnap.buckets.rows.images import RowImage, StoredImages, images_table
from labelsnap.buckets.rows.told import tell
from labelsnap.records.geometry import Mask, Runs
from labelsnap.records.image import Image
from labelsnap.records.model import Sample
from labelsnap.records.tables.tables import joined, rows_of, to_tables
from labelsnap.snapshots.writing.draft import Draft
from tests.formats.format_samples import annotation, label, sample

MIB = 1 << 20
ROWS = 16


@contextmanager
def arrow():
    """A pool of Arrow's that tells how many bytes of it were taken at most."""
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    try:
        yield pool
    finally:
        pa.set_memory_pool(before)


def wide(identifier, size, **changes):
    """A row of which one text that the tables have is so long."""
    line = json.loads(row(identifier, **changes))
    line["attachments"] = [{"type": "RAW_TEXT", "value": "a" * size}]
    return json.dumps(line).encode()


class Passed:
    """Numbered lines of a mebibyte each, which are made anew whenever they are gone through."""

    def __len__(self):
        return ROWS

    def __iter__(self):
        for number in range(1, ROWS + 1):
            line = json.loads(row(f"row-{number:02}"))
            yield number, json.dumps(line | {"of_no_use": "a" * MIB}).encode()


def test_no_line_is_held_when_it_was_read(tmp_path):
    """Of sixteen mebibytes of lines, of which nothing large is published, the memory of a few is taken."""
    build([row("row-01")], tmp_path / "before")  # loads what is loaded by its first use
    tracemalloc.start()
    try:
        receipt = build(Passed(), tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert receipt.tally.published == ROWS


def test_samples_are_gone_when_tables_are_written_and_tables_when_they_go_up(tmp_path, monkeypatch):
    """What is written of a bucket is made one of the other, and each goes when the next is there."""
    write_table, add_files = building.write_table, Draft.add_files
    samples, sizes = [], []

    def counted(table):
        samples.append(sum(type(each) is Sample for each in gc.get_objects()))
        return write_table(table)

    def sent(self, files):
        sizes.append(pa.total_allocated_bytes())
        return add_files(self, files)

    gc.collect()
    before = pa.total_allocated_bytes(), sum(type(each) is Sample for each in gc.get_objects())
    monkeypatch.setattr(building, "write_table", counted)
    monkeypatch.setattr(Draft, "add_files", sent)
    receipt = build([wide(f"row-{number}", MIB // 4) for number in range(4)], tmp_path)
    assert receipt.tally.published == 4
    assert samples
    assert set(samples) == {before[1]}
    assert [size - before[0] < MIB // 8 for size in sizes] == [True]


def test_of_a_bucket_that_changed_its_rows_are_held_twice_at_most(tmp_path):
    """Once as they stand, and once as they are now: of 16 MiB no third copy is made."""
    lines = [wide(f"row-{number:02}", MIB) for number in range(ROWS)]
    before = build(lines, tmp_path)
    base = BasePart(before.files, before.packs, alike=True)
    lines[5] = wide("row-05", MIB, labels=2)
    with arrow() as pool:
        now = build(lines, tmp_path, base=base)
        assert 2 * ROWS * MIB < pool.max_memory() < 2.5 * ROWS * MIB
    assert (now.tally.published, now.tally.reused_rows, now.changed) == (ROWS, ROWS - 1, ("row-05",))


@pytest.fixture(scope="module")
def masked():
    """The tables of sixteen rows, each with a mask whose runs take half a mebibyte of text."""
    runs = Runs(512, 512, b"1" * (MIB // 2), 1, (0, 0, 1, 1))
    return to_tables([sample(label(annotation(Mask(None, runs))), name=f"row-{number:02}") for number in range(ROWS)])


def test_what_is_told_of_masks_is_told_without_a_copy_of_their_runs(masked):
    """Eight mebibytes of runs are looked past by whatever counts masks and adds them up."""
    image = Image("a.jpg", 512, 512, "image/jpeg", None, None)
    images = images_table([RowImage(row_id, "train", image) for row_id in names_of(masked)], StoredImages({}))
    with arrow() as pool:
        told = tell([], masked | {"images": images}, [], 0)
        assert pool.max_memory() < MIB
    assert told.tally.published == ROWS
    assert [each.amounts[:2] for each in told.measures if each.group.kind == "mask"] == [(ROWS, ROWS)]


def names_of(tables):
    """The rows of tables."""
    return tables["data_rows"]["data_row_id"].to_pylist()


def test_few_rows_of_many_and_many_of_few_are_no_copies(masked):
    """Rows that lie together are pointed to; put beside others they are copied once."""
    names = names_of(masked)
    size = masked["annotations"].nbytes
    with arrow() as pool:
        kept = rows_of(masked, set(names) - {names[3]})
        one = rows_of(masked, {names[3]})
        assert pool.max_memory() < size / 100
        assert joined(kept, one) == {name: table.combine_chunks() for name, table in masked.items()}
        assert pool.max_memory() < 1.1 * size
