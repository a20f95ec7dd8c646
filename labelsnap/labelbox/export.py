"""An export task at Labelbox: what is asked for, waited for, asked for its totals, and cancelled.

The SDK's own wait returns alike for done, failed, cancelled and timed out, so the status is looked at here after each
poll.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from labelbox import ExportTask
from lbox.exceptions import ResourceNotFoundError

from labelsnap.errors import LabelboxAnswerError, LabelboxRefusedError
from labelsnap.labelbox.patience import WAITED_OUT, HiccupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import labelbox

    from labelsnap.labelbox.client import Client
    from labelsnap.records.model import SourceKind

LIST_LIMIT: Final = 2000
"""How many ids Labelbox takes in one filter."""
FIRST_PAUSE: Final = 0.25
"""Seconds between the first two polls of a task."""

LASTING: Final = WAITED_OUT - {"export_not_found"}
"""What a wait for an export outlasts to its own end; a task that stays missing is gone much sooner."""

MOST: Final = 1 << 53
"""Bytes or lines of a stream; no export is so large."""

TOTALS_QUERY: Final = (
    "query GetExportMetadataHeaderPyApi($where: WhereUniqueIdInput, $streamType: TaskStreamType!)"
    "{task(where: $where){exportMetadataHeader(streamType: $streamType){totalSize totalLines}}}"
)
"""The SDK's own document (labelbox 7.17, ``export_task.py``), which asks for the user and the task before."""

Stream = Literal["RESULT", "ERRORS"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """One export to start: the params by the SDK's names; filters without those that are not set."""

    kind: SourceKind
    source_id: str
    params: Mapping[str, Any]
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


def wait(
    client: Client,
    task_id: str,
    *,
    timeout: float,
    poll_interval: float,
    on_progress: Callable[[int], None] = lambda _: None,
) -> datetime | None:
    """Return when the task is complete: the moment it was created, by Labelbox's clock, where that is told.

    Its percentage is reported after each poll.

    The pauses between two polls grow from ``FIRST_PAUSE`` to ``poll_interval`` seconds: a small export is soon done. A
    poll that fails is repeated, and ends the wait only with ``timeout`` seconds in all.
    Raises ``LabelboxRefusedError`` for a failed or cancelled task and when the time is over, and
    ``LabelboxAnswerError`` for a status that the protocol does not have, and when no poll is answered to the end.
    """
    clock = client.patience.clock
    begun = clock()
    pause = min(FIRST_PAUSE, poll_interval)
    log.info("Waiting for export task %s, %g seconds at most.", task_id, timeout)
    while True:
        left = max(0.0, begun + timeout - clock())
        task = client.asked(_subject(task_id), lambda sdk: _task(sdk, task_id), whole=left, lasting=LASTING)
        match task.status:
            case "COMPLETE":
                on_progress(100)
                return created if isinstance(created := task.created_at, datetime) else None
            case "IN_PROGRESS":
                on_progress(_percentage(task.completion_percentage))
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
        if clock() >= begun + timeout:
            raise LabelboxRefusedError(
                f"The export task {task_id} was not complete after {timeout:g} seconds.",
                remedy="Raise LABELSNAP_EXPORT_TIMEOUT, or narrow the filters.",
                code="export_timeout",
            )
        client.patience.sleep(pause)
        pause = min(2 * pause, poll_interval)


def totals(client: Client, task_id: str, stream: Stream) -> Totals:
    """Size and line count of one stream of a complete task."""
    variables = {"where": {"id": task_id}, "streamType": stream}

    def counted(sdk: labelbox.Client) -> Totals:
        answer = sdk.execute(TOTALS_QUERY, variables, error_log_key="errors")
        header = answer["task"]["exportMetadataHeader"] or {}
        return Totals(size=_count(header.get("totalSize")), lines=_count(header.get("totalLines")))

    return client.asked(_subject(task_id), counted)


def cancel(client: Client, task_id: str) -> bool:
    """End a task that is in progress, so that it takes no place among those that run; one that has ended stays.

    Gives whether Labelbox ends it. Raises ``LabelboxRefusedError`` and ``LabelboxAnswerError`` where it does not, or
    does not answer.
    """

    def cancelled(sdk: labelbox.Client) -> bool:
        return _task(sdk, task_id).status == "IN_PROGRESS" and bool(sdk.cancel_task(task_id))

    return client.asked(_subject(task_id), cancelled)


def _count(found: object) -> int:
    """Read how many bytes or lines there are, 0 where that is not told. Raises TypeError for what is no count.

    A number that is written as text is one, too: JSON's own have not room for each.
    """
    if found is None:
        return 0
    if isinstance(found, str) and found.isascii() and found.isdecimal() and len(found) <= len(str(MOST)):
        found = int(found)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= MOST:
        raise TypeError("the answer has no count")
    return found


def _percentage(found: object) -> int:
    """Read how far a task is; 0 where that is not told."""
    return int(found) if isinstance(found, int | float) and 0 <= found <= 100 else 0  # noqa: PLR2004 - percent


def _subject(task_id: str) -> str:
    return f"export task {task_id}"


def _task(sdk: labelbox.Client, task_id: str) -> ExportTask:
    """The task as it is now. Raises ``HiccupError`` where it is not listed: a new one may be listed late."""
    try:
        return ExportTask.get_task(sdk, task_id)
    except (ResourceNotFoundError, TypeError):  # the SDK stumbles where the answer is that there is no such thing
        missing = LabelboxRefusedError(
            f"Labelbox does not list the export task {task_id} among the tasks of the key's user.",
            remedy="Run again: a new export is started. A key of another user cannot see the tasks of this one.",
            code="export_not_found",
        )
        raise HiccupError(missing) from None
