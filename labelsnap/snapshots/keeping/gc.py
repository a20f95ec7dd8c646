"""Garbage collection without locks: condemn, wait, fence, mark again, delete. FORMAT.md says why that is safe."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from labelsnap.errors import ConfigurationError, StorageRefusedError
from labelsnap.snapshots.keeping.behind import behind_of, manifests_behind, needed
from labelsnap.snapshots.keeping.checkpoints import drop_superseded
from labelsnap.snapshots.keeping.epochs import (
    Condemned,
    Epoch,
    drop_over,
    keys_of,
    listed_epochs,
    note_swept,
    over_by_now,
    over_up_to,
    pending_after,
    read_epoch,
    settled_up_to,
)
from labelsnap.snapshots.keeping.history import ALL, check_whole, read_history
from labelsnap.snapshots.keeping.records import read_manifest, side_by_side
from labelsnap.snapshots.keeping.tags import list_tags
from labelsnap.snapshots.layout import (
    COMMITS,
    GARBAGE,
    PROBE,
    SCRATCH,
    EpochKey,
    Kind,
    commit_key,
    epoch_key,
    generation_of,
    manifest_key,
)
from labelsnap.snapshots.listing import listed
from labelsnap.snapshots.manifest import UNREADABLE, damaged, readable_size
from labelsnap.snapshots.runs import holds
from labelsnap.snapshots.sealed import seal, timestamp, unseal
from labelsnap.snapshots.writing.commit import LostRace, recommit, settled
from labelsnap.storage import probe
from labelsnap.storage.interface import DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from labelsnap.snapshots.keeping.history import History
    from labelsnap.snapshots.keeping.tags import Tag
    from labelsnap.storage import ObjectStore, Upload

GRACE: Final = timedelta(days=7)
GRACE_FLOOR: Final = timedelta(hours=24)  # more than a publication may take
WAIT: Final = timedelta(hours=24)  # from an epoch to its deletions: who reads an expired version can finish
AT_ONCE: Final = timedelta(0)
MAX_RACES: Final = 10
DELETED_AT_ONCE: Final = 1000
SCRATCH_AT_ONCE: Final = 100  # of which each is looked at just before: its key may be used again
GIVE_UP: Final = (
    "Put it back from a copy of the bucket, or give it up with `labelsnap snapshots gc URL --lost --yes`: what it "
    "listed is listed again. Refreshes go on meanwhile."
)
_INNER: Final = rf"(?P<inner>(?:.+/)?){COMMITS}[0-9]{{20}}(?:-[0-9a-f]{{32}})?\.json"
_LOOKED_AT: Final = tuple(Kind(kind.prefix, re.compile(f"{_INNER}|{kind.pattern.pattern}")) for kind in GARBAGE)
"""Garbage, and the commit records of a dataset that lies where garbage does."""


@dataclass(frozen=True, slots=True)
class CollectionPlan:
    """What ``collect`` would do now: delete the objects of ``ripe`` epochs, and list ``condemned`` in a new epoch.

    ``waiting`` are epochs too young to be deleted. While one waits, no other begins. ``undated`` are those from the
    future, whose age cannot be told: they are closed, and what they list is listed anew. ``uploads`` were broken off,
    and would be removed. ``lost`` are epochs whose records are damaged: what they listed is listed again. The epochs up
    to ``over`` are over.
    """

    condemned: tuple[Condemned, ...]
    ripe: tuple[Epoch, ...]
    waiting: tuple[Epoch, ...]
    undated: tuple[Epoch, ...] = ()
    uploads: tuple[Upload, ...] = ()
    lost: tuple[int, ...] = ()
    over: int = 0


@dataclass(frozen=True, slots=True)
class Collection:
    """What ``collect`` did: the epoch that it began, if any, with its objects; and what it deleted and spared.

    ``waiting`` are epochs that were too young to be deleted. ``uploads`` were broken off, and are removed. ``lost`` are
    epochs whose records are damaged, and that are given up.
    """

    epoch: int | None
    condemned: tuple[Condemned, ...]
    deleted: tuple[Condemned, ...]
    spared: tuple[Condemned, ...]
    waiting: tuple[Epoch, ...] = ()
    uploads: tuple[Upload, ...] = ()
    lost: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Marked:
    """What one collection has found reachable. Each manifest is read once, for it never changes.

    Where its version expires meanwhile, its objects stay marked, and the next collection finds them.
    """

    manifests: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)

    def add(self, sha256: str, keys: Iterable[str]) -> None:
        """Mark a manifest and what it names."""
        self.manifests.add(sha256)
        self.keys.add(manifest_key(sha256))
        self.keys.update(keys)


def plan_collection(
    store: ObjectStore, *, grace: timedelta = GRACE, wait: timedelta = WAIT, lost: bool = False
) -> CollectionPlan:
    """Say what ``collect`` would do; nothing is written but the probe.

    Garbage are objects below ``data/`` and ``manifests/`` that are not reachable, scratch, and uploads that were broken
    off, when they are older than ``grace`` by the store's clock. What labelsnap gives no such name is somebody else's.
    Raises ConfigurationError when ``grace`` is less than 24 hours, and StorageRefusedError when a
    record of a version that is kept is missing or damaged, another dataset lies below this one, or an epoch's record is
    damaged, unless ``lost`` says that such epochs are given up.
    """
    return _planned(store, grace, wait, AT_ONCE, Marked(), lost=lost)


def _planned(
    store: ObjectStore, grace: timedelta, wait: timedelta, rest: timedelta, marked: Marked, *, lost: bool
) -> CollectionPlan:
    if grace < GRACE_FLOOR:
        raise ConfigurationError(
            f"Expected a grace period of {GRACE_FLOOR} at least, found {grace}.",
            remedy="A publication may take half a day, and its objects are in no version until it ends.",
            code="grace",
        )
    history = _history(store)
    if history.head is None:
        return CollectionPlan((), (), ())
    now = probe(store, single_writer=history.single_writer)
    epochs = listed_epochs(store)
    over = over_up_to(store, epochs)
    begun = [(number, read_epoch(store, number), now - modified) for number, modified in pending_after(over, epochs)]
    ripe = tuple(epoch for _, epoch, age in begun if epoch and age >= wait)
    waiting = tuple(epoch for _, epoch, age in begun if epoch and -wait <= age < wait)
    undated = tuple(epoch for _, epoch, age in begun if epoch and age < -wait)
    damaged_ones = tuple(number for number, epoch, _ in begun if epoch is None)
    if damaged_ones and not lost:
        raise damaged(f"the epoch {epoch_key(damaged_ones[0])!r}", "other bytes", remedy=GIVE_UP)
    listed = {entry for epoch in ripe for entry in epoch.condemned}
    is_resting = rest > AT_ONCE and now - max(epochs.values(), default=now - rest) < rest
    garbage = () if waiting or is_resting else _garbage(store, history, now - grace, marked)
    condemned = tuple(entry for entry in garbage if entry not in listed)
    uploads = tuple(upload for upload in store.uploads() if upload.begun < now - grace and _is_ours(upload.key))
    return CollectionPlan(condemned, ripe, waiting, undated, uploads, damaged_ones, over)


def collect(
    store: ObjectStore,
    *,
    grace: timedelta = GRACE,
    wait: timedelta = WAIT,
    rest: timedelta = AT_ONCE,
    lost: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Collection:
    """Delete what ripe epochs condemned and is still garbage, and condemn what is garbage now.

    So it takes two calls, more than ``wait`` apart, to delete an object: the first only lists it. None lists any sooner
    than ``rest`` after the last one that did, or deleted: each leaves an epoch and a version. ``on_progress`` is
    told how many objects of how many are done with. Checkpoints that newer ones took the place of go too, and epochs
    that are over; where the store keeps them, the log says so. Broken off, it can be called again. Raises like
    ``plan_collection``; StorageRefusedError when another collector began an epoch meanwhile, and
    StorageOutcomeUnknownError when an answer is lost.
    """
    marked = Marked()
    plan = _planned(store, grace, wait, rest, marked, lost=lost)
    for number in plan.lost:
        note_swept(store, number, (), ())
    swept = [sweep(store, epoch, marked, over=plan.over, sleep=sleep, on_progress=on_progress) for epoch in plan.ripe]
    for epoch in plan.undated:
        note_swept(store, epoch.number, (), epoch.condemned)
    begun = condemn(store, plan.condemned, sleep=sleep) if plan.condemned else None
    if begun:
        drop_over(store, plan.over)  # which one before it says too, should this one be lost
    for upload in plan.uploads:
        store.abort(upload)
    drop_superseded(store)
    return Collection(
        epoch=begun.number if begun else None,
        condemned=plan.condemned,
        deleted=tuple(chain.from_iterable(deleted for deleted, _ in swept)),
        spared=tuple(chain.from_iterable(spared for _, spared in swept)),
        waiting=plan.waiting,
        uploads=plan.uploads,
        lost=plan.lost,
    )


def condemn(
    store: ObjectStore, garbage: tuple[Condemned, ...], *, sleep: Callable[[float], None] = time.sleep
) -> Epoch:
    """Begin the next epoch. Raises StorageRefusedError when somebody else did.

    Its number is above that of every epoch in which one of its objects was written, also where that one's record has
    been deleted.
    """
    history = read_history(store, expired=False, above=ALL)
    epochs = listed_epochs(store)
    number = max(0, *(key.number for key in epochs), *(generation_of(entry.key) for entry in garbage)) + 1
    key = epoch_key(number)
    epoch = Epoch(
        number=number,
        head=history.head.version if history.head else 0,
        over=over_by_now(store, epochs),
        created_at=timestamp(),
        write_id=uuid4().hex,
        condemned=garbage,
    )
    body = readable_size(f"the epoch {key!r}", seal(epoch), DOCUMENT_BYTES)
    standing = settled(store, key, body, replace=history.single_writer, sleep=sleep)
    if unseal(standing, Epoch, name=f"the epoch {key!r}") != epoch:
        raise StorageRefusedError(
            f"Expected to begin epoch {number} of garbage collection in {store.url}, found that somebody else did.",
            remedy="Nothing was deleted. Let one collection run at a time.",
            code="epoch_taken",
        )
    return epoch


def sweep(
    store: ObjectStore,
    epoch: Epoch,
    marked: Marked,
    *,
    over: int,
    sleep: Callable[[float], None] = time.sleep,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[tuple[Condemned, ...], tuple[Condemned, ...]]:
    """Delete an epoch's objects, but for those that a version has meanwhile; return (deleted, spared).

    Spared are also scratch that was written again since, and what is not ours. A version is made first: who listed the
    commit records before the epoch was there loses the race for it, and who lists them afterwards finds the epoch. So
    no version to come has the objects. Where another collector is done with the epoch by then, nothing is left to do.
    The epochs up to ``over`` are over, and as of the fence more may be: the note says so.
    """
    is_used = _in_use(store, _history(store), epoch.condemned, marked)
    fence = _fence(store, sleep) if set(epoch.condemned) - is_used else None
    spared = _in_use(store, _history(store), epoch.condemned, marked)
    epochs = listed_epochs(store)
    begun = epochs.get(EpochKey(epoch.number, swept=False))
    if begun is None or EpochKey(epoch.number, swept=True) in epochs:
        return (), ()
    deleted: list[Condemned] = []
    left = [entry for entry in epoch.condemned if entry not in spared]
    done = 0
    for batch in _batches(left):
        stands = side_by_side(lambda entry: _stands_as_condemned(store, entry.key, begun), batch)
        going = [entry for entry, is_garbage in zip(batch, stands, strict=True) if is_garbage]
        store.delete_many([entry.key for entry in going])
        deleted += going
        spared |= set(batch).difference(going)
        done += len(batch)
        on_progress(done, len(left))
    settled_by_now = settled_up_to(epochs, over, fence) if fence else 0
    return tuple(deleted), note_swept(store, epoch.number, deleted, spared, settled_by_now).spared


def _batches(entries: Sequence[Condemned]) -> Iterator[Sequence[Condemned]]:
    """Give what is deleted by one call each; of scratch, which is looked at just before, less at once."""
    for is_scratch, most in ((False, DELETED_AT_ONCE), (True, SCRATCH_AT_ONCE)):
        kind = [entry for entry in entries if _is_scratch(entry.key) == is_scratch]
        for begin in range(0, len(kind), most):
            yield kind[begin : begin + most]


def _is_scratch(key: str) -> bool:
    return SCRATCH.match(key) is not None or PROBE.match(key) is not None


def _history(store: ObjectStore) -> History:
    """Read the records of the versions that are kept. Raises StorageRefusedError when one is missing or damaged."""
    return check_whole(store, read_history(store, expired=False, back=ALL))


def _is_ours(key: str) -> bool:
    """Say whether a key is of what may become garbage; "" is that of an upload which has none yet."""
    return not key or any(kind.match(key) for kind in GARBAGE)


def _stands_as_condemned(store: ObjectStore, key: str, begun: datetime) -> bool:
    """Say whether an object is ours, and for scratch, whose keys are used again, whether it is as old as it was.

    What an epoch lists was older then than the shortest grace period.
    """
    if not _is_scratch(key):
        return _is_ours(key)
    info = store.head(key)
    return info is None or info.modified < begun - GRACE_FLOOR


def _fence(store: ObjectStore, sleep: Callable[[float], None]) -> datetime | None:
    """Make the newest version again, under the next number; return the store's time of it."""
    publish_id = uuid4().hex
    for _ in range(MAX_RACES):
        history = read_history(store, expired=False, above=ALL)
        outcome = recommit(store, history, history.commits[-1], action="fence", publish_id=publish_id, sleep=sleep)
        if not isinstance(outcome, LostRace):
            made = store.head(commit_key(outcome.commit.version))
            return made.modified if made else None
    raise StorageRefusedError(
        f"Expected to make a version of {store.url} before deleting, found others being published all the time.",
        remedy="Nothing was deleted. Run the collection again when nobody publishes.",
        code="lost_race",
    )


def _garbage(store: ObjectStore, history: History, before: datetime, marked: Marked) -> tuple[Condemned, ...]:
    reachable = _reachable(store, history, marked)
    garbage: list[Condemned] = []
    for info, found in chain.from_iterable(listed(store, kind) for kind in _LOOKED_AT):
        if found["inner"] is not None:
            raise _inner_dataset(store, info.key[: found.end("inner")])
        if info.modified < before and info.key not in reachable:
            garbage.append(Condemned(info.key, info.size))
    return tuple(sorted(garbage))


def _inner_dataset(store: ObjectStore, folder: str) -> StorageRefusedError:
    return StorageRefusedError(
        f"Expected no other dataset where {store.url} has its objects, found {store.url}/{folder.rstrip('/')}.",
        remedy="Nothing was deleted. Move that dataset, with all that is below it, out of this one.",
        code="dataset_nested",
    )


def _in_use(store: ObjectStore, history: History, entries: Iterable[Condemned], marked: Marked) -> set[Condemned]:
    reachable = _reachable(store, history, marked)
    return {entry for entry in entries if entry.key in reachable}


def _reachable(store: ObjectStore, history: History, marked: Marked) -> set[str]:
    """Return the keys of all objects of the versions that are kept or tagged, their manifests among them.

    Of manifests behind the newest version they are those that say which class ids and splits were given away.
    A tag that came too late, so that its maker was told that the version had expired, keeps what is left of it; one
    whose version was given up keeps what its manifest says, where that can be read.
    """
    kept = sorted({commit.manifest for commit in history.live} - marked.manifests)
    for sha256, keys in zip(kept, side_by_side(lambda each: keys_of(read_manifest(store, each)), kept), strict=True):
        marked.add(sha256, keys)
    for tag in list_tags(store):
        if tag.manifest not in marked.manifests and (named := _named_by(store, history, tag)) is not None:
            marked.add(tag.manifest, named)
    behind = behind_of(store, history.head) if history.head else ()
    given = chain.from_iterable(map(needed, manifests_behind(store, behind)))
    return marked.keys.union(map(manifest_key, behind), (file.key for file in given))


def _named_by(store: ObjectStore, history: History, tag: Tag) -> frozenset[str] | None:
    """Return what a tag alone keeps; None: nothing is left of it. Raises StorageRefusedError where that is damaged."""
    if store.head(manifest_key(tag.manifest)) is None:
        return None
    try:
        return keys_of(read_manifest(store, tag.manifest))
    except StorageRefusedError as error:
        if error.code not in UNREADABLE or error.code == "format_version":
            raise
        if holds(history.given_up, tag.version):
            return None
        raise StorageRefusedError(
            f"Expected the manifest {manifest_key(tag.manifest)!r} as it was written, found that it is damaged.",
            remedy=f"Restore it from a copy of the bucket. Where there is none, `labelsnap snapshots untag {store.url} "
            f"{tag.name}` takes away the tag {tag.name!r}, which alone keeps it.",
            code="object_damaged",
        ) from error
