"""Export tasks without the SDK: chunks, signatures, odd lines, filters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.sandbox import ExportSettings, Sandbox
from deploy.sandbox.oddities.oddities import ODDITIES, with_oddities
from deploy.sandbox.project.lines import project_line
from deploy.sandbox.project.rows import Project, Row
from deploy.sandbox.server.workspace import matches

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with one finished export of three rows."""
    with Sandbox(3) as running:
        running.exports.start({}, {"includeProjectDetails": True}).poll()
        yield running


def _chunks(sandbox: Sandbox) -> list[tuple[int, int, int, int, bytes]]:
    task = sandbox.exports.get(next(iter(sandbox.exports)))
    content = task.files["RESULT"].read_bytes()
    found = []
    offset = 0
    while (chunk := sandbox.exports.chunk(task, "RESULT", offset)) is not None:
        found.append((chunk.start, chunk.end, chunk.first_line, chunk.last_line, content[chunk.start : chunk.end + 1]))
        offset = chunk.end + 1
    assert b"".join(part for *_, part in found) == content
    return found


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(50, 60_000), cut=st.sampled_from(["line", "byte", "character"]))
def test_chunks_cover_the_stream(sandbox: Sandbox, size: int, cut: Literal["line", "byte", "character"]) -> None:
    """Whatever the chunk size and the cut, chunks follow each other without gap and number their lines rightly."""
    sandbox.settings.chunk_bytes, sandbox.settings.cut = size, cut
    chunks = _chunks(sandbox)
    content = b"".join(part for *_, part in chunks)
    for start, end, first, last, part in chunks:
        assert first == content[:start].count(b"\n")
        assert last == content[:end].count(b"\n")
        if cut == "line":
            assert part.endswith(b"\n")
        elif cut == "byte" and end + 1 < len(content):
            assert len(part) == size


def test_chunks_can_end_inside_a_character(sandbox: Sandbox) -> None:
    """Cut in characters, most chunks but the last cannot be decoded alone."""
    sandbox.settings.chunk_bytes, sandbox.settings.cut = 20_000, "character"
    broken = 0
    for *_, part in _chunks(sandbox)[:-1]:
        try:
            part.decode()
        except UnicodeDecodeError:
            broken += 1
    assert broken >= 1


def test_chunk_may_begin_anywhere(sandbox: Sandbox) -> None:
    """A reader that resumes at any offset gets a chunk from there, rightly numbered, and none past the end."""
    sandbox.settings.chunk_bytes, sandbox.settings.cut = 1000, "byte"
    task = sandbox.exports.start({}, {})
    assert task.poll() == ("COMPLETE", 100)
    content = task.files["RESULT"].read_bytes()
    second_line = content.index(b"\n") + 1
    chunk = sandbox.exports.chunk(task, "RESULT", second_line + 5)
    assert chunk is not None
    assert (chunk.start, chunk.end, chunk.first_line) == (second_line + 5, second_line + 1004, 1)
    assert sandbox.exports.chunk(task, "RESULT", len(content)) is None


def test_chunk_url_needs_its_signature(sandbox: Sandbox) -> None:
    """A signed URL gives exactly its bytes, refuses a second credential, and is worth nothing unsigned."""
    task = sandbox.exports.get(next(iter(sandbox.exports)))
    path = f"/files/{task.id}/RESULT/0-99"
    signed = f"{sandbox.url}{path}?signature={sandbox.exports.signature(path)}"
    assert requests.get(signed, timeout=10).content == task.files["RESULT"].read_bytes()[:100]
    assert requests.get(sandbox.url + path, timeout=10).status_code == 403
    assert requests.get(signed, headers={"Authorization": "Bearer x"}, timeout=10).status_code == 400
    assert sandbox.requests.leaks["chunk"] == 1


def test_each_odd_line_is_odd_in_its_own_way() -> None:
    """Every kind of odd line stands once, and only those meant to be are broken JSON, blank or behind a mark."""
    row = json.dumps(project_line(Row(Project(0, "http://127.0.0.1:1"), 1), {}, "task"))
    written = list(with_oddities(iter([row] * 60), 60, list(ODDITIES)))
    odd = [line for line in written if line != row]
    assert len(written) == 60 + len(ODDITIES)
    assert len(odd) == len(ODDITIES) - 1  # the duplicate looks like a row
    assert len(set(odd)) == len(odd)
    assert [line[:1] for line in odd if not _is_json(line)] == ["<", "{", "", " ", "\ufeff"]


def test_unknown_search_terms_fail_the_task() -> None:
    """A term that Labelbox does not have makes the task FAILED instead of being ignored."""
    with Sandbox(1) as sandbox:
        task = sandbox.exports.start({"searchQuery": {"query": [{"type": "favourite", "ids": []}]}}, {})
        assert task.poll() == ("FAILED", 0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"operator": "GREATER_THAN_OR_EQUAL", "timezone": "UTC", "value": "2024-01-01T00:00:00+0000"}, True),
        ({"operator": "LESS_THAN_OR_EQUAL", "timezone": "UTC", "value": "2024-01-01 00:00:00"}, False),
        ({"operator": "BETWEEN", "timezone": "Asia/Tokyo", "value": {"min": "2024-01-01", "max": "2025-01-01"}}, True),
    ],
)
def test_time_terms(sandbox: Sandbox, value: dict[str, Any], expected: bool) -> None:
    """Time terms compare with the row's last activity, naive bounds in the term's zone."""
    assert matches(sandbox.row(0), {"type": "data_row_last_activity_at", "value": value}) is expected


def test_naive_bounds_are_in_the_terms_zone(sandbox: Sandbox) -> None:
    """The same wall-clock bound is nine hours earlier in Tokyo than in UTC."""
    row = sandbox.row(0)
    bound = row.last_activity_at.strftime("%Y-%m-%d %H:%M:%S")
    term = {"operator": "LESS_THAN_OR_EQUAL", "value": bound}
    kind = "data_row_last_activity_at"
    assert matches(row, {"type": kind, "value": {**term, "timezone": "UTC"}})
    assert not matches(row, {"type": kind, "value": {**term, "timezone": "Asia/Tokyo"}})


def test_unknown_operator_is_an_error(sandbox: Sandbox) -> None:
    """An operator outside Labelbox's three is refused."""
    with pytest.raises(ValueError, match="operator"):
        matches(sandbox.row(0), {"type": "labeled_at", "value": {"operator": "NEAR", "value": "2024-01-01"}})


def test_spaced_json_is_the_same_rows() -> None:
    """With spaced separators the lines hold the same values in more bytes."""
    with Sandbox(1, settings=ExportSettings(spaced=True)) as spaced:
        task = spaced.exports.start({}, {})
        assert task.poll() == ("COMPLETE", 100)
        assert b'"data_row": {' in task.files["RESULT"].read_bytes()


def test_each_export_has_the_rows_as_they_are_then() -> None:
    """Of a second export every line is made of the row as it is now, and its masks are under the export's own id."""
    params = {"includeLabelDetails": True}
    with Sandbox(4) as sandbox:
        for change in (lambda: None, lambda: sandbox.edit_row(1), lambda: sandbox.rename_class("car", "automobile")):
            change()
            task = sandbox.exports.start({}, params)
            assert task.poll() == ("COMPLETE", 100)
            lines = [json.loads(line) for line in task.files["RESULT"].read_bytes().splitlines()]
            assert lines == [json.loads(json.dumps(project_line(row, params, task.id))) for row in sandbox.rows()]


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
