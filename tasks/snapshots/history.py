"""The commit records of a dataset: which versions there are, and which manifest each names."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import msgspec

from tasks.errors import StorageRefusedError
from tasks.snapshots.layout import COMMITS, CommitKey, parse_commit_key
from tasks.snapshots.manifest import FORMAT_VERSION, damaged, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.storage import ObjectStore

_PARALLEL: Final = 16


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the dataset. ``manifest`` is a sha256, ``parent`` the version before (0: none)."""

    format_version: int = FORMAT_VERSION
    version: int
    parent: int
    manifest: str
    created_at: str
    publish_id: str
    write_id: str
    rows: int | None = None


def commit_keys(store: ObjectStore) -> tuple[CommitKey, ...]:
    """List the keys of all commit records, oldest version first; empty for a dataset that does not exist yet."""
    keys = (parse_commit_key(item.key) for item in store.list(COMMITS) if not item.key.endswith("/"))
    return tuple(sorted(keys))


def head_version(keys: Sequence[CommitKey]) -> int:
    """Return the highest version, 0 when there is none. Raises StorageRefusedError when two records claim it."""
    if not keys:
        return 0
    return sole_key(keys, keys[-1].version).version


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
    body = store.get(key.key)
    if body is None:
        raise damaged(f"the commit record {key.key!r}", "nothing")
    return decode_commit(body, key)


def decode_commit(body: bytes, key: CommitKey) -> Commit:
    """Read a commit record's bytes. Raises StorageRefusedError when they are damaged or of another version."""
    commit = decode(body, Commit, name=f"the commit record {key.key!r}")
    if commit.version != key.version:
        raise damaged(f"the commit record {key.key!r}", f"the record of version {commit.version}")
    return commit


def read_commits(store: ObjectStore, keys: Sequence[CommitKey]) -> tuple[Commit, ...]:
    """Read commit records, several at a time, in the keys' order."""
    with ThreadPoolExecutor(_PARALLEL) as pool:
        return tuple(pool.map(lambda key: read_commit(store, key), keys))


def find_publication(store: ObjectStore, publish_id: str) -> Commit | None:
    """Return the version that this run has published already, if it has: the answer when a run is repeated."""
    commits = read_commits(store, commit_keys(store))
    return next((commit for commit in reversed(commits) if commit.publish_id == publish_id), None)
