"""From a reference to a checked manifest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tasks.errors import ConfigurationError
from tasks.snapshots.history import (
    Commit,
    check_whole,
    commit_keys,
    head_version,
    missing_records,
    newest_record,
    read_commit,
    read_manifest,
    sole_key,
    survey,
)
from tasks.snapshots.layout import TAG_NAME
from tasks.snapshots.runs import holds
from tasks.snapshots.tags import read_tag
from tasks.storage import check_store_url

if TYPE_CHECKING:
    from tasks.snapshots.layout import CommitKey
    from tasks.snapshots.manifest import Manifest
    from tasks.storage import ObjectStore

LATEST: Final = "latest"
_VERSION: Final = re.compile(r"[1-9][0-9]{0,19}")
_VERSIONS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Ref:
    """``DATASET_URL@SELECTOR``: a version's number, ``latest``, or a tag."""

    dataset_url: str
    selector: int | str = LATEST

    def __str__(self) -> str:
        return f"{self.dataset_url}@{self.selector}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A version of a dataset, with its manifest checked against the commit record."""

    dataset_url: str
    commit: Commit
    manifest: Manifest

    @property
    def version(self) -> int:
        """The version's number, from 1."""
        return self.commit.version

    @property
    def ref(self) -> Ref:
        """The reference that will always mean this snapshot."""
        return Ref(self.dataset_url, self.version)


def parse_ref(text: str) -> Ref:
    """Read ``DATASET_URL[@VERSION | @TAG | @latest]``. Raises ConfigurationError."""
    folder, slash, name = text.rpartition("/")
    name, at, selector = name.partition("@")
    scheme_only = folder.endswith(":/")
    known = selector == LATEST or _VERSION.fullmatch(selector) or TAG_NAME.fullmatch(selector)
    if not name or scheme_only or (at and not known):
        raise ConfigurationError(
            f"Expected DATASET_URL, DATASET_URL@VERSION, @TAG or @latest, found {text!r}.",
            remedy="Write for example s3://BUCKET/PREFIX/DATASET@12 or file:///DIR/DATASET@latest.",
            code="ref",
        )
    url = check_store_url(f"{folder}{slash}{name}")
    return Ref(url, int(selector) if _VERSION.fullmatch(selector) else selector or LATEST)


def list_versions(store: ObjectStore) -> tuple[Commit, ...]:
    """Return all versions, oldest first; none for a dataset that does not exist yet. A fork shows twice.

    Of those that are kept no longer some may be left out. Raises StorageRefusedError when a kept one's record is
    missing or damaged.
    """
    return check_whole(store, survey(store, expired=True)).commits


def latest(store: ObjectStore) -> Snapshot | None:
    """Read the newest snapshot; None when nothing has been published. Raises StorageRefusedError on a fork."""
    version = head_version(commit_keys(store))
    return read_snapshot(store, version) if version else None


def read_snapshot(store: ObjectStore, selector: int | str = LATEST) -> Snapshot:
    """Read the snapshot that the selector of a reference means.

    Raises ConfigurationError when there is none, StorageRefusedError when its record or manifest is damaged.
    """
    commit = read_commit(store, find_commit(store, selector))
    return Snapshot(store.url, commit, read_manifest(store, commit.manifest))


def find_commit(store: ObjectStore, selector: int | str = LATEST) -> CommitKey:
    """Return which commit record the selector of a reference means; it is not read.

    Raises ConfigurationError when there is none, StorageRefusedError when two records claim the version or a tag is
    damaged.
    """
    keys = commit_keys(store)
    version = head_version(keys) if selector == LATEST else selector
    if isinstance(version, str) and (tag := read_tag(store, version)) is not None:
        version = tag.version
    if not isinstance(version, int) or version not in {key.version for key in keys}:
        if isinstance(version, int) and keys and 0 < version < keys[-1].version:
            raise missing_records(store, ((version, version),))
        raise _unknown_version(store, selector, [key.version for key in keys])
    return sole_key(keys, version)


def check_kept(store: ObjectStore, snapshot: Snapshot) -> Snapshot:
    """Return the snapshot. Raises ConfigurationError when its version has expired: objects may be gone any time.

    What has expired is as of the newest record that can be read.
    """
    newest = newest_record(store)
    if newest is not None and holds(newest.expired, snapshot.version):
        raise ConfigurationError(
            f"Expected a version of {store.url} that is kept, found that version {snapshot.version} has expired.",
            remedy="`labelsnap snapshots list` shows the versions that are kept.",
            code="version_expired",
        )
    return snapshot


def _unknown_version(store: ObjectStore, selector: int | str, versions: list[int]) -> ConfigurationError:
    shown = ", ".join(str(version) for version in versions[-_VERSIONS_SHOWN:])
    earlier = f"{len(versions) - _VERSIONS_SHOWN} earlier ones, " if len(versions) > _VERSIONS_SHOWN else ""
    return ConfigurationError(
        f"Expected a version of {store.url}, found {selector!r}, which is none.",
        remedy=f"There are: {earlier}{shown}."
        if versions
        else "It has no versions yet: run `labelsnap refresh` first.",
        code="unknown_version",
    )
