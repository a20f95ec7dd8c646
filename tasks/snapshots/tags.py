"""Names for versions: made once, never moved, and what they name is kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from tasks.errors import ConfigurationError, StorageRefusedError
from tasks.snapshots.commit import settled
from tasks.snapshots.history import Commit, read_history
from tasks.snapshots.layout import TAG, TAG_NAME, tag_key
from tasks.snapshots.listing import listed
from tasks.snapshots.manifest import FORMAT_VERSION, damaged
from tasks.snapshots.sealed import seal, timestamp, unseal
from tasks.storage import probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.snapshots.history import History
    from tasks.storage import ObjectStore


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A name for a version and its manifest (sha256)."""

    format_version: int = FORMAT_VERSION
    name: str
    version: int
    manifest: str
    created_at: str
    write_id: str


def tag(store: ObjectStore, name: str, version: int, *, sleep: Callable[[float], None] = time.sleep) -> Tag:
    """Give a version a name, for good. Repeating the call gives the same tag.

    Raises ConfigurationError for a name that cannot be one or a version that is not kept, StorageRefusedError for a
    name that is another version's; StorageOutcomeUnknownError when the store's answer is lost: then repeat the call.
    """
    if not TAG_NAME.fullmatch(name):
        raise ConfigurationError(
            f"Expected a tag of letters, digits, '.', '_' and '-' that is no number and not 'latest', found {name!r}.",
            remedy="Choose a name of up to 64 characters that begins with a letter or digit.",
            code="tag_name",
        )
    history = read_history(store, expired=False)
    named = kept_version(store, history, version)
    probe(store, single_writer=history.single_writer)
    body = seal(Tag(name=name, version=version, manifest=named.manifest, created_at=timestamp(), write_id=uuid4().hex))
    standing = read_tag(store, name)
    if standing is None:
        replace = history.single_writer
        standing = decode_tag(settled(store, tag_key(name), body, replace=replace, sleep=sleep), name)
    if standing.version != version:
        raise StorageRefusedError(
            f"Expected a new tag, found that {name!r} names version {standing.version} of {store.url}.",
            remedy="Tags never move: choose another name.",
            code="tag_taken",
        )
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
        known = any(key.version == version for key in history.keys)
        raise ConfigurationError(
            f"Expected a kept version of {store.url}, found {version}, which {'expired' if known else 'is none'}.",
            remedy="`labelsnap snapshots list` shows those there are.",
            code="version_expired" if known else "unknown_version",
        )
    return named[-1]


def list_tags(store: ObjectStore) -> tuple[Tag, ...]:
    """Return all tags by name. Raises StorageRefusedError when one is damaged."""
    names = [found["name"] for _, found in listed(store, TAG)]
    tags = (read_tag(store, name) for name in names)
    return tuple(found for found in tags if found is not None)


def read_tag(store: ObjectStore, name: str) -> Tag | None:
    """Return the tag with this name, if there is one. Raises StorageRefusedError when it is damaged."""
    body = store.get(tag_key(name))
    return decode_tag(body, name) if body is not None else None


def decode_tag(body: bytes, name: str) -> Tag:
    """Read a tag's bytes. Raises StorageRefusedError when they are damaged or another tag's."""
    remedy = "Restore the object from a copy of the bucket, or remove it, and give the version the name again."
    found = unseal(body, Tag, name=f"the tag {tag_key(name)!r}", remedy=remedy)
    if found.name != name:
        raise damaged(f"the tag {tag_key(name)!r}", f"the tag {found.name!r}", remedy=remedy)
    return found
