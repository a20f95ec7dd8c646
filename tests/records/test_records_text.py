"""Lines whose text is not quite Unicode, or not quite JSON: read, and what was replaced in them is counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from records_lines import P1, as_line, box, label, refused, row

from labelsnap.records.lines.text import is_blank
from labelsnap.records.model import Row
from labelsnap.records.parsing.identity import row_id
from labelsnap.records.parsing.parse import parse

BOM = b"\xef\xbb\xbf"


def named(literal: Any) -> Any:
    """The line of a row whose one object has a name in this JSON spelling, without the quotes around it."""
    return as_line(row(label(box(name="NAME")))).replace(b"NAME", literal)


def read(literal: Any) -> Any:
    """The name that is read of this spelling, and how much of the line was replaced."""
    found = parse(named(literal), P1, number=1)
    assert isinstance(found, Row), found
    assert row_id(named(literal)) == "row1"
    return found.entry.labels[0].annotations[0].name, found.text_replaced


@pytest.mark.parametrize(
    ("literal", "expected", "replaced"),
    [
        (rb"a\ud83d", "a\ufffd", 1),
        (rb"\ude00a", "\ufffda", 1),
        (rb"\ud83d\n\uDE00", "\ufffd\n\ufffd", 2),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600", 1),
        (rb"\uD83D\uDE00", "\U0001f600", 0),
        (rb"\\ud83d", r"\ud83d", 0),
        (rb"\\\ud83d", "\\\ufffd", 1),
        (rb"\\\\ud83d\ufffd", "\\\\ud83d\ufffd", 0),
        (b"a\xff", "a\ufffd", 1),
        (b"caf\xe9 \xef\xbf\xbd", "caf\ufffd \ufffd", 1),
        (b"tab\there\x00", "tab\there\x00", 0),
    ],
)
def test_text_that_is_not_quite_unicode(literal: Any, expected: Any, replaced: Any) -> None:
    """Half a character is U+FFFD and counted; pairs, and backslashes that are escaped themselves, stay."""
    assert read(literal) == (expected, replaced)


@given(
    st.text(st.sampled_from("\ud83d\ud83c\ude00\udfff\ufffdu") | st.characters(exclude_categories=["Cc"]), min_size=1)
)
@example("\ud83d\ud83d\ude00\ude00")
def test_any_text_with_halves(text: Any) -> None:
    """Any text, surrogates included, is read as Python's UTF-16 codec reads it."""
    expected = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    name, replaced = read(json.dumps(text)[1:-1].encode())
    assert name == expected
    assert replaced == expected.count("\ufffd") - text.count("\ufffd")


@given(st.binary(min_size=1).filter(lambda body: not set(body) & {*b'"\\\n'}))
@example(b"\xed\xa0\xbd\xf0\x9f")
def test_any_bytes_in_a_text(body: Any) -> None:
    """Any bytes are read as Python's UTF-8 codec reads them."""
    expected = body.decode("utf-8", "replace")
    assert read(b"a" + body) == ("a" + expected, expected.count("\ufffd") - body.count("\ufffd".encode()))


def test_the_line_stays_as_it_came() -> None:
    """The fingerprint is that of the line's own bytes: another half is another content."""
    one, other = (parse(named(half), P1, number=1) for half in (rb"\ud83d", rb"\ud83e"))
    assert isinstance(one, Row)
    assert isinstance(other, Row)
    assert one.fingerprint != other.fingerprint
    assert replace(one, fingerprint=other.fingerprint) == other


def test_bad_text_that_nothing_reads() -> None:
    """Half a character in a key that nobody knows costs nothing, and neither does one in a key."""
    line = as_line(row(label(box())) | {"new": "HERE"})
    for changed in (
        line.replace(b"HERE", rb"\ud83d"),
        line.replace(b'"new"', b'"\xff"'),
        line.replace(b"new", rb"\udead"),
    ):
        assert isinstance(parse(changed, P1, number=1), Row)


@pytest.mark.parametrize("before", [b"", BOM], ids=["plain", "mark"])
@pytest.mark.parametrize("after", [b"", b"\r", b" \t"], ids=["", "CR", "blanks"])
def test_a_mark_before_a_line_and_blanks_after_it(before: Any, after: Any) -> None:
    """A byte order mark and what is left of CRLF belong to no value."""
    line = as_line(row(label(box())))
    found: Any = parse(before + line + after, P1, number=1)
    assert replace(found, fingerprint="") == replace(parse(line, P1, number=1), fingerprint="")  # type: ignore[type-var]
    assert row_id(before + line + after) == "row1"


@pytest.mark.parametrize("line", [b"", b"\r", b" \t ", BOM, BOM + b"\r", BOM + BOM], ids=repr)
def test_blank_lines(line: Any) -> None:
    """White space and byte order marks are nothing."""
    assert is_blank(line)


@pytest.mark.parametrize("line", [b"{}", b" x", b"\xef\xbb", b"\x00"], ids=repr)
def test_lines_that_are_not_blank(line: Any) -> None:
    """Anything else is a line."""
    assert not is_blank(line)


WHOLE = as_line(row(label(box())))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (WHOLE[:-40], "row1"),
        (WHOLE + b",", "row1"),
        (BOM + WHOLE.replace(b"row1", rb"r\u00e9\ud83d")[:-1], "ré\ufffd"),
        (b'{"data_row": {"global_key": "id", "id" : 17, "x', "17"),
        (b'{"x": 1, "data_row":{"global_key":"\\"id\\":\\"no\\"","id":"yes"', "yes"),
        (b'{"data_row":{"id":17', None),
        (b'{"data_row":{"id":"r', None),
        (b'{"data_row":{"details":{"id":"no"},"id":"yes"', None),
        (b'{"data_row":{},"id":"no"', None),
        (b'{"data_row":{"id":NaN}}', None),
        (b'{"data_row":{"id":true}}', None),
        (rb'{"data_row":{"id":"\x","n', None),
        (rb'{"data_row":{"id":"\u12","n', None),
        (b'{"data_row":{"id":[1]}}', None),
    ],
)
def test_refused_lines_give_their_row_id(line: Any, expected: Any) -> None:
    """A line that is damaged gives the id that can be told of it, and no other text that looks like one."""
    assert row_id(line) == expected
    assert refused(line).data_row_id == expected
