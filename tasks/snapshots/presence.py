"""Whether objects that nobody reads now are still in the store, at a request a folder rather than one an object."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tasks.snapshots.manifest import Contents
    from tasks.storage import ObjectStore

_PARALLEL: Final = 16
_FEW: Final = 2  # objects of one folder that are asked for one by one; of more the folder is listed


def sizes_of(contents: Contents) -> dict[str, int]:
    """Return the size in bytes of each object that a snapshot, or a part of one, consists of, by key."""
    whole = {file.key: file.size for file in contents.files if file.key and file.offset is None}
    return whole | {pack.key: pack.size for pack in contents.packs}


def absent(store: ObjectStore, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """Return which of these objects are missing or have another size, by key. Raises StorageError."""
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for key in sizes:
        folders[key.rpartition("/")[0]].append(key)
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="presence") as pool:
        found = dict(chain.from_iterable(pool.map(lambda each: _found(store, *each), folders.items())))
    return tuple(sorted(key for key, size in sizes.items() if found.get(key) != size))


def _found(store: ObjectStore, folder: str, keys: Collection[str]) -> Iterable[tuple[str, int]]:
    """Return the keys and sizes of those objects of a folder that are there."""
    if len(keys) > _FEW:
        wanted = frozenset(keys)
        return [(info.key, info.size) for info in store.list(f"{folder}/") if info.key in wanted]
    return [(key, info.size) for key in keys if (info := store.head(key)) is not None]
