"""Which rows are called by their keys: unique, safe and stable, whatever the keys and whoever comes and goes."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.buckets import claims as module
from labelsnap.buckets.claims import Claims
from labelsnap.buckets.grouping import bucket_of
from labelsnap.buckets.spool import Said, read_spool, spool, without_claims
from labelsnap.records.choices.names import Naming, key_name, known_by
from labelsnap.records.model import DataRow, MediaAttributes, Source
from labelsnap.records.parsing.identity import row_keys
from labelsnap.records.parsing.parse import parse
from labelsnap.snapshots.paths import check_tree

BUCKETS = 4


def version(rows, before, directory):
    """Name rows (id, key) in this order of their lines, where those ``before`` stand."""
    claims = Claims(directory, len(rows))
    claimed = {number: claims.of(number, row, key) for number, (row, key) in enumerate(rows, start=1)}

    def names(buckets):
        for bucket in buckets:
            yield {row: name for row, name in before.items() if bucket_of(row.encode(), BUCKETS) == bucket}

    lost = {number for _, numbers in claims.lost(BUCKETS, names) for number in numbers}
    found = {}
    for number, (row, key) in enumerate(rows, start=1):
        naming = Naming("" if number in lost else claimed[number], before.get(row, ""))
        found[row] = key_name(DataRow(row, key or None, None, "u", None, MediaAttributes()), "image/jpeg", naming)
    return found


def one(rows, before=None):
    """The same in a directory of its own."""
    with TemporaryDirectory() as directory:
        return version(rows, before or {}, Path(directory))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("1", "a.jpg"), ("2", "a.png")], {"1": "a.jpg", "2": "a--2.jpg"}),
        ([("2", "a.jpg"), ("1", "a.png")], {"1": "a.jpg", "2": "a--2.jpg"}),
        ([("1", "Street.JPG"), ("2", "STREET.jpeg")], {"1": "Street.JPG", "2": "STREET--2.jpeg"}),
        ([("1", "gro\u0308\u00dfe"), ("2", "GR\u00d6SSE")], {"1": "gr\u00f6\u00dfe.jpg", "2": "GR\u00d6SSE--2.jpg"}),
        ([("1", "a.v1.jpg"), ("2", "a_v1.jpg")], {"1": "a.v1.jpg", "2": "a_v1--2.jpg"}),
        ([("1", "a"), ("2", "a-1"), ("3", "b-2")], {"1": "a.jpg", "2": "a-1.jpg", "3": "b-2.jpg"}),
        ([("1", "a"), ("2", "a"), ("3", "a--2")], {"1": "a.jpg", "2": "a--2.jpg", "3": "a--2--3.jpg"}),
        ([("1", "dir/a.jpg"), ("2", "dir_a.jpg")], {"1": "dir_a--1.jpg", "2": "dir_a.jpg"}),
        ([("1", ""), ("2", "image")], {"1": "image--1.jpg", "2": "image.jpg"}),
        ([("1", "con"), ("2", "NUL.v2.jpg")], {"1": "con--1.jpg", "2": "NUL_v2--2.jpg"}),
        ([("1", "../x"), ("2", ".env"), ("3", "-rf")], {"1": "x--1.jpg", "2": "env--2.jpg", "3": "rf--3.jpg"}),
        ([("1", "a\u202eb"), ("2", "a\u200bb"), ("3", "a b")], {"1": "ab--1.jpg", "2": "ab--2.jpg", "3": "a_b--3.jpg"}),
        ([("1", "x" * 120), ("2", "x" * 121)], {"1": "x" * 120 + ".jpg", "2": "x" * 60 + "--2.jpg"}),
        ([("1", "\u8857\u9053_001.jpg")], {"1": "\u8857\u9053_001.jpg"}),
    ],
)
def test_names_that_meet_and_names_that_are_not_safe(rows, expected):
    """The lowest id has the name, in whatever order the lines come; others, and unsafe keys, have the id beside."""
    assert one(rows) == one(rows[::-1]) == expected


def test_who_stands_keeps_the_name_and_who_has_an_id_keeps_it():
    """A lower id that comes later has the id beside it; when the first one leaves, nobody else is renamed."""
    first = one([("5", "a.jpg"), ("7", "a.png")])
    assert first == {"5": "a.jpg", "7": "a--7.jpg"}
    second = one([("1", "a"), ("5", "a.jpg"), ("7", "a.png")], first)
    assert second == first | {"1": "a--1.jpg"}
    assert one([("7", "a.png")], second) == {"7": "a--7.jpg"}
    third = one([("1", "a"), ("7", "a.png")], second)
    assert third == {"1": "a--1.jpg", "7": "a--7.jpg"}
    fourth = one([("0", "b"), ("1", "a"), ("3", "a"), ("7", "a.png")], third)
    assert fourth == third | {"0": "b.jpg", "3": "a.jpg"}
    assert one([("0", "a"), ("1", "a"), ("3", "b"), ("7", "a")], fourth) == {
        "0": "a.jpg",
        "1": "a--1.jpg",
        "3": "b.jpg",
        "7": "a--7.jpg",
    }


def test_a_row_that_has_several_lines_has_the_name_of_each_that_no_other_has():
    """It meets no name by itself; what becomes of its lines is told later."""
    with TemporaryDirectory() as directory:
        claims = Claims(Path(directory), 4)
        for number, (row, key) in enumerate([("2", "a"), ("2", "b"), ("2", "a"), ("1", "b")], start=1):
            claims.of(number, row, key)
        lost = {number for _, numbers in claims.lost(1, lambda buckets: ({} for _ in buckets)) for number in numbers}
    assert lost == {2}


ALIKE = (
    "a",
    "A",
    "a.jpg",
    "a.PNG",
    "a--1",
    "a--2",
    "a--2.jpg",
    "a.b",
    "a_b",
    "A.b",
    "\u00e9",
    "e\u0301",
    "\u00c9",
    "a-1",
    "a b",
)
keys = st.one_of(*[st.sampled_from(ALIKE)] * 3, st.text(max_size=6), st.text("aA.-_\u0301\u00df12", max_size=6))


@st.composite
def histories(draw):
    """Rows (id, key) of some versions: most keep their keys, come and go, and their lines have any order."""
    known = dict.fromkeys("0123456", "")
    versions = []
    for _ in range(draw(st.integers(2, 5))):
        there = draw(st.permutations(sorted(draw(st.sets(st.sampled_from(sorted(known)), min_size=1)))))
        renamed = {row for row in there if not versions or draw(st.integers(0, 5)) == 0}
        known |= {row: draw(keys) for row in sorted(renamed)}
        versions.append([(row, known[row]) for row in there])
    return versions


@given(histories())
def test_any_rows_over_any_versions_have_names_that_are_unique_safe_and_stable(versions):
    """No two stems meet on any file system; a row whose key stays is called the same as long as it does not leave.

    The order of lines changes no name. All of it holds where claims lie in files.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BUFFER_BYTES", 100)
        patch.setattr(module, "PART_CLAIMS", 2)
        before, known = {}, {}
        for rows in versions:
            names = one(rows, before)
            assert names == one(rows[::-1], before)
            stems = [PurePosixPath(name).stem for name in names.values()]
            assert len(
                {normalize("NFC", normalize("NFC", stem).casefold()).replace(".", "_") for stem in stems}
            ) == len(rows)
            check_tree(sorted(names.values()))
            assert all(names[row] == before[row] for row, key in rows if row in before and known.get(row) == key)
            before, known = names, dict(rows)


strange = st.one_of(st.none(), st.text(max_size=3), st.integers(0, 9), st.booleans(), st.lists(st.none(), max_size=1))


@given(strange, strange)
def test_keys_are_those_that_the_parser_reads(global_key, external_id):
    """What is claimed is what the row has when it is read, also of lines that are mended."""
    row = {"id": "r", "global_key": global_key, "external_id": external_id, "row_data": "https://images.example/a.jpg"}
    line = json.dumps({"data_row": row, "media_attributes": {"mime_type": "image/jpeg"}, "projects": {}}).encode()
    read = parse(line, Source("project", "p"), number=1)
    if hasattr(read, "data_row"):
        assert known_by(*row_keys(line)) == known_by(read.data_row.global_key, read.data_row.external_id)


def test_claims_travel_with_lines_and_are_taken_back(tmp_path):
    """They stand behind a line's number, beside its split; a line that lost its name has the split still."""
    lines = [json.dumps({"data_row": {"id": str(number)}}).encode() for number in range(3)]

    def say(number, row, _line):
        return Said("val" if number == 2 else "", "" if row == "0" else "ab" * 8)

    (bucket,) = spool(lines, tmp_path, 1, say)
    without_claims(bucket, {2})
    said = {}
    assert list(read_spool([bucket.path.read_bytes()], "lines", said)) == list(enumerate(lines, start=1))
    assert said == {2: Said("val", ""), 3: Said("", "ab" * 8)}
