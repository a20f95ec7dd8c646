"""What becomes of a run's export and of its work when it fails."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from labelsnap.errors import DatasetRejectedError, LabelboxAnswerError, LabelboxRefusedError, StorageRefusedError

PASSING: Final = {"export_timeout", "labelbox_limit", "labelbox_certificate", "key_refused"}
"""What Labelbox refuses now and may allow later, to the same export task."""
LOST: Final = {"bad_chunk", "export_status_unknown"}
"""Answers of Labelbox after which an export task is not asked any more."""
BAD_OBJECTS: Final = {"object_condemned", "object_damaged"}
"""What the store refuses because of objects that the run made or found."""


class Ending(Enum):
    """What a failure leaves to later runs."""

    EVERYTHING = auto()
    """Export and work: a retry goes on where it broke off."""
    WORK = auto()
    """What was fetched; the export is given up."""
    NOTHING = auto()
    """What the run made cannot be trusted."""


def ending_of(error: BaseException) -> Ending:
    """What a run that fails so leaves."""
    match error:
        case DatasetRejectedError(code="read_back_differs"):
            return Ending.NOTHING
        case StorageRefusedError(code=code) if code in BAD_OBJECTS:
            return Ending.NOTHING
        case DatasetRejectedError() | StorageRefusedError(code="lost_race"):
            return Ending.WORK
        case LabelboxRefusedError(code=code) if code not in PASSING:
            return Ending.WORK
        case LabelboxAnswerError(code=code) if code in LOST:
            return Ending.WORK
        case _:
            return Ending.EVERYTHING
