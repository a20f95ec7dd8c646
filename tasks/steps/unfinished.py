"""Runs that were broken off: which one a new run of the same dataset goes on with.

``work/runs/<digest>.json`` names the run that was begun for a dataset with these parameters; its ledger lies beside it.
It stands from the beginning of the run until its outcome is known, so what is found there was killed, or failed at
something that may pass.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from importlib.metadata import version
from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from tasks.errors import DatasetRejectedError, LabelboxRefusedError, StorageRefusedError
from tasks.snapshots.history import read_history
from tasks.snapshots.layout import SCRATCH, work_key
from tasks.snapshots.listing import listed
from tasks.snapshots.manifest import NOT_SUCH_JSON
from tasks.steps.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.dataset import Dataset
    from tasks.storage import ObjectStore

OLDEST: Final = timedelta(days=6)
"""Garbage collection leaves alone what is younger than 7 days, unless told otherwise; then a run has to begin anew."""
PASSING: Final = {"export_timeout", "labelbox_limit", "key_refused"}
"""What Labelbox refuses now and may allow later, to the same export task."""
FINAL: Final = {"lost_race", "object_condemned", "object_damaged", "bad_receipt"}
"""What the store refuses to this run for good, and not to the next one."""
MADE: Final = ("bucket-", "result-", "errors-", "window-")
"""How the receipts of work that made objects of the snapshot begin."""
LOOK_AFTER: Final = timedelta(hours=1)
"""A run that is gone on with later than this looks for its objects anew."""
LOOKERS: Final = 16


class Unfinished(Struct, frozen=True):
    """A run that was begun: its name, the version that it builds upon, and the store's clock.

    ``started_at`` is when it began to look for objects, ``begun_at`` when it was begun, where that was earlier.
    """

    run: str
    base: int
    started_at: datetime
    begun_at: datetime | None = None


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
    except NOT_SUCH_JSON:
        return None
    signs = chain([found.started_at], (info.modified for info, _ in listed(store, SCRATCH, f"{found.run}/")))
    recent = now - max(signs) <= timedelta(hours=hours) and now - (found.begun_at or found.started_at) <= OLDEST
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


def look_anew(store: ObjectStore, begun: Unfinished, *, now: datetime) -> Unfinished:
    """The run with its clock set to now, once every object that its receipts name has been found again.

    A publication must not take long by the store's clock from when it began to look for objects (see FORMAT.md). A
    receipt of which an object is gone, or has another size, goes too, so that its work is done again.
    """
    begins = [f"{begun.run}/receipts/{name}" for name in MADE]
    receipts = [info.key for begin in begins for info, _ in listed(store, SCRATCH, begin)]

    def check(key: str) -> None:
        body = store.get(key) or b"{}"
        for name, size in objects_in(msgspec.json.decode(body)):
            if (standing := store.head(name)) is None or standing.size != size:
                store.delete(key)
                return

    with ThreadPoolExecutor(LOOKERS, thread_name_prefix="look") as pool:
        for _ in pool.map(check, receipts):
            pass
    return msgspec.structs.replace(begun, started_at=now, begun_at=begun.begun_at or begun.started_at)


def objects_in(value: object) -> Iterator[tuple[str, int]]:
    """Key and size of every object that a decoded receipt names, at any depth."""
    match value:
        case {"key": str(key), "size": int(size)}:
            yield key, size
        case dict():
            yield from chain.from_iterable(objects_in(each) for each in value.values())
        case list():
            yield from chain.from_iterable(objects_in(each) for each in value)


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
