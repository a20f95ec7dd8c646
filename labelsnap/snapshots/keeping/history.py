"""The commit records of a dataset: which versions there are, and which manifest each names."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from labelsnap.decoders import decoder_of
from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.keeping.witnesses import NOBODY, Witness, highest_witness
from labelsnap.snapshots.layout import COMMIT, CommitKey, commit_key, manifest_key
from labelsnap.snapshots.listing import listed
from labelsnap.snapshots.manifest import FORMAT_VERSION, NOT_SUCH_JSON, UNREADABLE, Manifest, damaged, decode_manifest
from labelsnap.snapshots.runs import Runs, gaps, holds
from labelsnap.snapshots.sealed import fields_of, unseal
from labelsnap.snapshots.values import Moment, Number, Sha256
from labelsnap.storage.interface import DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from labelsnap.storage import ObjectStore

_PARALLEL: Final = 16
_WAY_OUT: Final = (
    "Nothing is deleted until then, and other versions can be read by their numbers. Where there is no copy, "
    "`labelsnap snapshots expire {url} --keep N --lost --yes` gives the version up."
)

Action = Literal["publish", "rollback", "expire", "fence"]
"""Why a version was made. All but ``publish`` name the manifest of an earlier version."""


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


def commit_keys(store: ObjectStore) -> tuple[CommitKey, ...]:
    """List the keys of all commit records, oldest version first; empty for a dataset that does not exist yet.

    A folder's list may lack what came while it was read, and hold what came after that: where numbers are missing
    they are looked for again, for records are there for good.
    """
    keys = set(_commit_keys(store))
    newest = max(keys, default=CommitKey(0, "")).version
    if gaps(_singles(keys), newest):
        keys |= {key for key in _commit_keys(store) if key.version <= newest}
    return tuple(sorted(keys))


def _commit_keys(store: ObjectStore) -> list[CommitKey]:
    return [CommitKey(int(found["version"]), info.key) for info, found in listed(store, COMMIT)]


def _singles(keys: Iterable[CommitKey]) -> Runs:
    return tuple((key.version, key.version) for key in keys)


def newest_key(store: ObjectStore) -> CommitKey | None:
    """Return the key of the newest version's record; None for a dataset that does not exist yet.

    Raises StorageRefusedError when two records claim that version (a fork), or when a later one's record is gone.
    """
    witness = highest_witness(store)
    keys = commit_keys(store)
    _check_listed(store, keys, witness)
    return sole_key(keys, keys[-1].version) if keys else None


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
    found = _outcome(store, key)
    if isinstance(found, StorageRefusedError):
        raise found
    return found


def readable(store: ObjectStore, key: CommitKey) -> Commit | None:
    """Read one commit record; None: it is missing or damaged."""
    found = _outcome(store, key)
    return found if isinstance(found, Commit) else None


def decode_commit(body: bytes, key: CommitKey) -> Commit:
    """Read a commit record's bytes. Raises StorageRefusedError when they are damaged or of another version."""
    commit = unseal(body, Commit, name=f"the commit record {key.key!r}")
    if commit.version != key.version:
        raise damaged(f"the commit record {key.key!r}", f"the record of version {commit.version}")
    return commit


@dataclass(frozen=True, slots=True)
class History:
    """A dataset's versions as of the newest one, oldest first.

    ``keys`` are those of all records, ``commits`` the records that were read. ``damaged`` says of each version that is
    kept, and whose record cannot be read, why. ``witness`` is the highest version that a tag or an epoch names.
    """

    keys: tuple[CommitKey, ...]
    commits: tuple[Commit, ...]
    damaged: Mapping[int, StorageRefusedError] = field(default_factory=dict)
    witness: Witness = NOBODY

    @property
    def newest(self) -> int:
        """The highest version that there ever was, as far as anything tells; 0: there was none."""
        return max(_listed(self.keys), self.witness.version)

    @property
    def head(self) -> Commit | None:
        """The newest version that could be read; None when nothing has been published."""
        return self.commits[-1] if self.commits else None

    @property
    def single_writer(self) -> bool:
        """Whether the newest version was published without conditional creation."""
        return bool(self.keys) and self.keys[-1].single_writer

    @property
    def expired(self) -> Runs:
        """The versions that are kept no longer."""
        return self.head.expired if self.head else ()

    @property
    def given_up(self) -> Runs:
        """The versions whose records are looked for no longer."""
        return (self.head.lost or ()) if self.head else ()

    @property
    def missing(self) -> Runs:
        """The numbers up to the newest that no record is listed for, and that are not given up."""
        return gaps((*_singles(self.keys), *self.given_up), self.newest)

    @property
    def live(self) -> tuple[Commit, ...]:
        """The versions that are kept."""
        expired = self.expired
        return tuple(commit for commit in self.commits if not holds(expired, commit.version))

    def published_by(self, publish_id: str) -> Commit | None:
        """Return the version that a run has published already, if it has: the answer when a run is repeated."""
        return next((commit for commit in reversed(self.commits) if commit.publish_id == publish_id), None)


def survey(store: ObjectStore, *, expired: bool = False) -> History:
    """Read the records that are kept, whatever can be read of them; where two claim a version, both.

    With ``expired`` those of versions that are kept no longer too; what cannot be read of these is nobody's loss.
    """
    witness = highest_witness(store)
    keys = commit_keys(store)
    read = _down_to_a_record(store, keys)
    runs = next((found.expired for found in read.values() if isinstance(found, Commit)), ())
    wanted = [key for key in keys if key not in read and (expired or not holds(runs, key.version))]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        read |= zip(wanted, pool.map(partial(_outcome, store), wanted), strict=True)
    outcomes = [(key, read[key]) for key in keys if key in read]
    return History(
        keys=keys,
        commits=tuple(found for _, found in outcomes if isinstance(found, Commit)),
        damaged={
            key.version: found
            for key, found in outcomes
            if isinstance(found, StorageRefusedError) and not holds(runs, key.version)
        },
        witness=witness,
    )


def newest_record(store: ObjectStore) -> Commit | None:
    """Return the newest record that can be read, of two that claim a version either; None where there is none."""
    found = _down_to_a_record(store, commit_keys(store))
    return next((each for each in found.values() if isinstance(each, Commit)), None)


def read_history(store: ObjectStore, *, expired: bool = True) -> History:
    """Read the commit records as ``survey`` does, of a dataset that may be written to.

    Raises StorageRefusedError when two claim the newest version, or its own is gone or damaged.
    """
    history = survey(store, expired=expired)
    head_version(history.keys)
    _check_listed(store, history.keys, history.witness)
    if history.newest in history.damaged:
        raise history.damaged[history.newest]
    return history


def check_whole(store: ObjectStore, history: History) -> History:
    """Return the history. Raises StorageRefusedError when a record of it is missing or damaged.

    What such a version consists of cannot be told, so nothing may be decided that deletes.
    """
    if (fault := fault_of(store, history)) is not None:
        raise fault
    return history


def fault_of(store: ObjectStore, history: History) -> StorageRefusedError | None:
    """Return the error for the records that are missing or damaged; None: the history is whole."""
    fault = next(iter(history.damaged.values()), None)
    if history.missing:
        fault = missing_records(store, history.missing, history.witness)
    return without_way_on(fault) if fault is not None and not history.commits else fault


def missing_records(store: ObjectStore, runs: Runs, witness: Witness = NOBODY) -> StorageRefusedError:
    """Return the error for versions that have no record, though a later one has, or the witness says there were."""
    named = ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in runs)
    told = f" ({witness.key!r} names version {witness.version})" if witness.version == runs[-1][1] else ""
    return StorageRefusedError(
        f"Expected a commit record of every version of {store.url}, found none of {named}{told}.",
        remedy=f"Restore {commit_key(runs[0][0])!r} and the like from a copy of the bucket, and let no lifecycle rule "
        f"expire what is below it. {_WAY_OUT.format(url=store.url)}",
        code="version_gap",
    )


def _check_listed(store: ObjectStore, keys: Sequence[CommitKey], witness: Witness) -> None:
    """Raise StorageRefusedError when there was a later version than the newest that a record is listed of.

    What would be the newest version is not, and its successor's number has been given already.
    """
    if witness.version > _listed(keys):
        fault = missing_records(store, ((_listed(keys) + 1, witness.version),), witness)
        raise fault if keys else without_way_on(fault)


def without_way_on(fault: StorageRefusedError) -> StorageRefusedError:
    """Return the error as it is where no version can be read: then none can be made the newest."""
    return StorageRefusedError(
        fault.message,
        remedy="Restore what is below 'commits/' and 'manifests/' from a copy of the bucket, and let no lifecycle rule "
        "expire it. "
        "Nothing is deleted or published until then. Where there is no copy, there is no version to go on from: give "
        "`dataset` another name in the dataset file, and it begins anew there.",
        code=fault.code,
    )


def _listed(keys: Sequence[CommitKey]) -> int:
    """Return the highest version that a record is listed of; 0: there is none."""
    return keys[-1].version if keys else 0


def _down_to_a_record(store: ObjectStore, keys: Sequence[CommitKey]) -> dict[CommitKey, Commit | StorageRefusedError]:
    """Read from the newest record on until one can be read."""
    read: dict[CommitKey, Commit | StorageRefusedError] = {}
    for key in reversed(keys):
        read[key] = found = _outcome(store, key)
        if isinstance(found, Commit):
            break
    return read


def _outcome(store: ObjectStore, key: CommitKey) -> Commit | StorageRefusedError:
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
        remedy = f"Restore it from a copy of the bucket. {_WAY_OUT.format(url=store.url)}"
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
        remedy = f"Restore it from a copy of the bucket. {_WAY_OUT.format(url=store.url)}"
        raise StorageRefusedError(error.message, remedy=remedy, code=error.code) from error
