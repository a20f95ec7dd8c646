"""From a reference to a checked manifest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from labelsnap.errors import ConfigurationError, StorageRefusedError
from labelsnap.redaction import address_shown, cut
from labelsnap.snapshots.keeping.history import (
    ALL,
    RECENT,
    check_whole,
    keys_of_version,
    list_records,
    missing_records,
    newest_key,
    newest_record,
    survey,
)
from labelsnap.snapshots.keeping.records import Commit, read_commit, read_manifest, readable, sole_key
from labelsnap.snapshots.keeping.tags import astray, read_tag
from labelsnap.snapshots.keeping.witnesses import hear_witnesses
from labelsnap.snapshots.layout import is_tag_name
from labelsnap.snapshots.runs import holds
from labelsnap.storage import check_store_url

if TYPE_CHECKING:
    from labelsnap.errors import LabelsnapError
    from labelsnap.snapshots.layout import CommitKey
    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.storage import ObjectStore

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
    known = selector == LATEST or _VERSION.fullmatch(selector) or is_tag_name(selector)
    if not name or scheme_only or (at and not known):
        raise ConfigurationError(
            f"Expected DATASET_URL, DATASET_URL@VERSION, @TAG or @latest, found {_ref_shown(text)}.",
            remedy="Write for example s3://BUCKET/PREFIX/DATASET@12 or file:///DIR/DATASET@latest.",
            code="ref",
        )
    url = check_store_url(f"{folder}{slash}{name}")
    return Ref(url, int(selector) if _VERSION.fullmatch(selector) else selector or LATEST)


def _ref_shown(text: str) -> str:
    """What was given for a reference; nothing before its @ where that may be a password."""
    place, at, selector = text.rpartition("://")[2].partition("@")
    selects = at and "/" in place and not {"?", "#", ":", "@"} & {*place, *selector}
    return cut(repr(text)) if selects else address_shown(text)


def list_versions(store: ObjectStore) -> tuple[Commit, ...]:
    """Return all versions, oldest first; none for a dataset that does not exist yet. A fork shows twice.

    Of those that are kept no longer some may be left out. Raises StorageRefusedError when a kept one's record is
    missing or damaged.
    """
    return check_whole(store, survey(store, expired=True, back=RECENT)).commits


def latest(store: ObjectStore) -> Snapshot | None:
    """Read the newest snapshot; None when nothing has been published.

    Raises StorageRefusedError on a fork, and when the newest record is gone or damaged.
    """
    key = newest_key(store)
    return read_snapshot(store, key.version) if key else None


def read_snapshot(store: ObjectStore, selector: int | str = LATEST) -> Snapshot:
    """Read the snapshot that the selector of a reference means.

    Raises ConfigurationError when there is none, StorageRefusedError when its record or manifest is damaged.
    """
    key = find_commit(store, selector)
    try:
        commit = read_commit(store, key)
        return Snapshot(store.url, commit, read_manifest(store, commit.manifest))
    except StorageRefusedError as fault:
        raise _given_up(store, key.version) or fault from None


def find_commit(store: ObjectStore, selector: int | str = LATEST) -> CommitKey:
    """Return which commit record the selector of a reference means; that of a number is not read.

    Raises ConfigurationError when there is none, or when it was given up; StorageRefusedError when it is gone, two
    records claim the version, or a tag is damaged or names what its version is not.
    """
    if selector == LATEST:
        if (newest := newest_key(store)) is None:
            raise _unknown_version(store, selector, [])
        return newest
    named = read_tag(store, selector) if isinstance(selector, str) else None
    version = named.version if named else selector
    keys = keys_of_version(store, version) if isinstance(version, int) else ()
    if not isinstance(version, int) or not keys:
        raise _without_record(store, selector, version)
    key = sole_key(keys, version)
    if named is not None and (other := readable(store, key)) is not None and other.manifest != named.manifest:
        raise astray(store, named)
    return key


def _without_record(store: ObjectStore, selector: int | str, version: int | str) -> LabelsnapError:
    """Return the error for what no record is listed of: a version that was given up, one that is lost, or none."""
    witness = hear_witnesses(store).witness
    versions = [key.version for key in list_records(store, ALL).keys]
    if isinstance(version, int) and 0 < version <= max([witness.version, *versions]):
        return _given_up(store, version) or missing_records(store, ((version, version),), witness)
    return _unknown_version(store, selector, versions)


def _given_up(store: ObjectStore, version: int) -> ConfigurationError | None:
    """Return the error for a version that was given up, as of the newest record that can be read; None: it was not."""
    newest = newest_record(store)
    if newest is None or not holds(newest.lost or (), version):
        return None
    return ConfigurationError(
        f"Expected a version of {store.url} that is kept, found that version {version} was lost and given up.",
        remedy="`labelsnap snapshots list` shows the versions that are kept; a tag that names this one can be taken "
        "away with `labelsnap snapshots untag`.",
        code="version_expired",
    )


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
