"""Bytes of a stream into lines."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from labelsnap.labelbox.stream import split_lines


@given(st.text(st.characters(codec="utf-8")), st.lists(st.integers(0, 400), max_size=8))
def test_lines_do_not_depend_on_where_chunks_end(text, cuts):
    """Cut anywhere, even inside a character, the lines are those of the whole text."""
    whole = text.encode()
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    blocks = [whole[start:end] for start, end in pairwise(places)]
    expected = whole.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert list(split_lines(blocks)) == expected


def test_a_last_line_without_a_break_counts():
    """The end of the stream ends a line."""
    assert list(split_lines([b"one\ntw", b"o"])) == [b"one", b"two"]
