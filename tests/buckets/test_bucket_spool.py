"""Lines spread over buckets on disk."""

from __future__ import annotations

import json

import pytest

from labelsnap.buckets import spool as spool_module
from labelsnap.buckets.receipt import BucketInput
from labelsnap.buckets.spool import merged, read_spool, rows_in, spool
from labelsnap.errors import StorageRefusedError
from labelsnap.storage.local import LocalStore
from tasks.buckets import lines_there, with_lines
from tasks.run.ledger import Ledger


def row(identifier, **more):
    """A line with this row id."""
    return json.dumps({"data_row": {"id": identifier}, **more}).encode()


def read(bucket):
    """Numbers and lines of a spooled bucket."""
    return list(read_spool([bucket.path.read_bytes()], bucket.path.name))


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


def test_rows_are_counted_once_however_many_lines_they_have(tmp_path):
    """As is a line that has no row id."""
    lines = [*(row(f"r{n % 7}", n=n) for n in range(21)), b"not json", b"not json", b"nor this"]
    assert rows_in(spool(lines, tmp_path, 8)) == 7 + 2


@pytest.mark.parametrize("count", [1, 2, 4])
def test_buckets_that_are_merged_are_those_of_the_smaller_number(tmp_path, count):
    """Byte for byte what they were, had the lines been spread over so many from the start; nothing else is left."""
    lines = [*(row(f"r{n % 17}", n=n) for n in range(60)), b"\ttabs\r", b"not json"]
    for folder in ("few", "many"):
        (tmp_path / folder).mkdir()
    few = spool(lines, tmp_path / "few", count)
    found = merged(spool(lines, tmp_path / "many", 16), tmp_path / "many", count)
    assert [(each.index, each.lines) for each in found] == [(each.index, each.lines) for each in few]
    assert {path.name: path.read_bytes() for path in (tmp_path / "many").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "few").iterdir()
    }
    assert [each.path.parent.name for each in found] == ["many"] * len(found)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b"x\t{}", b"\t{}", b"-1\t{}", b"0\t{}", b" 7\t{}", b"1_0\t{}", "\u0661\t{}".encode(),
        b"9" * 19 + b"\t{}", b"9" * 100_000 + b"\t{}", b"1\t{}\n{}",
    ],
)  # fmt: skip
def test_lines_without_a_number_are_damage(content):
    """What lay in the store is no number unless it has at most 18 digits; its file is named."""
    with pytest.raises(StorageRefusedError, match="lines/bucket") as refused:
        list(read_spool([content], "work/r/lines/bucket"))
    assert refused.value.code == "object_damaged"


def placed(key, offset, size):
    """A bucket whose lines lie there."""
    return BucketInput(0, 1, key, 1, lines_offset=offset, lines_size=size)


def test_lines_of_several_buckets_lie_in_one_object(tmp_path):
    """Each bucket finds its own there, in the order of their numbers; those of many rows take several objects."""
    store, lines = LocalStore(tmp_path / "store"), [b'{"data_row": {"id": "%d"}}' % number for number in range(500)]
    spooled = {bucket.index: bucket for bucket in spool(lines, tmp_path, 8)}
    buckets = [BucketInput(index, 8, "", 0) for index in range(8)]
    del spooled[3]
    put = list(with_lines(store, Ledger(store, "r"), buckets, spooled, tmp_path))
    assert [each.index for each in put] == list(range(8))
    assert put[3] == buckets[3]
    (only,) = store.list("work/r/lines/")
    assert {each.lines_key for each in put if each.lines} == {only.key}
    for each in put[:3] + put[4:]:
        there = list(lines_there(store, each, tmp_path / "there"))
        assert len(there) == each.lines == spooled[each.index].lines
        assert all(lines[number - 1] == line for number, line in there)
    assert sum(each.lines_size for each in put) == only.size


@pytest.mark.parametrize("there", [None, b"", b"1\t{}", b"1\t{}\n"], ids=["gone", "empty", "plain", "a line"])
def test_a_buckets_lines_that_are_not_as_they_were_put_are_damage(tmp_path, there):
    """Missing or no Zstandard: whoever may write to the bucket can see to that."""
    store = LocalStore(tmp_path / "store")
    if there is not None:
        store.put("work/r/lines/a.zst", there)
    with pytest.raises(StorageRefusedError, match="lines/a") as refused:
        list(lines_there(store, placed("work/r/lines/a.zst", 0, 6), tmp_path / "lines"))
    assert (refused.value.code, refused.value.exit_status) == ("object_damaged", 4)
