"""Going back: an older version's manifest becomes the newest version."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import uuid4

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.keeping.behind import left_behind
from labelsnap.snapshots.keeping.history import every_record, published_by, read_history
from labelsnap.snapshots.keeping.records import Commit, read_manifest
from labelsnap.snapshots.keeping.tagging import kept_version
from labelsnap.snapshots.writing.commit import LostRace, recommit
from labelsnap.storage import probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelsnap.storage import ObjectStore


def rollback(
    store: ObjectStore,
    version: int,
    *,
    publish_id: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Commit:
    """Publish an older version's manifest as the newest version; nothing is copied, and no version is removed.

    Gives back the new version, or the newest one when that has this manifest already. Raises ConfigurationError for
    a version that is not kept, StorageRefusedError when its manifest is missing or damaged, or something else was
    published meanwhile, and StorageOutcomeUnknownError when an answer is lost: then repeat the call with the same
    ``publish_id``.
    """
    history = read_history(store)
    if publish_id is not None and (mine := published_by(store, history, publish_id)) is not None:
        return mine
    target = kept_version(store, history, version)
    read_manifest(store, target.manifest)
    probe(store, single_writer=history.single_writer)
    head = history.commits[-1]
    if head.manifest == target.manifest:
        return head
    outcome = recommit(
        store,
        history,
        target,
        action="rollback",
        publish_id=publish_id or uuid4().hex,
        behind=left_behind(store, every_record(store, version - 1), target),
        sleep=sleep,
    )
    if isinstance(outcome, LostRace):
        raise lost_race(store, head, outcome)
    return outcome.commit


def lost_race(store: ObjectStore, head: Commit, outcome: LostRace) -> StorageRefusedError:
    """Return the error for a change that was decided upon when another version was the newest one."""
    return StorageRefusedError(
        f"Expected version {head.version} of {store.url} to be the newest, found that {outcome.head} was published.",
        remedy="Nothing was changed. Look at what was published, and run the command again if it still holds.",
        code="lost_race",
    )
