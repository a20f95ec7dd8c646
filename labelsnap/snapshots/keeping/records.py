"""Commit records, one by one: what each says of its version, and what is told of one that cannot be read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import msgspec

from labelsnap.decoders import decoder_of
from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.layout import CommitKey, manifest_key
from labelsnap.snapshots.manifest import FORMAT_VERSION, NOT_SUCH_JSON, UNREADABLE, Manifest, damaged, decode_manifest
from labelsnap.snapshots.runs import Runs
from labelsnap.snapshots.sealed import fields_of, unseal
from labelsnap.snapshots.values import Moment, Number, Sha256
from labelsnap.storage.interface import DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from labelsnap.storage import ObjectStore

Asked = TypeVar("Asked")
Told = TypeVar("Told")
Action = Literal["publish", "rollback", "expire", "fence"]
"""Why a version was made. All but ``publish`` name the manifest of an earlier version."""

WAY_OUT: Final = (
    "Nothing is deleted until then, and other versions can be read by their numbers. Where there is no copy, "
    "`labelsnap snapshots expire {url} --keep N --lost --yes` gives the version up."
)
_PARALLEL: Final = 16
_AHEAD: Final = 512


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the dataset. ``manifest`` is a sha256, ``parent`` the version before (0: none).

    ``expired`` holds, as of this version, the versions that are kept no longer; ``lost`` those of them whose records or
    manifests are gone, or cannot be read, and are looked for no longer. ``behind`` are the sha256s of manifests that
    gave away class ids and splits which this one does not know of (see ``behind.py``); records did not always say so.
    """

    format_version: int = FORMAT_VERSION
    version: Number
    parent: Number
    manifest: Sha256
    created_at: Moment
    publish_id: str
    write_id: str
    rows: Number | None = None
    action: Action = "publish"
    expired: Runs = ()
    lost: Runs | msgspec.UnsetType = msgspec.UNSET
    behind: tuple[Sha256, ...] | msgspec.UnsetType = msgspec.UNSET


Outcome = Commit | StorageRefusedError
"""A record, or why it cannot be read."""


def side_by_side(work: Callable[[Asked], Told], asked: Iterable[Asked]) -> Iterator[Told]:
    """Give what the work gives of each, in their order; sixteen are asked of the store at a time.

    No more is held than some hundred answers that nobody has taken yet, of however many.
    """
    each = list(asked)
    if len(each) <= 1:
        yield from map(work, each)
        return
    with ThreadPoolExecutor(_PARALLEL) as pool:
        for begin in range(0, len(each), _AHEAD):
            yield from pool.map(work, each[begin : begin + _AHEAD])


def sole_key(keys: Sequence[CommitKey], version: int) -> CommitKey:
    """Return the key of an existing version. Raises StorageRefusedError when two records claim it (a fork)."""
    claims = [key for key in keys if key.version == version]
    if len(claims) > 1:
        raise StorageRefusedError(
            f"Expected one commit record for version {version}, found a fork: {', '.join(key.key for key in claims)}.",
            remedy="Two refreshes wrote to a single-writer dataset. Decide which record counts, remove the other one, "
            "and let one refresh run at a time. Other versions can be read by their number.",
            code="fork",
        )
    return claims[0]


def read_commit(store: ObjectStore, key: CommitKey) -> Commit:
    """Read one commit record. Raises StorageRefusedError when it is missing or damaged."""
    found = outcome_of(store, key)
    if isinstance(found, StorageRefusedError):
        raise found
    return found


def readable(store: ObjectStore, key: CommitKey) -> Commit | None:
    """Read one commit record; None: it is missing or damaged."""
    found = outcome_of(store, key)
    return found if isinstance(found, Commit) else None


def decode_commit(body: bytes, key: CommitKey) -> Commit:
    """Read a commit record's bytes. Raises StorageRefusedError when they are damaged or of another version."""
    commit = unseal(body, Commit, name=f"the commit record {key.key!r}")
    if commit.version != key.version:
        raise damaged(f"the commit record {key.key!r}", f"the record of version {commit.version}")
    return commit


def outcome_of(store: ObjectStore, key: CommitKey) -> Outcome:
    """Read one commit record, or tell why it is missing or damaged. Raises StorageRefusedError for a later format."""
    body = None
    try:
        if (body := store.get(key.key)) is None:
            raise damaged(f"the commit record {key.key!r}", "nothing")
        return decode_commit(body, key)
    except StorageRefusedError as error:
        if error.code not in UNREADABLE:
            raise
        if body is not None and _is_later(body, key):
            raise
        remedy = f"Restore it from a copy of the bucket. {WAY_OUT.format(url=store.url)}"
        return StorageRefusedError(error.message, remedy=remedy, code=error.code)


class _Written(msgspec.Struct):
    """What the record of any format says of itself."""

    format_version: int = 0
    version: int | None = None


def _is_later(body: bytes, key: CommitKey) -> bool:
    """Say whether the bytes are this version's record as a later labelsnap wrote it."""
    if fields_of(body) is None:
        return False
    try:
        written = decoder_of(_Written).decode(body)
    except NOT_SUCH_JSON:
        return False
    return written.format_version > FORMAT_VERSION and written.version in {None, key.version}


def read_manifest(store: ObjectStore, sha256: str) -> Manifest:
    """Read the manifest that a commit record names. Raises StorageRefusedError when it is missing or damaged."""
    key = manifest_key(sha256)
    body = store.get(key, most=DOCUMENT_BYTES)
    try:
        if body is None:
            raise damaged(f"the manifest {key!r}", "nothing")
        return decode_manifest(body, sha256)
    except StorageRefusedError as error:
        if error.code == "format_version":
            raise
        remedy = f"Restore it from a copy of the bucket. {WAY_OUT.format(url=store.url)}"
        raise StorageRefusedError(error.message, remedy=remedy, code=error.code) from error
