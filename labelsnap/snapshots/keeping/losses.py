"""What of the versions that should be kept cannot be: known when a person gives it up.

The newest record says which versions have expired. Where it is lost an earlier one says so, which knows of fewer; but
what an epoch of garbage collection listed had expired by then, and may be deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.keeping.epochs import listed_epochs, read_epoch, read_note
from labelsnap.snapshots.keeping.history import without_way_on
from labelsnap.snapshots.keeping.records import read_manifest, side_by_side
from labelsnap.snapshots.layout import MANIFEST
from labelsnap.snapshots.manifest import UNREADABLE
from labelsnap.snapshots.runs import holds, merged, runs_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labelsnap.snapshots.keeping.history import History
    from labelsnap.snapshots.keeping.records import Commit
    from labelsnap.snapshots.runs import Runs
    from labelsnap.storage import ObjectStore


@dataclass(frozen=True, slots=True)
class Losses:
    """``swept`` are versions that had expired already; ``lost`` those without a record or manifest that can be read.

    ``manifests`` are the sha256s of manifests that are gone or damaged.
    """

    swept: tuple[int, ...] = ()
    lost: Runs = ()
    manifests: frozenset[str] = frozenset()

    def standing(self, commits: Iterable[Commit]) -> tuple[Commit, ...]:
        """Return the versions that are left."""
        return tuple(each for each in commits if each.version not in self.swept and not holds(self.lost, each.version))


def losses_of(store: ObjectStore, history: History) -> Losses:
    """Look for what cannot be kept; reads all epochs, and the manifests of all kept versions.

    Raises StorageRefusedError when nothing would be left to go on from, and for a manifest of a later format.
    """
    condemned = _condemned_manifests(store)
    swept = tuple(each.version for each in history.live if each.version <= condemned.get(each.manifest, 0))
    left = Losses(swept).standing(history.live)
    manifests = sorted({each.manifest for each in left})
    looked = zip(manifests, side_by_side(partial(_fault, store), manifests), strict=True)
    faults = {sha256: fault for sha256, fault in looked if fault}
    unread = [each.version for each in left if each.manifest in faults]
    lost = merged((*history.missing, *runs_of((*history.damaged, *unread))))
    losses = Losses(swept, lost, frozenset(faults))
    if history.live and not losses.standing(history.live):
        raise without_way_on(next(iter(faults.values())) if faults else _all_swept(store))
    return losses


def is_lost(store: ObjectStore, sha256: str) -> bool:
    """Say whether a manifest is gone or damaged."""
    return _fault(store, sha256) is not None


def _fault(store: ObjectStore, sha256: str) -> StorageRefusedError | None:
    try:
        read_manifest(store, sha256)
    except StorageRefusedError as error:
        if error.code not in UNREADABLE or error.code == "format_version":
            raise
        return error
    return None


def _condemned_manifests(store: ObjectStore) -> dict[str, int]:
    """Return of each manifest that an epoch lists, and that was not spared, the newest version then.

    An epoch that cannot be read says nothing: a manifest that it listed is gone, or its version is kept again.
    """
    found: dict[str, int] = {}
    for key in sorted(listed_epochs(store)):
        if key.swept:
            continue
        try:
            epoch = read_epoch(store, key.number)
            note = read_note(store, key.number)
        except StorageRefusedError as error:
            if error.code not in UNREADABLE:
                raise
            continue
        if epoch:
            spared = note.spared if note else ()
            found |= {entry.key: epoch.head for entry in sorted(set(epoch.condemned).difference(spared))}
    matches = ((MANIFEST.match(key), head) for key, head in found.items())
    return {match["sha256"]: head for match, head in matches if match}


def _all_swept(store: ObjectStore) -> StorageRefusedError:
    return StorageRefusedError(
        f"Expected a version of {store.url} whose objects are there, found that all had expired and were deleted.",
        remedy="",
        code="version_gap",
    )
