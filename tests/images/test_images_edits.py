"""Edits of a file: what they make of it, and how much of it they read and write."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.images import files
from tasks.images.containers import container_of
from tasks.images.files import Edit, edit
from tasks.images.orientation import take_out
from tests.images.image_samples import after_pixels, chunk, encoded


class Counting(io.BytesIO):
    """A file that counts the bytes that are read from it and written to it."""

    moved = 0

    def read(self, size=-1, /):
        """Read, and count."""
        content = super().read(size)
        self.moved += len(content)
        return content

    def write(self, content, /):
        """Write, and count."""
        self.moved += len(content)
        return super().write(content)


def apart(cuts, contents):
    """Edits that lie apart, between each two of an ascending, even number of places."""
    pairs = zip(cuts[0::2], cuts[1::2], strict=True)
    return [Edit(start, end, content) for (start, end), content in zip(pairs, contents, strict=False)]


@given(
    st.lists(st.integers(0, 60), min_size=2, max_size=12, unique=True).map(lambda cuts: sorted(cuts)[len(cuts) % 2 :]),
    st.lists(st.binary(max_size=9), min_size=6, max_size=6),
    st.integers(1, 20),
)
def test_edits_make_what_slices_make(cuts, contents, block):
    """Whether a part of the file moves to its beginning or to its end, and in blocks of whatever size."""
    body = random.Random(0).randbytes(64)  # noqa: S311
    edits = apart(cuts, contents)
    expected = bytearray(body)
    for start, end, content in reversed(edits):
        expected[start:end] = content
    file = io.BytesIO(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "BLOCK", block)
        edit(file, edits[::-1])
    assert file.getvalue() == bytes(expected)


def test_many_damaged_chunks_are_taken_out_in_one_pass():
    """A hundred of them before a megabyte: the megabyte is moved once."""
    picture = encoded("PNG")
    body = picture[:33] + chunk(b"eXIf", b"x") * 100 + after_pixels(picture, chunk(b"zzZz", bytes(1 << 20)))[33:]
    file = Counting(body)
    take_out(file, container_of(file))
    assert file.getvalue() == after_pixels(picture, chunk(b"zzZz", bytes(1 << 20)))
    assert file.moved < 3 * len(body)
