"""Runs that were broken off: which one a new run of the same dataset goes on with.

``work/runs/<digest>.json`` names the run that was begun for a dataset with these parameters; its ledger lies beside it.
It stands from the beginning of the run until its outcome is known, so what is found there was killed, or failed at
something that may pass.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from importlib.metadata import version
from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from tasks.errors import DatasetRejectedError, LabelboxRefusedError, StorageRefusedError
from tasks.snapshots.history import read_history
from tasks.snapshots.layout import WORK, work_key
from tasks.steps.ledger import Ledger

if TYPE_CHECKING:
    from config.dataset import Dataset
    from tasks.storage import ObjectStore

OLDEST: Final = timedelta(days=6)
"""Garbage collection leaves alone what is younger than 7 days, unless told otherwise; then a run has to begin anew."""
PASSING: Final = {"export_timeout", "labelbox_limit", "key_refused"}
"""What Labelbox refuses now and may allow later, to the same export task."""
FINAL: Final = {"lost_race", "object_condemned", "object_damaged", "publish_too_slow", "bad_receipt"}
"""What the store refuses to this run for good, and not to the next one."""


class Unfinished(Struct, frozen=True):
    """A run that was begun: its name, the version that it builds upon, and the store's clock then."""

    run: str
    base: int
    started_at: datetime


def recall_unfinished(
    store: ObjectStore, dataset: Dataset, scope: str = "", *, now: datetime, hours: float
) -> Unfinished | None:
    """The run to go on with, if there is one whose last sign of life is at most ``hours`` old.

    One that published before it was killed is finished: there is nothing to go on with.
    """
    key = _key(dataset, scope)
    body = store.get(key)
    if body is None:
        return None
    try:
        found = msgspec.json.decode(body, type=Unfinished)
    except msgspec.MsgspecError:
        return None
    signs = chain([found.started_at], (each.modified for each in store.list(f"{WORK}{found.run}/")))
    recent = now - max(signs) <= timedelta(hours=hours) and now - found.started_at <= OLDEST
    if not recent or read_history(store).published_by(found.run) is not None:
        forget_unfinished(store, dataset, found.run, scope)
        return None
    return found


def note_unfinished(store: ObjectStore, dataset: Dataset, begun: Unfinished, scope: str = "") -> None:
    """Write down that a run has begun."""
    store.put(_key(dataset, scope), msgspec.json.encode(begun))


def forget_unfinished(store: ObjectStore, dataset: Dataset, run: str, scope: str = "") -> None:
    """A run's outcome is known: its name goes first, then its ledger, so that nobody goes on with half a ledger."""
    store.delete(_key(dataset, scope))
    Ledger(store, run).clear()


def is_final(error: BaseException) -> bool:
    """Whether a run that fails so has nothing that a later one could go on with."""
    match error:
        case DatasetRejectedError():
            return True
        case LabelboxRefusedError(code=code):
            return code not in PASSING
        case StorageRefusedError(code=code):
            return code in FINAL
        case _:
            return False


def _key(dataset: Dataset, scope: str) -> str:
    """Where the run of these parameters, by this labelsnap, is named; ``scope`` is the range of a backfill."""
    parameters = [dataset.model_dump(mode="json"), version("labelsnap"), scope]
    digest = hashlib.sha256(msgspec.json.encode(parameters, order="sorted")).hexdigest()
    return work_key("runs", f"{digest[:32]}.json")
