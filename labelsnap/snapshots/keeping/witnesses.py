"""What says that there was a version, apart from its own record: tags and epochs of garbage collection."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.keeping.epochs import listed_epochs, newest_of, read_epoch
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


class Heard(NamedTuple):
    """The highest version that a tag or an epoch names, and the number of the newest epoch that is listed (0: none)."""

    witness: Witness
    epoch: int


NOBODY: Final = Witness(0, "")


def hear_witnesses(store: ObjectStore) -> Heard:
    """Return what tags and epochs say, which are asked for side by side.

    Ask before the commit records are listed: then the record of that version must be among them. What is damaged says
    nothing here. Raises StorageError when the store cannot tell.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="epochs") as pool:
        of_epochs = pool.submit(_newest_head, store)
        names = [found["name"] for _, found in listed(store, TAG)]
        tagged = list(side_by_side(partial(_tagged, store), names))
        head, epoch = of_epochs.result()
    return Heard(max([NOBODY, *tagged, head]), epoch)


def _tagged(store: ObjectStore, name: str) -> Witness:
    try:
        tag = read_tag(store, name)
    except StorageRefusedError as error:
        if error.code not in UNREADABLE:
            raise
        return NOBODY
    return Witness(tag.version, tag_key(name)) if tag else NOBODY


def _newest_head(store: ObjectStore) -> Heard:
    """Return what the newest epoch that can be read says: the newest version is never lower than at those before."""
    keys = listed_epochs(store)
    newest = newest_of(keys)
    for number in sorted({key.number for key in keys if not key.swept}, reverse=True):
        try:
            epoch = read_epoch(store, number)
        except StorageRefusedError as error:
            if error.code not in UNREADABLE:
                raise
            continue
        if epoch:
            return Heard(Witness(epoch.head, epoch_key(number)), newest)
    return Heard(NOBODY, newest)
