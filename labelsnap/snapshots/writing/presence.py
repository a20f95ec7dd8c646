"""Whether objects that are kept, and that nobody reads, are still there: a request for many, not one an object."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from labelsnap.snapshots.manifest import damaged
from labelsnap.snapshots.reading.at_hand import AtHandStore
from labelsnap.snapshots.reading.looking import looked_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labelsnap.snapshots.manifest import Contents, File, Manifest
    from labelsnap.storage import ObjectStore

RECENT: Final = 300.0
"""What a list told so many seconds before a version is published is not asked again."""
_REMEDY: Final = (
    "Nothing was published. Restore the object from a copy of the bucket. Where there is none, go back by `labelsnap "
    "snapshots rollback {url}@VERSION` to a version that `labelsnap snapshots verify` finds whole, and refresh again."
)


def sizes_of(contents: Contents) -> dict[str, int]:
    """Return the size in bytes of each object that a snapshot consists of, by key."""
    whole = {file.key: file.size for file in contents.files if file.key and file.offset is None}
    return whole | {pack.key: pack.size for pack in contents.packs}


def keys_in(files: Iterable[File]) -> frozenset[str]:
    """Return the keys of the objects that hold these files."""
    return frozenset(part.key for file in files for part in file.ranges)


def absent_of(store: ObjectStore, manifest: Manifest, files: Iterable[File]) -> tuple[str, ...]:
    """Return which of the objects that hold these files of a snapshot are missing or have another size, by key."""
    keys = keys_in(files)
    return absent(store, {key: size for key, size in sizes_of(manifest).items() if key in keys})


def check_kept_objects(store: ObjectStore, earlier: Contents, contents: Contents) -> None:
    """Raise StorageRefusedError when an object is lost that a snapshot, or a part of one, has of an earlier one."""
    standing = sizes_of(earlier)
    lost = absent(store, {key: size for key, size in sizes_of(contents).items() if key in standing}, RECENT)
    if lost:
        more = f", and {len(lost) - 1} more are lost" if len(lost) > 1 else ""
        raise damaged(f"the object {lost[0]!r}", f"none of that size{more}", remedy=_REMEDY.format(url=store.url))


def absent(store: ObjectStore, sizes: Mapping[str, int], seconds: float = inf) -> tuple[str, ...]:
    """Return which of these objects are missing or have another size, by key. Raises StorageError.

    Of what the list at hand told less than so many seconds ago the store is not asked.
    """
    if isinstance(store, AtHandStore):
        found = store.looked_for(sizes.keys(), seconds)
    else:
        found = looked_for(store, sizes.keys())
    return tuple(sorted(key for key, size in sizes.items() if key not in found or found[key].size != size))
