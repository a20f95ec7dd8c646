"""What says that there was a version, apart from its own record: tags and epochs of garbage collection."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.keeping.epochs import listed_epochs, read_epoch
from labelsnap.snapshots.keeping.records import side_by_side
from labelsnap.snapshots.keeping.tags import read_tag
from labelsnap.snapshots.layout import TAG, epoch_key, tag_key
from labelsnap.snapshots.listing import listed
from labelsnap.snapshots.manifest import UNREADABLE

if TYPE_CHECKING:
    from labelsnap.storage import ObjectStore


class Witness(NamedTuple):
    """A version that there was, by what the object under a key says; 0: nothing says that there was any."""

    version: int
    key: str


NOBODY: Final = Witness(0, "")


def highest_witness(store: ObjectStore) -> Witness:
    """Return the highest version that a tag or an epoch names.

    Ask before the commit records are listed: then the record of that version must be among them. What is damaged says
    nothing here. Raises StorageError when the store cannot tell.
    """
    names = [found["name"] for _, found in listed(store, TAG)]
    return max([NOBODY, *side_by_side(partial(_tagged, store), names), _newest_head(store)])


def _tagged(store: ObjectStore, name: str) -> Witness:
    try:
        tag = read_tag(store, name)
    except StorageRefusedError as error:
        if error.code not in UNREADABLE:
            raise
        return NOBODY
    return Witness(tag.version, tag_key(name)) if tag else NOBODY


def _newest_head(store: ObjectStore) -> Witness:
    """Return what the newest epoch that can be read says: the newest version is never lower than at those before."""
    numbers = {key.number for key in listed_epochs(store) if not key.swept}
    for number in sorted(numbers, reverse=True):
        try:
            epoch = read_epoch(store, number)
        except StorageRefusedError as error:
            if error.code not in UNREADABLE:
                raise
            continue
        if epoch:
            return Witness(epoch.head, epoch_key(number))
    return NOBODY
