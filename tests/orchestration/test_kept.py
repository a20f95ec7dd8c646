"""The lines of an earlier export, passed on without some of them."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from labelsnap.storage.lines import lines
from tasks.raw.passing import Remaining

TEXTS = st.lists(st.sampled_from([b"", b"a", b"b", b"row"]), max_size=8).map(b"\n".join)


@given(st.data(), st.lists(TEXTS, max_size=4))
def test_lines_are_left_out_by_number_wherever_chunks_end(data, streams):
    """Numbers run over all streams, whose last lines may lack a break; a chunk that has none of them is the same."""
    numbered = [line for stream in streams for line in stream.splitlines(keepends=True)]
    left_out = data.draw(st.frozensets(st.integers(1, len(numbered) + 1)))
    remaining, written = Remaining(left_out), b""
    for stream in streams:
        ends = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=3)))
        for start, end in zip([0, *ends], [*ends, len(stream)], strict=True):
            target = io.BytesIO()
            is_same = remaining.write(lines([stream[start:end]]), target)
            assert not is_same or target.getvalue() == stream[start:end]
            written += target.getvalue()
        remaining.end_stream()
    assert written == b"".join(line for number, line in enumerate(numbered, start=1) if number not in left_out)
