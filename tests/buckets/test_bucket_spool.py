"""Lines spread over buckets on disk."""

from __future__ import annotations

import json

import pytest

from tasks.buckets import spool as spool_module
from tasks.buckets.spool import read_spool, spool


def row(identifier, **more):
    """A line with this row id."""
    return json.dumps({"data_row": {"id": identifier}, **more}).encode()


def read(bucket):
    """Numbers and lines of a spooled bucket."""
    return list(read_spool([bucket.path.read_bytes()]))


@pytest.mark.parametrize("buffer", [1, 100, 1 << 20])
def test_every_line_is_in_one_bucket_with_its_number(tmp_path, monkeypatch, buffer):
    """However often the buffer is emptied, all lines come back, each once, numbered from 1."""
    monkeypatch.setattr(spool_module, "BUFFER_BYTES", buffer)
    lines = [*(row(f"r{n}", text="tab\tand é") for n in range(50)), b"not json", b"\x00", b"\ttabs\r"]
    buckets = spool(lines, tmp_path, 4)
    entries = sorted(entry for bucket in buckets for entry in read(bucket))
    assert entries == list(enumerate(lines, start=1))
    assert sum(bucket.lines for bucket in buckets) == len(lines)
    assert [bucket.index for bucket in buckets] == sorted({bucket.index for bucket in buckets})


def test_blank_lines_are_numbered_and_left_out(tmp_path):
    """White space and byte order marks are no lines of any bucket; the lines after them keep their numbers."""
    mark = b"\xef\xbb\xbf"
    lines = [b"", mark + row("a") + b"\r", b"\r", mark, b" \t", row("b") + b"\r", mark + b"\r"]
    buckets = spool(lines, tmp_path, 2)
    assert sorted(entry for bucket in buckets for entry in read(bucket)) == [(2, lines[1]), (6, lines[5])]
    assert sum(bucket.lines for bucket in buckets) == 2
    assert spool([b"", b"\r"], tmp_path / "none", 1) == []


@pytest.mark.parametrize("odd", [b'{"data_row": {"id": 7, "x": 1.5}}', b'{"data_row": {"id": "7"}, "y": "\\ud83d"}'])
def test_odd_lines_of_one_row_share_a_bucket(tmp_path, odd):
    """A row id that is a number, or beside text that is not quite Unicode, is the id that it is elsewhere."""
    numbers = [number for bucket in spool([odd, row("7")], tmp_path, 1 << 20) for number, _ in read(bucket)]
    assert len(spool([odd, row("7")], tmp_path, 1 << 20)) == 1
    assert sorted(numbers) == [1, 2]


def test_lines_of_one_row_share_a_bucket(tmp_path):
    """A row that stands twice in an export is met twice in one bucket."""
    lines = [row("same", a=1), *(row(f"other{n}") for n in range(20)), row("same", a=2)]
    for bucket in spool(lines, tmp_path, 8):
        numbers = [number for number, _ in read(bucket)]
        assert (1 in numbers) == (22 in numbers)


def test_no_lines_make_no_buckets(tmp_path):
    """An empty export leaves nothing on disk."""
    assert spool([], tmp_path, 1) == []
    assert list(tmp_path.iterdir()) == []
