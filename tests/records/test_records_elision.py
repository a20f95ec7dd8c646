"""What every export writes anew, taken out of its lines and put back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labelsnap.records.lines.elision import elide, restore

TASK = b"cm3task0001"
PIECES = st.sampled_from(
    [
        b"/tasks/", b"/masks/", b"/tasks/cm3task0001/masks/", b"/tasks/\xe2\x80\xa6/masks/", TASK, b"\xe2\x80\xa6",
        b"?\xe2\x80\xa6", b"\xe2", b"\xa6", b"?", b"&", b"Signature=", b"sig=abc", b"?Expires=1&Signature=a%2Fb", b"\\",
        b'"', b" ", b"\n", b"\xff", b"x",
    ]
)  # fmt: skip
LINES = st.lists(PIECES, max_size=12).map(b"".join) | st.binary(max_size=40)
TASKS = st.sampled_from([TASK, b"", "…".encode(), b"a/b", b"masks", b"\xff"])


@given(LINES, TASKS)
def test_restore_gives_back_what_elide_took(line, task):
    """Whatever the bytes and the task's id, a line comes back, and all that was left out of it is taken."""
    text, queries = elide(line, task)
    left = iter(queries)
    assert restore(text, task, left) == line
    assert list(left) == []


def test_the_same_content_of_two_exports_has_one_text():
    """The export task's id and the signature are left out, in JSON that stays JSON; other queries stay."""
    line = '{"row_data":"https://a/b.jpg?%s","url":"https://api/tasks/%s/masks/m1/index/1","other":"https://a?page=2"}'
    one = line % ("Expires=1&KeyName=k&Signature=AbC_-", "first")
    other = line % ("X-Amz-Date=2&X-Amz-Signature=0f", "second")
    expected = line % ("…", "…")
    assert elide(one.encode(), b"first") == (expected.encode(), ["Expires=1&KeyName=k&Signature=AbC_-"])
    assert elide(other.encode(), b"second") == (expected.encode(), ["X-Amz-Date=2&X-Amz-Signature=0f"])
