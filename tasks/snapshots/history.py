"""The commit records of a dataset: which versions there are, and which manifest each names."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from tasks.errors import StorageRefusedError
from tasks.snapshots.layout import COMMITS, CommitKey, manifest_key, parse_commit_key
from tasks.snapshots.manifest import FORMAT_VERSION, Manifest, damaged, decode_manifest
from tasks.snapshots.sealed import unseal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tasks.storage import ObjectStore

_PARALLEL: Final = 16

Action = Literal["publish", "rollback", "expire", "fence"]
"""Why a version was made. All but ``publish`` name the manifest of an earlier version."""


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the dataset. ``manifest`` is a sha256, ``parent`` the version before (0: none).

    ``expired`` holds, as of this version, the first and last of each run of versions that are kept no longer.
    """

    format_version: int = FORMAT_VERSION
    version: int
    parent: int
    manifest: str
    created_at: str
    publish_id: str
    write_id: str
    rows: int | None = None
    action: Action = "publish"
    expired: tuple[tuple[int, int], ...] = ()


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
    commit = unseal(body, Commit, name=f"the commit record {key.key!r}")
    if commit.version != key.version:
        raise damaged(f"the commit record {key.key!r}", f"the record of version {commit.version}")
    return commit


def read_commits(store: ObjectStore, keys: Sequence[CommitKey]) -> tuple[Commit, ...]:
    """Read commit records, several at a time, in the keys' order."""
    with ThreadPoolExecutor(_PARALLEL) as pool:
        return tuple(pool.map(lambda key: read_commit(store, key), keys))


class History(msgspec.Struct, frozen=True):
    """A dataset's versions, oldest first, as of the newest one."""

    keys: tuple[CommitKey, ...]
    commits: tuple[Commit, ...]

    @property
    def head(self) -> Commit | None:
        """The newest version; None when nothing has been published."""
        return self.commits[-1] if self.commits else None

    @property
    def single_writer(self) -> bool:
        """Whether the newest version was published without conditional creation."""
        return bool(self.keys) and self.keys[-1].single_writer

    @property
    def expired(self) -> frozenset[int]:
        """The versions that are kept no longer."""
        runs = self.head.expired if self.head else ()
        return frozenset(version for first, last in runs for version in range(first, last + 1))

    @property
    def live(self) -> tuple[Commit, ...]:
        """The versions that are kept."""
        expired = self.expired
        return tuple(commit for commit in self.commits if commit.version not in expired)

    def published_by(self, publish_id: str) -> Commit | None:
        """Return the version that a run has published already, if it has: the answer when a run is repeated."""
        return next((commit for commit in reversed(self.commits) if commit.publish_id == publish_id), None)


def read_history(store: ObjectStore) -> History:
    """Read every commit record. Raises StorageRefusedError when one is damaged, or two claim the newest version."""
    keys = commit_keys(store)
    head_version(keys)
    return History(keys, read_commits(store, keys))


def read_manifest(store: ObjectStore, sha256: str) -> Manifest:
    """Read the manifest that a commit record names. Raises StorageRefusedError when it is missing or damaged."""
    key = manifest_key(sha256)
    body = store.get(key)
    if body is None:
        raise damaged(f"the manifest {key!r}", "nothing")
    return decode_manifest(body, sha256)


def runs_of(versions: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Return the first and last of each run of neighbours: 1, 2, 3, 7 gives (1, 3), (7, 7)."""
    ordered = sorted(set(versions))
    breaks = [pair for pair in pairwise(ordered) if pair[1] != pair[0] + 1]
    firsts = [*ordered[:1], *(after for _, after in breaks)]
    lasts = [*(before for before, _ in breaks), *ordered[-1:]]
    return tuple(zip(firsts, lasts, strict=True))
