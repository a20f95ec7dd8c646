"""An export task at Labelbox: started, waited for, and asked for its totals.

The SDK's own wait returns alike for done, failed, cancelled and timed out, so the status is looked at here after each
poll.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from labelbox import ExportTask, StreamType

from tasks.errors import LabelboxAnswerError, LabelboxRefusedError
from tasks.labelbox.client import SourceKind, asked, spoken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from labelbox import Client

LIST_LIMIT: Final = 2000
"""How many ids Labelbox takes in one filter."""
FIRST_PAUSE: Final = 0.25
"""Seconds between the first two polls of a task."""

Stream = Literal["RESULT", "ERRORS"]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """One export to start: the params by the SDK's names; filters without those that are not set."""

    kind: SourceKind
    source_id: str
    params: Mapping[str, bool]
    filters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Totals:
    """What a finished stream holds: bytes and lines. Both are 0 for a stream that does not exist."""

    size: int
    lines: int


def split_lists(request: ExportRequest) -> Iterator[ExportRequest]:
    """Requests that ask for the same rows with no list of ids longer than Labelbox takes.

    Labelbox joins filters by AND, so the others are repeated beside each part of a long list; two long lists give each
    pair of parts.
    """
    for name in ("global_keys", "data_row_ids", "batch_ids"):
        ids: Sequence[str] = request.filters.get(name, ())
        if len(ids) > LIST_LIMIT:
            for start in range(0, len(ids), LIST_LIMIT):
                part = {**request.filters, name: list(ids[start : start + LIST_LIMIT])}
                yield from split_lists(replace(request, filters=part))
            return
    yield request


def start(client: Client, request: ExportRequest, *, name: str) -> str:
    """Start the export and return its task's id."""
    params: Any = dict(request.params)
    filters: Any = dict(request.filters)

    def started() -> ExportTask:
        if request.kind == "model_run":
            return client.get_model_run(request.source_id).export(name, params)
        return client.get_project(request.source_id).export(name, filters, params)

    return str(asked(spoken(request.kind, request.source_id), started).uid)


def wait(
    client: Client,
    task_id: str,
    *,
    timeout: float,
    poll_interval: float,
    on_progress: Callable[[int], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> datetime | None:
    """Return when the task is complete: the moment it was created, by Labelbox's clock, where that is told.

    Its percentage is reported after each poll.

    The pauses between two polls grow from ``FIRST_PAUSE`` to ``poll_interval`` seconds: a small export is soon done.
    Raises ``LabelboxRefusedError`` for a failed or cancelled task and when ``timeout`` seconds pass first, and
    ``LabelboxAnswerError`` for a status that the protocol does not have.
    """
    deadline = time.monotonic() + timeout
    pause = min(FIRST_PAUSE, poll_interval)
    while True:
        task = asked(f"export task {task_id}", lambda: ExportTask.get_task(client, task_id))
        match task.status:
            case "COMPLETE":
                on_progress(100)
                return created if isinstance(created := task.created_at, datetime) else None
            case "IN_PROGRESS":
                on_progress(int(task.completion_percentage or 0))
            case "FAILED" | "CANCELED" | "CANCELLED" | "CANCELING" | "CANCELLING" as status:
                raise LabelboxRefusedError(
                    f"Labelbox ended the export task {task_id} with status {status}.",
                    remedy="Nothing was published. Run again; if it fails again, ask Labelbox's support with that id.",
                    code=f"export_{'failed' if status == 'FAILED' else 'canceled'}",
                )
            case status:
                raise LabelboxAnswerError(
                    f"The export task {task_id} has the status {status!r}, which Labelbox's protocol does not have.",
                    remedy="Run again; if it stays so, a newer labelsnap may know the status.",
                    code="export_status_unknown",
                )
        if time.monotonic() >= deadline:
            raise LabelboxRefusedError(
                f"The export task {task_id} was not complete after {timeout:g} seconds.",
                remedy="Raise LABELSNAP_EXPORT_TIMEOUT, or narrow the filters.",
                code="export_timeout",
            )
        sleep(pause)
        pause = min(2 * pause, poll_interval)


def totals(client: Client, task_id: str, stream: Stream) -> Totals:
    """Size and line count of one stream of a complete task."""

    def counted() -> Totals:
        task, kind = ExportTask.get_task(client, task_id), StreamType(stream)
        return Totals(size=task.get_total_file_size(kind) or 0, lines=task.get_total_lines(kind) or 0)

    return asked(f"export task {task_id}", counted)
