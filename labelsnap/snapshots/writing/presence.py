"""Whether objects that are kept, and that nobody reads, are still there: a request a folder, not one an object.

Where few objects stand, of this version and others, one list tells all of them.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from posixpath import commonpath
from typing import TYPE_CHECKING, Final

from labelsnap.snapshots.manifest import damaged

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from labelsnap.snapshots.manifest import Contents, File, Manifest
    from labelsnap.storage import ObjectStore

_PARALLEL: Final = 16
_REMEDY: Final = (
    "Nothing was published. Restore the object from a copy of the bucket. Where there is none, go back by `labelsnap "
    "snapshots rollback {url}@VERSION` to a version that `labelsnap snapshots verify` finds whole, and refresh again."
)
_AT_ONCE: Final = 3000  # objects of all folders together, which S3 lists by three requests
_FEW: Final = 2  # objects of one folder that are asked for one by one; of more the folder is listed


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
    lost = absent(store, {key: size for key, size in sizes_of(contents).items() if key in standing})
    if lost:
        more = f", and {len(lost) - 1} more are lost" if len(lost) > 1 else ""
        raise damaged(f"the object {lost[0]!r}", f"none of that size{more}", remedy=_REMEDY.format(url=store.url))


def absent(store: ObjectStore, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """Return which of these objects are missing or have another size, by key. Raises StorageError."""
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for key in sizes:
        folders[key.rpartition("/")[0]].append(key)
    found = _found_at_once(store, folders) if len(folders) > 1 else None
    if found is None:
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="presence") as pool:
            found = dict(chain.from_iterable(pool.map(lambda each: _found(store, *each), folders.items())))
    return tuple(sorted(key for key, size in sizes.items() if found.get(key) != size))


def _found_at_once(store: ObjectStore, folders: Iterable[str]) -> dict[str, int] | None:
    """Return the sizes of all objects below what several folders have in common, by key; None: there are many."""
    shared = commonpath([f"/{folder}" for folder in folders])
    found: dict[str, int] = {}
    for info in store.list(f"{shared}/".lstrip("/")):
        if len(found) == _AT_ONCE:
            return None
        found[info.key] = info.size
    return found


def _found(store: ObjectStore, folder: str, keys: Collection[str]) -> Iterable[tuple[str, int]]:
    """Return the keys and sizes of those objects of a folder that are there."""
    if len(keys) > _FEW:
        wanted = frozenset(keys)
        return [(info.key, info.size) for info in store.list(f"{folder}/") if info.key in wanted]
    return [(key, info.size) for key in keys if (info := store.head(key)) is not None]
