"""Which objects there are: by lists as long as each page tells of several, and then one by one.

A page tells of a thousand objects, one after another by their keys, of all versions together: of a young dataset it
tells all, of an old one of which nothing was collected of few that are looked for. More than a request for each of
these, and one, are never made.
"""

from __future__ import annotations

from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from posixpath import commonpath, dirname
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from labelsnap.storage import ObjectStore
    from labelsnap.storage.interface import ObjectInfo

PAGE: Final = 1000
"""Of so many objects a request tells that lists them."""
WORTH: Final = 4
"""A list is gone on with as long as its pages told of so many objects each that are looked for, on average."""
MOST_LISTED: Final = 10_000
"""Of so many objects it is held that they stand, at most."""
_FEW: Final = 2  # objects that are asked for one by one, whatever there is beside them
_PARALLEL: Final = 16


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list told: the objects up to a key (None: all), and when it was asked for, by this machine's clock."""

    found: dict[str, ObjectInfo]
    until: bytes | None
    since: float

    def tells_of(self, key: str) -> bool:
        """Whether an object would be among what was found if it stood."""
        return self.until is None or key.encode() <= self.until


def listed(store: ObjectStore, prefix: str, expected: Sequence[bytes]) -> Listed:
    """List what stands below a prefix, as long as it tells of those that are ``expected``, whose keys are sorted.

    Where nothing is, and so for a new dataset, the list is read to its end. Raises StorageError.
    """
    since = monotonic()
    found: dict[str, ObjectInfo] = {}
    for count, info in enumerate(store.list(prefix), start=1):
        found[info.key] = info
        if count % PAGE and count < MOST_LISTED:
            continue
        end = info.key.encode()
        if count >= MOST_LISTED or (expected and not _is_worth(count // PAGE, bisect_right(expected, end))):
            return Listed(found, end, since)
    return Listed(found, None, since)


def looked_for(store: ObjectStore, keys: Collection[str]) -> dict[str, ObjectInfo]:
    """Return those of these objects that are there, by key. Raises StorageError.

    A page begins with the next of them, where that lies in another folder than the last page's end.
    """
    wanted = sorted(keys, key=str.encode)
    names = [key.encode() for key in wanted]
    found: dict[str, ObjectInfo] = {}
    told, pages, listing, end = 0, 0, None, ""
    while len(wanted) - told > _FEW and _is_worth(pages, told):
        listing = listing or store.list(_shared(wanted), after=max(wanted[told][:-1], end, key=str.encode))
        page = list(islice(listing, PAGE))
        pages += 1
        found |= {info.key: info for info in page if info.key in keys}
        if len(page) < PAGE:
            return found
        end = page[-1].key
        told = bisect_right(names, end.encode())
        if told < len(wanted) and dirname(wanted[told]) != dirname(end):
            listing = None
    left = wanted[told:]
    return found | _each(store, left) if left else found


def _is_worth(pages: int, told: int) -> bool:
    """Whether a list is gone on with that told of so many objects which are looked for by so many pages."""
    return told >= WORTH * pages


def _shared(keys: Sequence[str]) -> str:
    """The folder that all of these objects, which are sorted, lie below."""
    folder = commonpath([f"/{dirname(keys[0])}", f"/{dirname(keys[-1])}"]).strip("/")
    return f"{folder}/" if folder else ""


def _each(store: ObjectStore, keys: Sequence[str]) -> dict[str, ObjectInfo]:
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="looking") as pool:
        return {info.key: info for info in pool.map(store.head, keys) if info}
