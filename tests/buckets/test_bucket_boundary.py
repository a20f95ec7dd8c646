"""The boundary around a row: what nobody foresaw is that row's problem, wherever it is met; what is nobody's is not."""

from __future__ import annotations

import errno
import io

import numpy as np
import pytest
from pyarrow import parquet
from test_bucket_build import build, row

from labelsnap.buckets import build as building
from labelsnap.buckets import spool
from labelsnap.buckets.base import BasePart
from labelsnap.buckets.boundary import bounded
from labelsnap.buckets.rows import image, made, one, reuse, told
from labelsnap.buckets.rows.fetch import Fetcher
from labelsnap.buckets.rows.image import publishable
from labelsnap.errors import LabelboxRefusedError, LabelsnapError
from labelsnap.records.model import MediaAttributes, Problem
from tests.images.image_samples import oriented

ODD = "row-b"


def failing(function, is_odd):
    """The function, which meets a fault that nobody foresaw in what is odd."""

    def tried(*given, **options):
        if is_odd(*given):
            raise ZeroDivisionError("secret of the row")
        return function(*given, **options)

    return tried


def holds(value, *_):
    """Whether something is about the odd row, a list of nothing else included."""
    return ODD in str(value)


def problems(receipt, folder):
    """The rows of the table of problems."""
    (file,) = (file for file in receipt.files if "/problems/" in file.path)
    return parquet.read_table(folder / "store" / file.key).to_pylist()


@pytest.mark.parametrize(
    ("place", "name", "is_odd"),
    [
        (building, "parse", holds),
        (one, "select", holds),
        (made, "to_tables", holds),
        (made, "measure", holds),
        (told, "census", holds),
        (told, "noted", holds),
        (told, "seen_classes", holds),
        (told, "measure_tables", holds),
        (Fetcher, "fetch", lambda _, record, *__: holds(record)),
        (reuse.Reuse, "of_record", lambda _, record, *__: holds(record)),
        (reuse.Reused, "is_before", lambda _, sample: holds(sample)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_in_one_row_is_its_problem_and_no_other_rows(tmp_path, monkeypatch, place, name, is_odd):
    """Its class and place in labelsnap's own code are told, no value of it; the next run has the row."""
    lines = [row("row-a"), row(ODD), row("row-c")]
    with monkeypatch.context() as patched:
        patched.setattr(place, name, failing(getattr(place, name), is_odd))
        receipt = build(lines, tmp_path)
    tally = receipt.tally
    assert (tally.published, tally.problems, tally.problem_codes) == (2, 1, {"unforeseen": 1})
    (problem,) = problems(receipt, tmp_path)
    assert (problem["line"], problem["data_row_id"], problem["path"]) == (2, ODD, "$")
    assert problem["reason"].startswith("ZeroDivisionError at labelsnap.buckets.")
    assert "secret" not in problem["reason"]
    again = build(lines, tmp_path, base=BasePart(receipt.files, receipt.packs, alike=True))
    assert (again.tally.published, again.tally.problems, again.tally.reused_rows) == (3, 0, 2)


def test_a_row_that_stands_and_meets_a_fault_is_no_reused_one(tmp_path, monkeypatch):
    """It is counted once, as a problem."""
    lines = [row("row-a"), row(ODD)]
    before = build(lines, tmp_path)
    monkeypatch.setattr(made, "measure", failing(made.measure, holds))
    receipt = build(lines, tmp_path, base=BasePart(before.files, before.packs))
    assert (receipt.tally.published, receipt.tally.problems, receipt.tally.reused_rows) == (1, 1, 1)


@pytest.mark.parametrize("alike", [None, False, True])
def test_a_row_that_a_format_cannot_write_is_a_problem_of_its_line(tmp_path, alike):
    """Whether it stands or is new, and its lines that it repeats are repetitions still; the next run has the row."""
    met = "KeyError at labelsnap.formats.coco.writer:_image:1"
    lines = [row(ODD, activity="2023-01-01T00:00:00Z"), row("row-a"), row(ODD)]
    before = build(lines[1:], tmp_path)
    base = BasePart() if alike is None else BasePart(before.files, before.packs, alike)
    receipt = build(lines, tmp_path, base=base, unwritable={ODD: met})
    assert problems(receipt, tmp_path) == [
        {"line": 3, "data_row_id": ODD, "path": "$", "code": "unforeseen", "reason": met}
    ]
    tally = receipt.tally
    assert (tally.published, tally.excluded, tally.problems, tally.rows) == (1, {"duplicate": 1}, 1, 3)
    assert (receipt.repeated, tally.reused_rows) == ((1,), 0 if alike is None else 1)
    assert receipt.census.rows == build(lines[1:2], tmp_path).census.rows
    again = build(lines[1:], tmp_path, base=BasePart(receipt.files, receipt.packs, alike=True))
    assert (again.tally.published, again.tally.problems) == (2, 0)


def test_a_row_alone_that_stands_and_cannot_be_written_is_taken_over_no_more(tmp_path):
    """Its table has it as a problem, and its split is kept."""
    before = build([row("row-a"), row(ODD)], tmp_path)
    base = BasePart(before.files, before.packs, alike=True)
    receipt = build([row("row-a"), row(ODD)], tmp_path, base=base, unwritable={ODD: "KeyError at unknown"})
    assert (receipt.tally.published, receipt.tally.problems, receipt.tally.reused_rows) == (1, 1, 1)


def test_a_fault_in_all_rows_at_once_is_nobodys_problem(tmp_path, monkeypatch):
    """What no single row meets ends the run."""
    monkeypatch.setattr(made, "to_tables", failing(made.to_tables, lambda samples: len(samples) > 1))
    with pytest.raises(ZeroDivisionError):
        build([row("row-a"), row(ODD)], tmp_path)


def test_a_line_whose_id_meets_a_fault_goes_to_a_bucket_by_its_bytes(tmp_path, monkeypatch):
    """No line is lost on its way to the buckets, and a bucket makes of it what it can."""
    monkeypatch.setattr(spool, "row_id", failing(spool.row_id, holds))
    monkeypatch.setattr(reuse, "row_id", failing(reuse.row_id, holds))
    monkeypatch.setattr(reuse, "fingerprint", failing(reuse.fingerprint, holds))
    lines = [row("row-a"), row(ODD)]
    _, spooled = spool.spread(lines, tmp_path, 2, 128, 1)
    assert [line for _, line in spool.read_spool([spooled[0].path.read_bytes()], "lines")] == lines
    before = build(lines, tmp_path)
    receipt = build(lines, tmp_path, base=BasePart(before.files, before.packs, alike=True))
    assert receipt.files == before.files


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EMFILE, "Too many open files"),
        LabelboxRefusedError("The key is refused.", remedy="Give another.", code="labelbox_key"),
        KeyboardInterrupt(),
    ],
    ids=["disk", "files", "key", "interrupt"],
)
def test_what_is_no_rows_matter_ends_the_run(error):
    """The disk, the process's limits, what Labelbox refuses to everybody, and whoever stops it."""

    def fail():
        raise error

    with pytest.raises((OSError, LabelsnapError, KeyboardInterrupt)) as caught:
        bounded(1, lambda: None, fail)
    assert caught.value is error


@pytest.mark.parametrize(
    "error", [MemoryError(), RecursionError(), OSError(errno.EINVAL, "seek"), OSError("a decoder")]
)
def test_whatever_else_is_raised_is_the_rows(error):
    """Want of memory too, and what an operating system says of places that a picture asks for."""

    def fail():
        raise error

    found = bounded(7, lambda: "row", fail)
    assert isinstance(found, Problem)
    assert (found.line, found.data_row_id, found.code) == (7, "row", "unforeseen")
    assert found.reason.startswith(f"{type(error).__name__} at ")


def test_a_full_disk_is_no_damaged_image(monkeypatch):
    """Where a picture's orientation cannot be written out of it for want of room, the run ends, and says so."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(image, "take_out", full)
    with pytest.raises(OSError, match="No space left"):
        publishable(
            io.BytesIO(oriented("jpeg exif", 6)),
            rule="declared",
            media=MediaAttributes(None, None, None, None, None),
            max_pixels=np.iinfo(np.int32).max,
        )
