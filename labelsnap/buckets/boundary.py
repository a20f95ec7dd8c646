"""The one boundary around a row: whatever is raised about it is the row's problem, and the other rows go on.

What is no row's matter passes through and ends the run: Labelbox's or the store's refusal (``LabelsnapError``), what
this machine's operating system lacks (its disk, its files), and whatever stops a process (``BaseException``). Want of
memory is the row's: its numbers asked for too much.
"""

from __future__ import annotations

import logging
import traceback
from errno import EACCES, EDQUOT, EIO, EMFILE, ENFILE, ENODEV, ENOENT, ENOMEM, ENOSPC, EPERM, EROFS, ESTALE
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

from labelsnap.buckets.errors import RowError
from labelsnap.errors import LabelsnapError
from labelsnap.records.model import Problem
from labelsnap.redaction import without_secrets
from labelsnap.shown import line, lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

Made = TypeVar("Made")

UNFORESEEN: Final = "unforeseen"
"""The code of what nobody foresaw: a fault of labelsnap's own."""
LONGEST_TRACE: Final = 8192
"""Characters of a trace that are logged, from its end."""
LONGEST_NAME: Final = 100
MOST_TOLD: Final = 100
"""So many faults of a process are logged with their traces, each class and place once."""
_OURS: Final = ("labelsnap.", "tasks.")
_OF_DISKS: Final = {EACCES, EDQUOT, EIO, EMFILE, ENFILE, ENODEV, ENOENT, ENOMEM, ENOSPC, EPERM, EROFS, ESTALE}
"""How an operating system reports its own want. ``EINVAL`` is not among them: a picture may ask for a place before its
first byte."""

log = logging.getLogger(__name__)

_told: Final[set[str]] = set()
_telling: Final = Lock()


def bounded(number: int, named: Callable[[], str | None], work: Callable[[], Made]) -> Made | Problem:
    """Do a row's work, or return the problem that the row is; ``number`` is its line's.

    ``named`` gives the row's id, where it can be told.
    """
    try:
        return work()
    except RowError as error:
        return Problem(number, named(), error.path, error.code, error.reason)
    except Exception as error:  # noqa: BLE001 - the boundary
        check_rows(error)
        row_id = attempted(named)
        what = _noted(error, f"line {number} of the export (row {shown_id(str(row_id))})")
        return Problem(number, row_id, "$", UNFORESEEN, what)


def attempted(work: Callable[[], Made]) -> Made | None:
    """Do what a row can be without; None where it meets a fault, which is logged."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - the boundary
        check_rows(error)
        _noted(error, "a row of the export")
        return None


def fault_in(row_id: str, work: Callable[[], object]) -> str | None:
    """Do what is done with a row whose line is not known here; return class and place of the fault that it meets."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - the boundary
        check_rows(error)
        return _noted(error, f"row {shown_id(row_id)}")
    return None


def shown_id(row_id: str) -> str:
    """Return a row's id as it can be told: without what steers a terminal, and cut."""
    return line(row_id)[:LONGEST_NAME]


def check_rows(error: Exception) -> None:
    """Raise what was raised where it is no row's matter."""
    if isinstance(error, LabelsnapError) or (isinstance(error, OSError) and error.errno in _OF_DISKS):
        raise error


def place_of(trace: TracebackType | None) -> str:
    """Where in labelsnap's own code a trace ends: ``module:function:line``."""
    ours = [
        f"{module}:{frame.f_code.co_qualname}:{line}"
        for frame, line in traceback.walk_tb(trace)
        if (module := str(frame.f_globals.get("__name__"))).startswith(_OURS)
    ]
    return ours[-1] if ours else "unknown"


def _noted(error: Exception, where: str) -> str:
    """Log a fault, with its trace where it is the first of its class and place; say what it is, without any value."""
    what = f"{type(error).__name__[:LONGEST_NAME]} at {place_of(error.__traceback__)}"
    with _telling:
        is_new = what not in _told and len(_told) < MOST_TOLD
        _told.update([what] if is_new else [])
    if is_new:
        trace = without_secrets("".join(traceback.format_exception(error)))[-LONGEST_TRACE:]
        log.error("A fault of labelsnap's own (%s) was met by %s; please report this:\n%s", what, where, lines(trace))
    return what
