"""Epochs of garbage collection: which objects may be deleted, so that nobody builds on one of them.

A data object's key says in which epoch it was written. An epoch lists keys that were written before it and are in no
kept version; from then on no publication may use them but those that its parent has. Once nobody can have them any more
the epoch is over: the next ones say so, and its record is taken away. FORMAT.md says why that is safe.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from labelsnap.errors import StorageError, StorageRefusedError
from labelsnap.snapshots.layout import EPOCH, EpochKey, epoch_key, generation_of
from labelsnap.snapshots.listing import listed
from labelsnap.snapshots.manifest import FORMAT_VERSION, UNREADABLE, damaged
from labelsnap.snapshots.runs import gaps
from labelsnap.snapshots.sealed import fields_of, seal, timestamp, unseal
from labelsnap.snapshots.values import Moment, Number, Size
from labelsnap.storage.interface import DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from labelsnap.snapshots.manifest import Contents
    from labelsnap.storage import ObjectStore

SETTLED: Final = timedelta(days=8)
"""What a publication consists of, it has begun to find and to write less than so long before its manifest is put."""

log = logging.getLogger(__name__)


class Condemned(msgspec.Struct, frozen=True, order=True):
    """An object that no kept version has."""

    key: str
    size: Size


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch: condemned objects, sorted by key. ``head`` is the version that was the newest then.

    The epochs up to the number ``over`` are over. Records did not always say so.
    """

    format_version: int = FORMAT_VERSION
    number: Number
    head: Number
    over: Number = 0
    created_at: Moment
    write_id: str
    condemned: tuple[Condemned, ...]


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """The note that an epoch's objects are deleted, but for those that were ``spared`` (a version has them again).

    As of the fence of that, the epochs up to the number ``over`` were over.
    """

    format_version: int = FORMAT_VERSION
    number: Number
    created_at: Moment
    deleted: Number
    deleted_bytes: Number
    spared: tuple[Condemned, ...]
    over: Number = 0


Told = TypeVar("Told", Epoch, Swept)


def listed_epochs(store: ObjectStore) -> dict[EpochKey, datetime]:
    """List epochs and the notes that they are done, with the store's time of each."""
    return {
        EpochKey(int(found["number"]), found["swept"] is not None): info.modified
        for info, found in listed(store, EPOCH)
    }


def newest_epoch(store: ObjectStore) -> int:
    """Return the number of the newest epoch: the generation of what is written now. 0 when there is none."""
    return newest_of(listed_epochs(store))


def newest_of(keys: Iterable[EpochKey]) -> int:
    """Return the number of the newest of these epochs and notes, 0 when there are none."""
    return max((key.number for key in keys), default=0)


def read_epoch(store: ObjectStore, number: int) -> Epoch | None:
    """Read an epoch; None when its record is lost: missing, or not as it was written.

    Raises StorageRefusedError for one of a later format.
    """
    key = epoch_key(number)
    body = store.get(key, most=DOCUMENT_BYTES)
    if body is None or fields_of(body) is None:
        return None
    epoch = unseal(body, Epoch, name=f"the epoch {key!r}")
    return epoch if epoch.over < epoch.number == number else None


def keys_of(contents: Contents) -> frozenset[str]:
    """Return the keys of all objects that a snapshot, or a part of one, consists of, below its manifest."""
    return frozenset({file.key for file in contents.files if file.key} | {pack.key for pack in contents.packs})


def pending_after(over: int, epochs: Mapping[EpochKey, datetime]) -> list[tuple[int, datetime]]:
    """Return the epochs after a number whose objects are not deleted yet, with the store's time of their beginning."""
    done = {key.number for key in epochs if key.swept}
    begun = [(key.number, modified) for key, modified in sorted(epochs.items()) if key.number not in done]
    return [(number, modified) for number, modified in begun if number > over]


def read_note(store: ObjectStore, number: int) -> Swept | None:
    """Read the note that an epoch is done; None: there is none. Raises StorageRefusedError where it is damaged."""
    key = epoch_key(number, swept=True)
    if (body := store.get(key, most=DOCUMENT_BYTES)) is None:
        return None
    note = unseal(body, Swept, name=f"the note {key!r}")
    if not note.over < note.number == number:
        raise damaged(f"the note {key!r}", f"that of epoch {note.number}, by which all up to {note.over} are over")
    return note


def note_swept(
    store: ObjectStore, number: int, deleted: Sequence[Condemned], spared: Iterable[Condemned], over: int = 0
) -> Swept:
    """Put the note that an epoch is done, and return it."""
    note = Swept(
        number=number,
        created_at=timestamp(),
        deleted=len(deleted),
        deleted_bytes=sum(entry.size for entry in deleted),
        spared=tuple(sorted(spared)),
        over=over,
    )
    store.put(epoch_key(number, swept=True), seal(note))
    return note


def over_up_to(store: ObjectStore, epochs: Iterable[EpochKey]) -> int:
    """Return the number up to which epochs are over, by the record that tells the greatest: what is over stays so."""
    numbers = (key.number for key in epochs if not key.swept)
    return _greatest(_down_to_over(partial(read_epoch, store), numbers))


def over_by_now(store: ObjectStore, epochs: Collection[EpochKey]) -> int:
    """Return the number up to which the next epoch says that they are: the greatest that a record or a note tells."""
    numbers = (key.number for key in epochs if key.swept)
    return max(over_up_to(store, epochs), _greatest(_down_to_over(partial(_whole_note, store), numbers)))


def _greatest(told: Iterable[tuple[int, Epoch | Swept | None]]) -> int:
    return max((found.over for _, found in told if found), default=0)


def _down_to_over(read: Callable[[int], Told | None], numbers: Iterable[int]) -> Iterator[tuple[int, Told | None]]:
    """Read records, or notes, from the newest down to what is over by one that was read.

    Those below tell less, for each tells of numbers below its own.
    """
    over = 0
    for number in sorted(numbers, reverse=True):
        if number <= over:
            return
        found = read(number)
        over = max(over, found.over if found else 0)
        yield number, found


def _whole_note(store: ObjectStore, number: int) -> Swept | None:
    """Read a note; None: it is gone or damaged."""
    try:
        return read_note(store, number)
    except StorageRefusedError as error:
        if error.code not in UNREADABLE:
            raise
        return None


def settled_up_to(epochs: Mapping[EpochKey, datetime], over: int, fence: datetime) -> int:
    """Return the number up to which epochs are over as of a fence: all of them were done so long before it was made."""
    while (done := epochs.get(EpochKey(over + 1, swept=True))) is not None and fence - done >= SETTLED:
        over += 1
    return over


def drop_over(store: ObjectStore, over: int) -> None:
    """Delete the records of the epochs up to a number, and once all of them are gone the notes that they are done.

    A note that went before its record would let a collector that was stopped go on. What the store keeps is told.
    """
    keys = [key for key in sorted(listed_epochs(store)) if key.number <= over]
    for swept in (False, True):
        if going := [epoch_key(number, swept=swept) for number, is_note in keys if is_note == swept]:
            try:
                store.delete_many(going)
            except StorageError as error:
                log.warning("Epochs that are over stay, until a later collection can delete them: %s", error.message)
                return


def check_not_condemned(store: ObjectStore, keys: frozenset[str], newest: int) -> None:
    """Raise StorageRefusedError when an epoch up to the newest one lists one of the keys, or may: its record is lost.

    The newest epoch must be asked for after the commit records were listed and before the next one is created: then
    either it is known here, or its fence takes the version. No epoch lists a key that was written in it or later, and
    those that are over list none that a publication can have.
    """
    generations = {newest, *map(generation_of, keys)}
    first, last = min(generations) + 1, max(generations)
    there = {key.number for key in listed_epochs(store) if not key.swept and first <= key.number <= last}
    missing = gaps([(0, first - 1), *((number, number) for number in there)], last)
    numbers = {*there, *(run[-1] for run in missing[-1:])}
    for number, epoch in _down_to_over(partial(read_epoch, store), numbers):
        if epoch is None:
            condemned = {key for key in keys if generation_of(key) < number}
            does = f"may delete, because its record {epoch_key(number)!r} is missing or damaged"
        else:
            condemned = {entry.key for entry in epoch.condemned}
            does = "deletes"
        if found := sorted(keys & condemned):
            raise StorageRefusedError(
                f"Expected objects that are kept, found {len(found)} that garbage collection {does}: {found[0]!r}.",
                remedy="Run it again: what is needed is uploaded anew, under keys of its own.",
                code="object_condemned",
            )
