"""Runs that were broken off: where they are named, and what of them a new run uses.

``work/runs/<digest>.json`` says how the run was begun that has no outcome yet, for a dataset with these parameters; its
ledger lies beside it. What is found there was killed, or failed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from labelsnap.buckets.receipt import BucketReceipt
from labelsnap.decoders import decoder_of
from labelsnap.snapshots.keeping.history import published_by, read_history
from labelsnap.snapshots.layout import OBJECT, SCRATCH, work_key
from labelsnap.snapshots.listing import listed
from labelsnap.snapshots.manifest import NOT_SUCH_JSON, File, Pack
from tasks.machines.software import software
from tasks.run.beginning import Beginning, Left
from tasks.run.exports import WINDOW
from tasks.run.ledger import Ledger, name_of_values, note_at, values_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.dataset import Dataset
    from labelsnap.storage import ObjectStore
    from tasks.run.receipts import Origin

BUCKET: Final = "bucket-"
"""How the receipts of buckets begin."""
MADE: Final = (BUCKET, "result-", "errors-", WINDOW, "kept")
"""How the receipts of work that made objects of the snapshot begin."""
TAKEN: Final = "taken"
LOOKERS: Final = 16


class TakenBucket(Struct, frozen=True):
    """The tables and packs of a bucket that a run built and never published."""

    files: tuple[File, ...]
    packs: tuple[Pack, ...]


class Taken(Struct, frozen=True):
    """What a run takes over of those before it: the newest that was built of each bucket, by the bucket's name."""

    buckets: dict[str, TakenBucket] = {}

    @property
    def files(self) -> tuple[File, ...]:
        """The tables of all buckets."""
        return tuple(chain.from_iterable(bucket.files for bucket in self.buckets.values()))

    @property
    def packs(self) -> tuple[Pack, ...]:
        """The packs that they point into."""
        return tuple(sorted({pack for bucket in self.buckets.values() for pack in bucket.packs}, key=lambda p: p.key))


def recall_left(store: ObjectStore, dataset: Dataset, origin: Origin | None = None) -> Left | None:
    """What the last run of this dataset file left, if it has no outcome; a note that cannot be read is none.

    Runs that read the lines of an ``origin`` again are apart from all others.
    """
    body = note_at(store, _key(dataset, origin))
    if body is None:
        return None
    try:
        found = decoder_of(Beginning).decode(body)
    except NOT_SUCH_JSON:
        return None
    signs = chain([found.looking_since], (info.modified for info, _ in listed(store, SCRATCH, f"{found.run}/")))
    since = read_history(store, above=found.base.version)
    return Left(found, max(signs), published=published_by(store, since, found.run) is not None)


def note_beginning(store: ObjectStore, dataset: Dataset, beginning: Beginning, origin: Origin | None = None) -> None:
    """Write down how a run has begun."""
    store.put(_key(dataset, origin), msgspec.json.encode(beginning))


def give_up_export(store: ObjectStore, dataset: Dataset, beginning: Beginning, origin: Origin | None = None) -> None:
    """A run has failed so that nobody shall go on with its export; its work stays."""
    note_beginning(store, dataset, msgspec.structs.replace(beginning, given_up=True), origin)


def forget(store: ObjectStore, dataset: Dataset, run: str, origin: Origin | None = None) -> None:
    """A run's outcome is known: its name goes first, then its ledger, so that nobody goes on with half a ledger."""
    ledger = Ledger(store, run)
    with ThreadPoolExecutor(1, thread_name_prefix="forget") as pool:
        keys = pool.submit(ledger.keys)
        store.delete(_key(dataset, origin))
        store.delete_many(keys.result())


def take_over(store: ObjectStore, before: str, run: str, *, look: bool) -> None:
    """Put what an earlier run built, and had taken over itself, into the ledger of another.

    With ``look`` every object is looked for, and a bucket of which one is gone is left out.
    """
    ledger = Ledger(store, before)
    with ThreadPoolExecutor(LOOKERS, thread_name_prefix="look") as pool:
        names = list(ledger.names(BUCKET))
        receipts = zip(names, pool.map(partial(ledger.recall, kind=BucketReceipt), names), strict=True)
        built = {name: TakenBucket(found.files, found.packs) for name, found in receipts if found}
        inherited = ledger.recall(TAKEN, Taken) or Taken()
        counts = {_count(name) for name in built}
        buckets = {name: found for name, found in inherited.buckets.items() if not counts or {_count(name)} == counts}
        buckets |= built
        if look:
            there = pool.map(partial(_stands, store), buckets.values())
            buckets = {name: found for (name, found), stands in zip(buckets.items(), there, strict=True) if stands}
    Ledger(store, run).note(TAKEN, Taken(buckets))


def look_anew(store: ObjectStore, run: str) -> None:
    """Look for every object that a run's receipts name; the receipt of one that is gone goes too.

    A publication must not take long by the store's clock from when its objects were looked for (see FORMAT.md).
    """
    ledger = Ledger(store, run)

    def check(name: str) -> None:
        receipt = ledger.recall(name, dict[str, object])
        if receipt is None or not _stands(store, receipt):
            ledger.drop(name)

    with ThreadPoolExecutor(LOOKERS, thread_name_prefix="look") as pool:
        for _ in pool.map(check, [name for start in MADE for name in ledger.names(start)]):
            pass


def _objects_in(receipt: object) -> Iterator[tuple[str, int]]:
    """Key and size of every object that a receipt names."""
    for value in values_in(msgspec.to_builtins(receipt)):
        match value:
            case {"key": str(key), "size": int(size)} if key:
                yield key, size


def _stands(store: ObjectStore, receipt: object) -> bool:
    """Whether every object that a receipt names is in the store with its size."""
    try:
        named = list(_objects_in(receipt))
    except RecursionError:
        return False
    return all(
        OBJECT.match(key) is not None and (found := store.head(key)) is not None and found.size == size
        for key, size in named
    )


def _count(name: str) -> str:
    return name.rpartition("-")[2]


def _key(dataset: Dataset, origin: Origin | None) -> str:
    """Where the run of this dataset file, by this code, is named: a refresh or a backfill of any range."""
    parameters = [dataset.model_dump(mode="json"), software(), *([origin.ref] if origin else [])]
    return work_key("runs", f"{name_of_values(parameters)}.json")
