"""What of ours lies in a store: the one place where listings are read. What is somebody else's is passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from tasks.snapshots.layout import Kind
    from tasks.storage import ObjectInfo, ObjectStore


class Listed(NamedTuple):
    """An object, and what its kind's pattern found in its key."""

    info: ObjectInfo
    found: re.Match[str]


def listed(store: ObjectStore, kind: Kind, below: str = "") -> Iterator[Listed]:
    """List the objects of a kind, those alone that go on with ``below`` after its prefix, in the order of their keys.

    Folder markers, what file managers and file systems leave (``.DS_Store``, ``.nfs…``), and anything else that has
    another name than labelsnap gives is not of any kind. Raises StorageError when the store cannot tell.
    """
    for info in store.list(f"{kind.prefix}{below}"):
        if (found := kind.match(info.key)) is not None:
            yield Listed(info, found)
