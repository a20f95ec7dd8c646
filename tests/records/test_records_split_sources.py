"""What names of splits mean, and lists of ids that name them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.errors import ConfigurationError
from labelsnap.records.choices.split_files import LONGEST_LINE, SplitFileError, read_splits
from labelsnap.records.choices.split_sources import SplitNameError, SplitSource, split_called, split_source
from labelsnap.records.lines.fingerprint import fingerprint, fingerprint_with_split, line_digest, same_content

LINE = '{"data_row":{"id":"r"},"experiments":{"m":{"runs":{"u":{"name":"run",%s"labels":[]}}}}}'


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("model_run", SplitSource("model_run")),
        ("metadata:my: split", SplitSource("metadata", "my: split")),
        ("tag:tag", SplitSource("tag", "tag")),
        ("file:a/b.csv", SplitSource("file", "a/b.csv")),
    ],
)
def test_sources_are_told_by_their_kind_and_name(text, source):
    """What follows the first colon is the name, colons included."""
    assert split_source(text) == source


@pytest.mark.parametrize("text", ["", "model-run", "metadata", "metadata:", "file:", "Model_run", "metdata:split"])
def test_what_names_no_source_is_refused(text):
    """With what would."""
    with pytest.raises(ConfigurationError, match="metadata:NAME") as refused:
        split_source(text)
    assert refused.value.code == "unknown_split_source"


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *((name, "train") for name in ("train", "training", "TRAINING", " Train ")),
        *((name, "val") for name in ("val", "valid", "validation", "VALIDATION")),
        *((name, "test") for name in ("test", "testing", "TEST")),
        *((name, None) for name in ("", "  ", "UNASSIGNED", "pilot")),
        ("Hold-Out", "test"),
        ("dev", "train"),
    ],
)
def test_names_of_splits(name, split):
    """Labelbox's and the usual ones in any case; and those that a dataset file says, which come first."""
    assert split_called(name, {"hold-out": "test", "pilot": None, "dev": "train"}) == split


@pytest.mark.parametrize("name", ["holdout", "trainn", "1"])
def test_another_name_is_no_split(name):
    """It is never taken for none."""
    with pytest.raises(SplitNameError) as refused:
        split_called(name, {})
    assert refused.value.code == "unknown_split"


IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\x00"), min_size=1, max_size=20).map(
    str.strip
)


@given(st.dictionaries(IDS.filter(bool), st.sampled_from(["train", "val", "test"]), max_size=40), st.text(max_size=5))
def test_a_list_gives_each_id_its_split_and_no_other_id_any(listed, other):
    """Whatever ids are made of, as Python's own csv writes them; also when a line of an export asks for one."""
    written = io.StringIO()
    csv.writer(written).writerows([("external_id", "split"), *listed.items()])
    table = read_splits(written.getvalue().encode().splitlines(keepends=True), {})
    assert {key: table.split_of(key) for key in listed} == listed
    assert table.split_of(other) == listed.get(other, "")
    for key, split in listed.items():
        assert table.of_line(json.dumps({"data_row": {"id": "r", "external_id": key}}).encode()) == split
        assert table.of_line(json.dumps({"data_row": {"id": key, "global_key": key}}).encode()) == ""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("data_row_id", b'\xef\xbb\xbf{"data_row": {"id": "7"}}'),
        ("data_row_id", b'{"data_row": {"id": 7, "external_id": 8}}'),
        ("data_row_id", b'{"data_row": {"id": "7", "external_id": 8}}'),
        ("data_row_id", b'{"data_row": {"id": "7"}, "media": NaN}'),
        ("data_row_id", b'{"data_row": {"id": "7"}, "name": "\\ud83d"}'),
        ("global_key", b'{"data_row": {"id": 1, "global_key": 7}}'),
        ("global_key", b'{"data_row": {"id": "1", "global_key": " 7 "}, "name": "\\ud83d"}'),
        ("external_id", b'\xef\xbb\xbf{"data_row": {"external_id": "7", "global_key": 3}}'),
    ],
)
def test_a_line_that_is_not_quite_as_it_should_be_has_its_split(key, line):
    """A list is obeyed for every row that can be published: an id is read as the parser reads it."""
    assert read_splits([f"{key},split\n".encode(), b"7,test\n"], {}).of_line(line) == "test"


@pytest.mark.parametrize("line", [b"", b"null", b"[1]", b'{"data_row": 3}', b'{"data_row": {"id": 3}}', b"\xff"])
def test_a_line_that_cannot_be_read_has_no_split_by_a_list(line):
    """What becomes of it is said where it is parsed."""
    assert read_splits([b"data_row_id,split\n", b"r,test\n"], {}).of_line(line) == ""


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "line 1 is expected to name one of data_row_id, global_key, external_id, and split, once, found 0"),
        ([b"id,split\n"], "line 1 is expected"),
        ([b"data_row_id,global_key,split\n"], "line 1 is expected"),
        ([b"data_row_id,split,split\n"], "line 1 is expected"),
        ([b"\xef\xbb\xbfdata_row_id,split\n", b"r\n"], "line 2 has 1 columns, and 2 are needed"),
        ([b"data_row_id,split\n", b"\n", b" ,test\n"], "line 3 has no id"),
        ([b"data_row_id,split\n", b"r,holdout\n"], "line 2: Expected one of train, val, .*, found another name"),
        ([b"data_row_id,split\n", b"r,test\n", b"\xff,test\n"], "line 3 is not UTF-8 text"),
        ([b"data_row_id,split\n", b'"r"x,test\n'], "line 2 is no CSV"),
        ([b"data_row_id,split\n", b"x" * (LONGEST_LINE + 1)], "line 2 is longer than 16,384 bytes"),
        (
            [b"data_row_id,split\n", b"r,test\n", b"s,val\n", b"r,testing\n", b"r,val\n"],
            "line 5 has the id of line 4, and another split",
        ),
    ],
)
def test_a_line_that_cannot_be_used_is_named_by_its_number(lines, said):
    """From 1, the line of names and blank lines included."""
    with pytest.raises(SplitFileError, match=said):
        read_splits(lines, {})


def test_an_id_may_stand_twice_with_one_split():
    """And a row whose split is empty has none."""
    table = read_splits([b"split,data_row_id\n", b"test,r\n", b"Test,r\n", b",s\n"], {})
    assert (table.split_of("r"), table.split_of("s"), len(table)) == ("test", "", 3)


def test_another_split_in_the_line_is_another_fingerprint_and_no_other_content():
    """Where splits are taken from the run; also from and to a row that has none, or was made before that was asked."""
    lines = [(LINE % split).encode() for split in ('"split":"training",', '"split": "test", ', '"split":null,', "")]
    marks = [fingerprint_with_split(line, in_run=True) for line in lines]
    assert len(set(marks)) == len(lines)
    assert all(same_content(one, other) for one in marks for other in marks)
    assert [line_digest(mark) for mark in marks] == [fingerprint(line) for line in lines]
    assert all(same_content(mark, fingerprint(line)) for mark, line in zip(marks, lines, strict=True))
    other = fingerprint_with_split((LINE % '"split":"training",').replace("run", "another").encode(), in_run=True)
    assert not any(same_content(other, mark) for mark in marks)


def test_a_text_that_looks_like_a_split_is_content():
    """Quotes are escaped in text, so that it is none."""
    one, other = (json.dumps({"a": f'"split":"{word}"'}).encode() for word in ("train", "test"))
    marks = [fingerprint_with_split(line, in_run=True) for line in (one, other)]
    assert not same_content(*marks)


def test_what_a_list_says_is_another_fingerprint_of_one_line():
    """The line's own digest is the same, so that nothing but the split has changed."""
    line = (LINE % "").encode()
    marks = [fingerprint_with_split(line, in_run=False, named=named) for named in ("", "train", "test")]
    assert len(set(marks)) == len(marks)
    assert {line_digest(mark) for mark in marks} == {fingerprint(line)}
    assert all(same_content(one, other) for one in marks for other in marks)
    assert not same_content("", "")
