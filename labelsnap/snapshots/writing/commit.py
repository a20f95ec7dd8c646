"""Publishing: one object creation makes a manifest a version, and every answer is settled by reading back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import msgspec

from labelsnap.errors import StorageError, StorageOutcomeUnknownError, StorageRefusedError
from labelsnap.snapshots.keeping.behind import left_behind
from labelsnap.snapshots.keeping.checkpoints import fold
from labelsnap.snapshots.keeping.epochs import check_not_condemned, keys_of, newest_epoch
from labelsnap.snapshots.keeping.history import (
    History,
    head_version,
    keys_of_version,
    list_records,
    published_by,
    read_history,
)
from labelsnap.snapshots.keeping.records import Action, Commit, decode_commit, read_manifest, sole_key
from labelsnap.snapshots.layout import COMMIT, CommitKey, commit_key, manifest_key
from labelsnap.snapshots.manifest import Manifest, damaged, digest, encode, readable_size
from labelsnap.snapshots.runs import merged
from labelsnap.snapshots.sealed import seal, timestamp
from labelsnap.storage.interface import DOCUMENT_BYTES, RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from labelsnap.snapshots.keeping.behind import Manifests
    from labelsnap.snapshots.runs import Runs
    from labelsnap.storage import ObjectStore

DELAYS: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each attempt to create a record
PUBLISH_LIMIT: Final = timedelta(hours=12)  # garbage collection leaves alone what is younger than this


@dataclass(frozen=True, slots=True)
class Committed:
    """The manifest is a version: by this call, or by an earlier one with the same ``publish_id``."""

    commit: Commit


@dataclass(frozen=True, slots=True)
class LostRace:
    """Somebody else published on the same parent, and nothing was published here; compare with ``head``."""

    head: int


def commit(
    store: ObjectStore,
    manifest: Manifest,
    *,
    publish_id: str,
    parent: int,
    started_at: datetime,
    behind: Manifests = (),
    single_writer: bool = False,
    since: int = 0,
    sleep: Callable[[float], None] = time.sleep,
) -> Committed | LostRace:
    """Publish the manifest as version ``parent + 1``; all its objects must have been uploaded.

    ``publish_id`` is the run's, the same in every repetition. ``started_at`` is the store's clock (``probe``) before
    the first object was uploaded or found. ``behind`` is what stood behind the parent and was not taken over. ``since``
    is a version that there was before the run had its name: none up to it is the run's. Nothing
    is ever deleted here, whatever fails. Raises StorageRefusedError, and StorageOutcomeUnknownError when it cannot be
    told whether the version was made: then repeat the call.
    """
    history = read_history(store, above=since)
    if (mine := published_by(store, history, publish_id)) is not None:
        return Committed(mine)
    head = history.head.version if history.head else 0
    if head != parent:
        return LostRace(head)
    sha256 = _put_manifest(store, manifest, started_at)
    if newest := newest_epoch(store):
        check_not_condemned(store, keys_of(manifest) - _keys_of_head(store, history), newest)
    record = Commit(
        version=parent + 1,
        parent=parent,
        manifest=sha256,
        created_at=manifest.created_at,
        publish_id=publish_id,
        write_id=uuid4().hex,
        rows=manifest.result.get("rows", {}).get("published"),
        expired=history.expired,
        lost=history.given_up or msgspec.UNSET,
        behind=behind,
    )
    return _append(store, record, history, single_writer=single_writer, sleep=sleep)


def recommit(
    store: ObjectStore,
    history: History,
    standing: Commit,
    *,
    action: Action,
    publish_id: str,
    expired: Runs | None = None,
    lost: Runs = (),
    behind: Manifests | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Committed | LostRace:
    """Make a kept version's manifest the next version of this history, for another reason than new content.

    ``expired`` replaces what has expired as of its newest version, and ``lost`` is added to what is given up. Unless
    ``behind`` says what stands behind this version, what ``left_behind`` finds does.
    """
    if history.head is None:
        raise ValueError("a dataset without versions has none to repeat")
    record = msgspec.structs.replace(
        standing,
        version=history.newest + 1,
        parent=history.newest,
        created_at=timestamp(),
        publish_id=publish_id,
        write_id=uuid4().hex,
        action=action,
        expired=history.expired if expired is None else expired,
        lost=merged((*history.given_up, *lost)) or msgspec.UNSET,
        behind=left_behind(store, history.commits, standing) if behind is None else behind,
    )
    return _append(store, record, history, single_writer=history.single_writer, sleep=sleep)


def settled(
    store: ObjectStore, key: str, body: bytes, *, replace: bool = False, sleep: Callable[[float], None] = time.sleep
) -> bytes:
    """Create an object until something stands under the key, and return that: these bytes or somebody else's.

    The same key and bytes each time, never another. ``replace``: by a put, for stores without conditional creation.
    Raises StorageOutcomeUnknownError when it cannot be told what stands there.
    """
    write = partial(store.put if replace else store.create, key, body)
    cause: StorageError | None = None
    for delay in DELAYS:
        sleep(delay)
        try:
            write()
        except StorageOutcomeUnknownError as lost:
            cause = lost
        except StorageRefusedError as refused:
            if cause is None:
                raise
            raise _unknown(store, key) from refused  # an earlier attempt may have landed
        try:
            standing = store.get(key, most=max(len(body), RECORD_BYTES))
        except StorageError as unread:
            cause = unread
        else:
            if standing is not None:
                return standing
    raise _unknown(store, key) from cause


def _put_manifest(store: ObjectStore, manifest: Manifest, started_at: datetime) -> str:
    """Put the manifest under its own hash, read it back, and return the hash."""
    body = readable_size("a manifest", encode(manifest), DOCUMENT_BYTES)
    key = manifest_key(digest(body))
    store.put(key, body)
    with ThreadPoolExecutor(1, thread_name_prefix="manifest") as pool:
        looked = pool.submit(store.head, key)
        if store.get(key, most=DOCUMENT_BYTES) != body or (info := looked.result()) is None:
            raise damaged(f"the manifest {key!r}", "other bytes after writing it")
    if info.modified - started_at > PUBLISH_LIMIT:
        raise StorageRefusedError(
            f"Expected a publication to take {PUBLISH_LIMIT} at most, found that it began at {started_at}.",
            remedy="Run it again: what was uploaded is found and checked anew, and not sent again.",
            code="publish_too_slow",
        )
    return digest(body)


def _keys_of_head(store: ObjectStore, history: History) -> frozenset[str]:
    """Return the keys of the newest version's objects: kept as long as it is the newest, whatever an epoch says."""
    if history.head is None:
        return frozenset()
    return keys_of(read_manifest(store, history.head.manifest))


def _append(
    store: ObjectStore, record: Commit, history: History, *, single_writer: bool, sleep: Callable[[float], None]
) -> Committed | LostRace:
    """Create the record, and tell what stands at its version in the end: this publication or another one."""
    key = commit_key(record.version, record.write_id if single_writer else None)
    if COMMIT.match(key) is None:
        raise StorageRefusedError(
            f"Expected a number for the next version of {store.url}, found that {record.version - 1} is the last one.",
            remedy="No dataset has so many versions: take away the commit record or the tag that names this one.",
            code="version_limit",
        )
    sealed = readable_size(f"the commit record {key!r}", seal(record), RECORD_BYTES)
    body = settled(store, key, sealed, replace=single_writer, sleep=sleep)
    if single_writer:
        sole_key(keys_of_version(store, record.version), record.version)
    standing = decode_commit(body, CommitKey(record.version, key))
    if standing.publish_id == record.publish_id:
        if not single_writer:
            fold(store, record.version, history.listing.checkpoint if history.listing.hinted else 0)
        return Committed(standing)
    return LostRace(head_version(list_records(store)))


def _unknown(store: ObjectStore, key: str) -> StorageOutcomeUnknownError:
    return StorageOutcomeUnknownError(
        f"Expected to learn whether {key!r} was created in {store.url}, found no answer that settles it.",
        remedy="Run the same run again when the store answers: if it was published, that version is the result.",
        code="commit_unknown",
    )
