"""Export tasks: started by a mutation, polled, then read in chunks from a file that is written once per task."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Literal

from deploy.sandbox.oddities.oddities import with_oddities
from deploy.sandbox.project.identifiers import THIS_TASK, cuid
from deploy.sandbox.project.lines import catalog_line, model_run_line, partners_line, project_line
from deploy.sandbox.server.workspace import Workspace, matches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from deploy.sandbox.project.rows import Project, Row

Stream = Literal["RESULT", "ERRORS"]
Outcome = Literal["COMPLETE", "FAILED", "CANCELED"]

S3_TIME = "%Y%m%dT%H%M%SZ"
_POLL_SECONDS = 1.0
_CONTINUATION = 0b1000_0000  # the two high bits of every byte of a UTF-8 character but its first
MOST_LABEL_SOURCES = 30
_LINES_KEPT = 1 << 14  # about 3 kB each


@dataclass(slots=True)
class ExportSettings:
    """How the service behaves; may be changed between two exports.

    ``cut`` is where a chunk ends: after a line's end, at exactly ``chunk_bytes``, or inside a character of several
    bytes where the chunk has one. ``odd_lines`` names lines of ``oddities.ODDITIES``; ``polls`` is how many status
    queries answer IN_PROGRESS first; ``spaced`` writes JSON with blanks after separators. What the header of a stream
    says may be wrong: ``unsent_lines`` and ``unsent_errors`` are announced beside those of RESULT and of ERRORS,
    ``short_size`` leaves the last chunk out of the size, and with ``no_header`` RESULT has none, with ``no_header_for``
    in those exports alone whose filters have this text: an id of a list, or a moment. With ``image_seconds`` pictures
    are had by URLs alone that an export signs for so many seconds; with ``no_validators`` they come without ETag and
    Last-Modified.
    """

    polls: int = 0
    outcome: Outcome = "COMPLETE"
    chunk_bytes: int = 1 << 20
    cut: Literal["line", "byte", "character"] = "line"
    odd_lines: tuple[str, ...] = ()
    error_lines: int = 0
    unsent_lines: int = 0
    unsent_errors: int = 0
    short_size: bool = False
    no_header: bool = False
    no_header_for: str = ""
    spaced: bool = False
    image_seconds: int | None = None
    no_validators: bool = False


@dataclass(slots=True)
class ExportTask:
    """One export. ``progress`` is the share of its lines that are written; ``asked`` its filters as JSON."""

    id: str
    name: str
    files: dict[Stream, Path]
    polls_left: int
    outcome: Outcome
    sizes: dict[Stream, tuple[int, int]] = field(default_factory=dict)
    line_at: dict[tuple[Stream, int], int] = field(default_factory=dict)
    progress: float = 0.0
    failure: str | None = None
    writer: Thread | None = None
    asked: str = ""
    cancelled: bool = False
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def poll(self) -> tuple[str, int]:
        """Status and completion percentage as one status query sees them; it waits a moment for a small export."""
        if self.polls_left <= 0 and self.writer is not None:
            self.writer.join(_POLL_SECONDS)
        if self.failure is not None:
            return "FAILED", 0
        if self.cancelled:
            return self.outcome, 0
        if self.polls_left > 0 or len(self.sizes) < len(self.files):
            self.polls_left -= 1
            return "IN_PROGRESS", min(99, round(100 * self.progress))
        return self.outcome, 100

    def cancel(self) -> bool:
        """End the task while it is in progress; gives whether it was."""
        if not self.running:
            return False
        self.outcome, self.polls_left, self.cancelled = "CANCELED", 0, True
        return True

    @property
    def running(self) -> bool:
        """Whether the task takes one of the places of its project."""
        written = len(self.sizes) == len(self.files)
        return not self.cancelled and self.failure is None and (self.polls_left > 0 or not written)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A slice of a stream: byte and line ranges, both inclusive."""

    start: int
    end: int
    first_line: int
    last_line: int


@dataclass(frozen=True, slots=True)
class View:
    """What an export shows of a row: a project's labels, a model run's, or those of several.

    ``partner`` is which further project it is of, from 1 (0: the first one).
    """

    kind: Literal["project", "model_run", "slice", "catalog"]
    partner: int = 0
    projects: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    def has(self, row: Row) -> bool:
        """Whether a row is in what is exported."""
        if self.kind == "slice":
            return row.in_slice
        if self.kind == "model_run":
            return row.in_model_run
        return self.kind == "catalog" or not self.partner or row.partners_label(self.partner) is not None

    def line(self, row: Row, params: dict[str, bool]) -> dict[str, Any]:
        """The row as one line."""
        if self.kind in {"slice", "catalog"}:
            return catalog_line(row, params, THIS_TASK, self.projects, self.runs)
        if self.kind == "model_run":
            return model_run_line(row, params, THIS_TASK)
        return (
            partners_line(row, params, THIS_TASK, self.partner)
            if self.partner
            else project_line(row, params, THIS_TASK)
        )


def view_of(project: Project, filters: dict[str, Any], params: dict[str, Any]) -> View:
    """What an export with these filters and params shows. ``LookupError`` where more is asked than Labelbox gives."""
    projects, runs = (tuple(params.get(name) or ()) for name in ("projectIds", "modelRunIds"))
    if max(len(projects), len(runs)) > MOST_LABEL_SOURCES:
        raise LookupError(f"more than {MOST_LABEL_SOURCES} projects or model runs")
    if "modelRunId" in filters:
        return View("model_run")
    if "projectIds" in params:
        return View("slice" if "sliceId" in filters else "catalog", projects=projects, runs=runs)
    return View("project", (project.id, *project.partners).index(filters.get("projectId", project.id)))


class Exports:
    """The export tasks of one sandbox."""

    def __init__(self, workspace: Workspace, settings: ExportSettings, directory: Path) -> None:
        self._workspace = workspace
        self.settings = settings
        self._directory = directory
        self._signing_key = secrets.token_bytes(16)
        self._tasks: dict[str, ExportTask] = {}
        self._lock = Lock()
        self.most_running = 0
        """The most that were in progress at a time."""

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._tasks

    def get(self, task_id: str) -> ExportTask:
        """The task; ``LookupError`` for one that was never started here."""
        return self._tasks[task_id]

    def named(self, name: str) -> list[ExportTask]:
        """The tasks that were started under a name."""
        return [task for task in self._tasks.values() if task.name == name]

    def running(self) -> list[str]:
        """The ids of the tasks in progress, oldest first."""
        return [task.id for task in self._tasks.values() if task.running]

    def start(self, filters: dict[str, Any], params: dict[str, Any], name: str = "") -> ExportTask:
        """A new task; a thread writes its lines as the rows are now."""
        task_id = cuid(secrets.randbits(64), "task")
        files: dict[Stream, Path] = {
            stream: self._directory / f"{task_id}-{stream}.ndjson" for stream in ("RESULT", "ERRORS")
        }
        task = ExportTask(task_id, name, files, self.settings.polls, self.settings.outcome, asked=json.dumps(filters))
        task.writer = Thread(target=self._write, args=(task, filters, params), daemon=True)
        with self._lock:
            self._tasks[task_id] = task
            self.most_running = max(self.most_running, len(self.running()))
        task.writer.start()
        return task

    def close(self) -> None:
        """Waits for unfinished writers."""
        for task in self._tasks.values():
            if task.writer is not None:
                task.writer.join()

    def _write(self, task: ExportTask, filters: dict[str, Any], params: dict[str, Any]) -> None:
        settings = self.settings
        errors = (
            json.dumps({"message": "Data row could not be exported", "code": "SANDBOX", "number": n})
            for n in range(settings.error_lines)
        )
        try:
            task.sizes["ERRORS"] = _write_lines(task.files["ERRORS"], errors)
            task.sizes["RESULT"] = _write_lines(task.files["RESULT"], self._lines(task, filters, params))
        except (ValueError, LookupError) as error:
            task.failure = str(error)

    def _lines(self, task: ExportTask, filters: dict[str, Any], params: dict[str, Any]) -> Iterator[str]:
        terms = filters.get("searchQuery", {}).get("query", [])
        workspace = self._workspace.snapshot()
        view = view_of(workspace.project, filters, params)
        asked = ((name, told) for name, told in params.items() if isinstance(told, bool))
        wanted, spaced, seconds = frozenset(asked), self.settings.spaced, self.settings.image_seconds

        def chosen() -> Iterator[Row]:
            rows = (row for row in workspace.existing() if view.has(row))
            return (row for row in rows if all(matches(row, term) for term in terms))

        total = sum(1 for _ in chosen())

        def written() -> Iterator[str]:
            for number, row in enumerate(chosen()):
                task.progress = number / total
                line = zlib.decompress(_packed_line(row, wanted, view=view, spaced=spaced)).decode()
                if seconds is not None:
                    line = line.replace(f'{row.image_path}"', f'{self.signed(row.image_path, seconds)}"', 1)
                yield line

        lines = with_oddities(written(), total, self.settings.odd_lines)
        return (line.replace(THIS_TASK, task.id) for line in lines)

    def header(self, task: ExportTask, stream: Stream) -> tuple[int, int] | None:
        """Size in bytes and number of lines as they are announced; None for an empty stream."""
        settings = self.settings
        size, lines = task.sizes[stream]
        unheard = settings.no_header or (settings.no_header_for and settings.no_header_for in task.asked)
        if not size or (stream == "RESULT" and unheard):
            return None
        if stream == "RESULT" and settings.short_size:
            size = self._last_chunk(task, stream)
        return size, lines + (settings.unsent_lines if stream == "RESULT" else settings.unsent_errors)

    def _last_chunk(self, task: ExportTask, stream: Stream) -> int:
        """Where the last chunk of a stream begins."""
        begins, offset = 0, 0
        while (chunk := self.chunk(task, stream, offset)) is not None:
            begins, offset = chunk.start, chunk.end + 1
        return begins

    def chunk(self, task: ExportTask, stream: Stream, offset: int) -> Chunk | None:
        """The chunk that begins at ``offset``; None past the end."""
        size, _ = task.sizes[stream]
        if not 0 <= offset < size:
            return None
        with task.files[stream].open("rb") as file:
            file.seek(offset)
            content = file.read(max(1, self.settings.chunk_bytes))
            if self.settings.cut == "line" and not content.endswith(b"\n"):
                content = content[: content.rfind(b"\n") + 1] or content + file.readline()
        if self.settings.cut == "character" and offset + len(content) < size:
            content = _cut_in_character(content)
        first = self._line_at(task, stream, offset)
        end = offset + len(content)
        task.line_at[stream, end] = first + content.count(b"\n")
        return Chunk(offset, end - 1, first, first + content[:-1].count(b"\n"))

    def _line_at(self, task: ExportTask, stream: Stream, offset: int) -> int:
        if offset and (stream, offset) not in task.line_at:
            with task.files[stream].open("rb") as file:
                task.line_at[stream, offset] = file.read(offset).count(b"\n")
        return task.line_at.get((stream, offset), 0)

    def signature(self, path: str) -> str:
        """What makes a URL a signed one."""
        return hmac.new(self._signing_key, path.encode(), hashlib.sha256).hexdigest()

    def signed(self, path: str, seconds: int) -> str:
        """A path that leads to its picture for so long from now, signed as S3's are."""
        query = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={datetime.now(UTC):{S3_TIME}}&X-Amz-Expires={seconds}"
        return f"{path}?{query}&X-Amz-Signature={self.signature(f'{path}?{query}')}"


@lru_cache(_LINES_KEPT)
def _packed_line(row: Row, params: frozenset[tuple[str, bool]], *, view: View, spaced: bool) -> bytes:
    """The row's line under any task, compressed: the next export of a row as it was costs no drawing of its scene."""
    line = view.line(row, dict(params))
    separators = (", ", ": ") if spaced else (",", ":")
    return zlib.compress(json.dumps(line, ensure_ascii=False, separators=separators).encode(), 1)


def _write_lines(path: Path, lines: Iterator[str]) -> tuple[int, int]:
    """Size in bytes and number of lines."""
    count = 0
    with path.open("wb") as file:
        for line in lines:
            file.write(line.encode() + b"\n")
            count += 1
        return file.tell(), count


def _cut_in_character(content: bytes) -> bytes:
    """The content up to the middle of its last character of several bytes, whole where it has none."""
    for end in range(len(content) - 1, 0, -1):
        if content[end] & 0b1100_0000 == _CONTINUATION:
            return content[:end]
    return content
