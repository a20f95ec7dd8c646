"""Naming versions: a name is made once and never moved, and what it names is kept until it is taken away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import uuid4

from labelsnap.errors import ConfigurationError, StorageRefusedError
from labelsnap.snapshots.keeping.history import list_records, missing_records, read_history
from labelsnap.snapshots.keeping.records import Commit, read_manifest
from labelsnap.snapshots.keeping.tags import Tag, astray, decode_tag, read_tag
from labelsnap.snapshots.keeping.witnesses import Witness
from labelsnap.snapshots.layout import is_tag_name, tag_key
from labelsnap.snapshots.manifest import UNREADABLE
from labelsnap.snapshots.runs import holds
from labelsnap.snapshots.sealed import seal, timestamp
from labelsnap.snapshots.writing.commit import settled
from labelsnap.storage import probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from labelsnap.snapshots.keeping.history import History
    from labelsnap.storage import ObjectStore


def tag(store: ObjectStore, name: str, version: int, *, sleep: Callable[[float], None] = time.sleep) -> Tag:
    """Give a version a name, for good. Repeating the call gives the same tag.

    Raises ConfigurationError for a name that cannot be one or a version that is not kept, StorageRefusedError for a
    name that is another version's, and where the version's manifest is missing or damaged;
    StorageOutcomeUnknownError when the store's answer is lost: then repeat the call.
    """
    if not is_tag_name(name):
        raise ConfigurationError(
            f"Expected a tag of letters, digits, '.', '_' and '-' that is no number and not 'latest', found {name!r}.",
            remedy="Choose a name of up to 64 characters that begins with a letter or digit.",
            code="tag_name",
        )
    history = read_history(store, expired=False)
    named = kept_version(store, history, version)
    read_manifest(store, named.manifest)
    probe(store, single_writer=history.single_writer)
    body = seal(Tag(name=name, version=version, manifest=named.manifest, created_at=timestamp(), write_id=uuid4().hex))
    standing = read_tag(store, name)
    if standing is None:
        replace = history.single_writer
        standing = decode_tag(settled(store, tag_key(name), body, replace=replace, sleep=sleep), name)
    if standing.version != version:
        raise StorageRefusedError(
            f"Expected a new tag, found that {name!r} names version {standing.version} of {store.url}.",
            remedy="Tags never move: choose another name, or take this one away with `labelsnap snapshots untag`.",
            code="tag_taken",
        )
    if standing.manifest != named.manifest:
        raise astray(store, standing)
    kept_version(store, read_history(store, expired=False), version)  # whoever expires it from now on finds the tag
    return standing


def kept_version(store: ObjectStore, history: History, version: int) -> Commit:
    """Return the record of a version. Raises ConfigurationError when there is none or it has expired.

    Raises StorageRefusedError when its record is damaged.
    """
    if version in history.damaged:
        raise history.damaged[version]
    named = [commit for commit in history.live if commit.version == version]
    if not named:
        known = holds(history.expired, version)
        raise ConfigurationError(
            f"Expected a kept version of {store.url}, found {version}, which {'expired' if known else 'is none'}.",
            remedy="`labelsnap snapshots list` shows those there are.",
            code="version_expired" if known else "unknown_version",
        )
    return named[-1]


def tag_fault(store: ObjectStore, history: History, tags: Iterable[Tag]) -> StorageRefusedError | None:
    """Return the error for a tag that names what its version is not; None: each of a version that was read is right."""
    read = {commit.version for commit in history.commits}
    true = {(commit.version, commit.manifest) for commit in history.commits}
    wrong = (tag for tag in tags if tag.version in read and (tag.version, tag.manifest) not in true)
    return next((astray(store, tag) for tag in wrong), None)


def untag(store: ObjectStore, name: str) -> Tag | None:
    """Take a name away, and return the tag; None: it was damaged. Its version may expire then.

    Raises ConfigurationError when there is no such tag, and StorageRefusedError when it alone says that there was a
    version whose record is lost.
    """
    if not is_tag_name(name) or store.head(tag_key(name)) is None:
        raise ConfigurationError(
            f"Expected the name of a version of {store.url}, found {name!r}, which is none.",
            remedy="`labelsnap snapshots list` shows the names there are.",
            code="unknown_tag",
        )
    try:
        standing = read_tag(store, name)
    except StorageRefusedError as error:
        if error.code not in UNREADABLE:
            raise
        standing = None
    newest = list_records(store).newest
    if standing is not None and standing.version > newest:
        raise missing_records(store, ((newest + 1, standing.version),), Witness(standing.version, tag_key(name)))
    store.delete(tag_key(name))
    return standing
