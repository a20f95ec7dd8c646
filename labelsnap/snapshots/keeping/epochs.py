"""Epochs of garbage collection: which objects may be deleted, so that nobody builds on one of them.

A data object's key says in which epoch it was written. An epoch lists keys that were written before it and are in no
kept version; from then on no publication may use them but those that its parent has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.layout import EPOCH, EpochKey, epoch_key, generation_of
from labelsnap.snapshots.listing import listed
from labelsnap.snapshots.manifest import FORMAT_VERSION
from labelsnap.snapshots.runs import gaps
from labelsnap.snapshots.sealed import fields_of, unseal
from labelsnap.snapshots.values import Moment, Number, Size
from labelsnap.storage.interface import DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from labelsnap.snapshots.manifest import Contents
    from labelsnap.storage import ObjectStore


class Condemned(msgspec.Struct, frozen=True, order=True):
    """An object that no kept version has."""

    key: str
    size: Size


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch: condemned objects, sorted by key. ``head`` is the version that was the newest then."""

    format_version: int = FORMAT_VERSION
    number: Number
    head: Number
    created_at: Moment
    write_id: str
    condemned: tuple[Condemned, ...]


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """The note that an epoch's objects are deleted, but for those that were ``spared`` (a version has them again)."""

    format_version: int = FORMAT_VERSION
    number: Number
    created_at: Moment
    deleted: Number
    deleted_bytes: Number
    spared: tuple[Condemned, ...]


def epoch_keys(store: ObjectStore) -> tuple[EpochKey, ...]:
    """List epochs and the notes that they are done, in order."""
    return tuple(sorted(listed_epochs(store)))


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
    return epoch if epoch.number == number else None


def keys_of(contents: Contents) -> frozenset[str]:
    """Return the keys of all objects that a snapshot, or a part of one, consists of, below its manifest."""
    return frozenset({file.key for file in contents.files if file.key} | {pack.key for pack in contents.packs})


def check_not_condemned(store: ObjectStore, keys: frozenset[str], newest: int) -> None:
    """Raise StorageRefusedError when an epoch up to the newest one lists one of the keys, or may: its record is lost.

    The newest epoch must be asked for after the commit records were listed and before the next one is created: then
    either it is known here, or its fence takes the version. No epoch lists a key that was written in it or later.
    """
    generations = {newest, *map(generation_of, keys)}
    first, last = min(generations) + 1, max(generations)
    there = {key.number for key in epoch_keys(store) if not key.swept and first <= key.number <= last}
    missing = gaps([(0, first - 1), *((number, number) for number in there)], last)
    for number in sorted({*there, *(run[-1] for run in missing[-1:])}):
        epoch = read_epoch(store, number)
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
