"""What the gate holds in memory: some lines of a JSON document, and as many tables as there are turns."""

from __future__ import annotations

import mmap
import random
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from labelsnap.memory import Turns
from labelsnap.snapshots.checking import decoding, documents
from labelsnap.snapshots.tables import parquet_files

LINES = (
    b'{"info":{"a":[1,2]},"images":[\n{"id":1},\n{"id":2,"b":[[],[\n3]]}\n],"none":[],'
    b'"annotations":[\n{"id":7},\n"],\\n",\n8\n]}'
)
VALUES = st.recursive(
    st.none() | st.integers() | st.text('a,[]{}"\n', max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab,", max_size=2), inner, max_size=3),
    max_leaves=12,
)
MARKS = st.lists(
    st.sampled_from([b",\n", b"\n", b"[", b"]", b"{", b"}", b"[\n", b",", b'"', b"1", b'"a":', b" "]), max_size=14
)


def is_json(content):
    """Whether bytes are one document, for msgspec."""
    try:
        msgspec.json.decode(content, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True


def is_document(path):
    """Whether a file is one, for the gate."""
    try:
        documents.check_json(path)
    except (ValueError, RecursionError):
        return False
    return True


def broken(document):
    """A document with a line break behind each comma and bracket, so that it can be cut anywhere."""
    return document.replace(b",", b",\n").replace(b"[", b"[\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(VALUES.map(msgspec.json.encode).map(broken), MARKS.map(b"".join)), st.integers(1, 40))
def test_a_document_is_one_by_its_pieces_and_nothing_else_is(tmp_path, content, size):
    """Whatever is cut, and wherever: the answer is that of one look at the whole."""
    (tmp_path / "document").write_bytes(content or b" ")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(documents, "_PIECE", size)
        assert is_document(tmp_path / "document") == is_json(content or b" ")


@pytest.mark.parametrize("size", [1, 9, 40, len(LINES)])
def test_a_document_of_lines_is_damaged_wherever_a_byte_is(tmp_path, monkeypatch, size):
    """A piece more or less, a comma more or less, a bracket more or less."""
    monkeypatch.setattr(documents, "_PIECE", size)
    path = tmp_path / "document"
    for place in range(len(LINES)):
        for content in (LINES[:place] + LINES[place + 1 :], LINES[:place] + LINES[place : place + 1] + LINES[place:]):
            path.write_bytes(content)
            assert is_document(path) == is_json(content), content


@pytest.mark.parametrize("size", [1, 7, 30, 1000])
def test_a_document_of_lines_is_not_mapped(tmp_path, monkeypatch, size):
    """Mapped pages count as a process's memory, and there would be as many as the largest document has."""
    monkeypatch.setattr(documents, "_PIECE", size)
    monkeypatch.setattr(mmap, "mmap", None)
    (tmp_path / "document").write_bytes(LINES.replace(b"[[],[\n3]]", b"[[],[3]]"))
    documents.check_json(tmp_path / "document")


def test_tables_are_decoded_by_turns(tmp_path, monkeypatch):
    """However many are read back side by side, so that memory does not grow with their number."""
    monkeypatch.setattr(decoding, "_TURNS", Turns(2))
    parquet.write_table(pa.table({"data_row_id": ["a", "b"]}), tmp_path / "table")
    inside, most = set(), []

    def look(_table, batch):
        inside.add(id(batch))
        most.append(len(inside))
        time.sleep(0.001)
        inside.remove(id(batch))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: decoding.decode_file(tmp_path / "table", "t.parquet", look), range(40)))
    assert len(most) == 40
    assert max(most) <= 2


def test_rows_with_images_are_read_a_few_at_a_time(tmp_path):
    """Whatever their number: a batch of a thousand would have the images of a whole shard."""
    path = tmp_path / "shard.parquet"
    image = pa.array([random.Random(number).randbytes(1 << 20) for number in range(40)])  # noqa: S311 - bytes
    parquet.write_table(pa.table({"image": image}), path, row_group_size=20)
    counts = [len(batch) for batch in parquet_files.batches(path, "formats/huggingface/data/train.parquet")]
    assert sum(counts) == 40
    assert max(counts) <= 8


def test_large_files_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    """Each has groups of images, which take several times their bytes while they are read."""
    monkeypatch.setattr(decoding, "LARGE", 1)
    at_once, most = [0], [0]

    def counted(*_):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.02)
        at_once[0] -= 1

    monkeypatch.setattr(decoding, "_counted", counted)
    path = tmp_path / "shard.parquet"
    path.write_bytes(b"PAR1")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: decoding.decode_file(path, "formats/a.parquet"), range(6)))
    assert most == [1]
