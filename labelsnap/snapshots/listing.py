"""What of ours lies in a store: the one place where listings are read. What is somebody else's is passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.layout import COMMITS, EPOCHS, TAGS

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from labelsnap.snapshots.layout import Kind
    from labelsnap.storage import ObjectInfo, ObjectStore


MOST: Final = {COMMITS: 1_000_000, EPOCHS: 1_000_000, TAGS: 100_000}
"""How many records of a kind there are at most: each is held in memory, and most of them are read."""
MOST_LISTED: Final = 100_000_000


class Listed(NamedTuple):
    """An object, and what its kind's pattern found in its key."""

    info: ObjectInfo
    found: re.Match[str]


def listed(store: ObjectStore, kind: Kind, below: str = "", *, after: str = "") -> Iterator[Listed]:
    """List the objects of a kind, those alone that go on with ``below`` after its prefix, in the order of their keys.

    With ``after`` those alone whose keys come behind it.

    Folder markers, what file managers and file systems leave (``.DS_Store``, ``.nfs…``), and anything else that has
    another name than labelsnap gives is not of any kind. Raises StorageError when the store cannot tell.
    """
    most, count = MOST.get(kind.prefix, MOST_LISTED), 0
    for seen, info in enumerate(store.list(f"{kind.prefix}{below}", after=after)):
        if (found := kind.match(info.key)) is not None:
            yield Listed(info, found)
            count += 1
        if count > most or seen > MOST_LISTED:
            raise StorageRefusedError(
                f"Expected {most} objects at most below {kind.prefix!r} of {store.url}, found more.",
                remedy="Check that the URL leads to the store itself, and what it has there: no dataset has so many.",
                code="listing_endless",
            )
