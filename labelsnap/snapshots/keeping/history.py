"""The history of a dataset: which versions there are, which are kept, and which manifest each names."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain, groupby
from typing import TYPE_CHECKING, Final

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.keeping.checkpoints import UNTOLD, Chain, last_told, read_chain, read_checkpoint, read_hint
from labelsnap.snapshots.keeping.records import WAY_OUT, Commit, Outcome, outcome_of, readable, side_by_side, sole_key
from labelsnap.snapshots.keeping.witnesses import NOBODY, Heard, Witness, hear_witnesses
from labelsnap.snapshots.layout import COMMIT, CommitKey, checkpoint_key, commit_key
from labelsnap.snapshots.listing import listed
from labelsnap.snapshots.manifest import UNREADABLE
from labelsnap.snapshots.runs import Runs, gaps, holds, outside
from labelsnap.snapshots.values import LARGEST_NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from labelsnap.storage import ObjectStore

ALL: Final = LARGEST_NUMBER
"""How many numbers below the newest checkpoint are listed by whoever has to see that no record is missing."""
RECENT: Final = 2000
"""… by whoever shows the versions that there are."""


@dataclass(frozen=True)
class Listing:
    """The keys of all records above the version ``since``, oldest first, and the newest checkpoint that is sought.

    ``hinted``: the hint names it, so it was made.
    """

    keys: tuple[CommitKey, ...]
    since: int = 0
    checkpoint: int = 0
    hinted: bool = False

    @property
    def newest(self) -> int:
        """The highest version that a record is listed of; 0: there is none."""
        return self.keys[-1].version if self.keys else 0

    @property
    def versions(self) -> Iterator[int]:
        """The versions that there are, ascending: those that were listed, and all numbers below."""
        return chain(range(1, self.since + 1), self._by_version)

    def of(self, version: int) -> tuple[CommitKey, ...]:
        """Return the keys of a version's records: those listed, or where it was not listed that which creation gives.

        One that is listed alone under that key is what a checkpoint is made of.
        """
        return (created_key(version),) if version <= self.since else self._by_version.get(version, ())

    @cached_property
    def _by_version(self) -> dict[int, tuple[CommitKey, ...]]:
        return {version: tuple(keys) for version, keys in groupby(self.keys, key=lambda key: key.version)}


def created_key(version: int) -> CommitKey:
    """Return the key of a record that was created, whether or not there is one."""
    return CommitKey(version, commit_key(version))


def list_records(store: ObjectStore, back: int = 0) -> Listing:
    """List the commit records from the newest checkpoint's own on, and those of so many versions before it.

    Where the hint names a version that no record is listed of, or none, all are listed.
    """
    return _listing(store, read_hint(store), back)


def _listing(store: ObjectStore, hint: int, back: int) -> Listing:
    since = max(hint - 1 - back, 0)
    keys = _keys_above(store, since)
    if hint and created_key(hint) in keys:
        return Listing(keys, since, hint, hinted=True)
    if since:
        keys = _keys_above(store, 0)
    newest = keys[-1].version if keys else 0
    return Listing(keys, 0, last_told(newest))


def _keys_above(store: ObjectStore, since: int) -> tuple[CommitKey, ...]:
    """List the keys of the commit records above a version, oldest first.

    A folder's list may lack what came while it was read, and hold what came after that: where numbers are missing
    they are looked for again, for records are there for good.
    """
    keys = set(_commit_keys(store, since))
    newest = max(keys, default=CommitKey(0, "")).version
    if gaps([(1, since), *_singles(keys)], newest):
        keys |= {key for key in _commit_keys(store, since) if key.version <= newest}
    return tuple(sorted(keys))


def _commit_keys(store: ObjectStore, since: int) -> list[CommitKey]:
    after = f"{commit_key(since).removesuffix('.json')}~" if since else ""  # behind the keys that have a write id too
    return [CommitKey(int(found["version"]), info.key) for info, found in listed(store, COMMIT, after=after)]


def keys_of_version(store: ObjectStore, version: int) -> tuple[CommitKey, ...]:
    """List the keys of one version's records: one, or none, or several where there is a fork.

    Where there is none it is looked for again: a folder's list may lack what was there when it was read.
    """
    lists = (listed(store, COMMIT, f"{version:020d}") for _ in range(2))
    found = (tuple(CommitKey(version, info.key) for info, _ in each) for each in lists)
    return next(filter(None, found), ())


def _singles(keys: Iterable[CommitKey]) -> Runs:
    return tuple((key.version, key.version) for key in keys)


def newest_key(store: ObjectStore) -> CommitKey | None:
    """Return the key of the newest version's record; None for a dataset that does not exist yet.

    Raises StorageRefusedError when two records claim that version (a fork), or when a later one's record is gone.
    """
    return newest_and_epoch(store)[0]


def newest_and_epoch(store: ObjectStore) -> tuple[CommitKey | None, int]:
    """Return ``newest_key``, and the number of the newest epoch as of before (0: there is none).

    Raises as that does.
    """
    heard, hint = _heard(store)
    witness, found = _listed_after(store, heard.witness, hint, 0)
    _check_listed(store, found, witness)
    return sole_key(found.keys, found.newest) if found.keys else None, heard.epoch


def head_version(found: Listing) -> int:
    """Return the highest version, 0 when there is none. Raises StorageRefusedError when two records claim it."""
    return sole_key(found.keys, found.newest).version if found.keys else 0


def _seen(store: ObjectStore, back: int) -> tuple[Witness, Listing]:
    """Ask what says that there was a version, and then which records there are."""
    heard, hint = _heard(store)
    return _listed_after(store, heard.witness, hint, back)


def _heard(store: ObjectStore) -> tuple[Heard, int]:
    """Ask what says that there was a version: tags and epochs, and beside them the hint."""
    with ThreadPoolExecutor(1, thread_name_prefix="hint") as pool:
        hint = pool.submit(read_hint, store)
        return hear_witnesses(store), hint.result()


def _listed_after(store: ObjectStore, witness: Witness, hint: int, back: int) -> tuple[Witness, Listing]:
    found = _listing(store, hint, back)
    return max(witness, _hinted(store, hint)) if hint > found.newest else witness, found


def _hinted(store: ObjectStore, hint: int) -> Witness:
    """Return what the checkpoint says that the hint names; what is damaged says nothing."""
    try:
        found = read_checkpoint(store, hint)
    except StorageRefusedError as error:
        if error.code not in UNREADABLE:
            raise
        return NOBODY
    return Witness(hint, checkpoint_key(hint)) if found else NOBODY


@dataclass(frozen=True, slots=True)
class History:
    """A dataset's versions as of the newest one, oldest first.

    ``listing`` is of records, from a version on, ``commits`` what was read of them and of the checkpoints in ``told``.
    ``damaged`` says of each version that is kept, and whose record cannot be read, why. ``witness`` is the highest
    version that a tag, an epoch or a checkpoint names.
    """

    listing: Listing
    commits: tuple[Commit, ...]
    damaged: Mapping[int, StorageRefusedError] = field(default_factory=dict)
    witness: Witness = NOBODY
    told: Chain = UNTOLD

    @property
    def newest(self) -> int:
        """The highest version that there ever was, as far as anything tells; 0: there was none."""
        return max(self.listing.newest, self.witness.version)

    @property
    def head(self) -> Commit | None:
        """The newest version that could be read; None when nothing has been published."""
        return self.commits[-1] if self.commits else None

    @property
    def single_writer(self) -> bool:
        """Whether the newest version was published without conditional creation."""
        return bool(self.listing.keys) and self.listing.keys[-1].single_writer

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
        """The numbers up to the newest, of those that were listed, that no record has, and that are not given up."""
        return gaps(((1, self.listing.since), *_singles(self.listing.keys), *self.given_up), self.newest)

    @property
    def live(self) -> tuple[Commit, ...]:
        """The versions that are kept."""
        kept = set(outside(self.expired, (commit.version for commit in self.commits)))
        return tuple(commit for commit in self.commits if commit.version in kept)


def published_by(store: ObjectStore, history: History, publish_id: str) -> Commit | None:
    """Return the version that a run has published already, if it has: the answer when a run is repeated."""
    named = chain.from_iterable(found.made_by(publish_id) for found in history.told.found)
    keys = chain.from_iterable(history.listing.of(version) for version in named)
    older = (found for key in keys if (found := readable(store, key)) is not None)
    return next((each for each in chain(reversed(history.commits), older) if each.publish_id == publish_id), None)


def survey(store: ObjectStore, *, expired: bool = False, above: int = 0, back: int = ALL) -> History:
    """Read the records that are kept, whatever can be read of them; where two claim a version, both.

    With ``expired`` those of versions that are kept no longer too, which no checkpoint tells of; what cannot be read
    of these is nobody's loss. Of versions up to ``above`` nothing is read. ``back`` says how far below the newest
    checkpoint it is seen that no record is missing.
    """
    witness, found = _seen(store, back)
    read = _down_to_a_record(store, found.keys)
    head = _first_read(read)
    if head is None and found.since:
        return survey(store, expired=expired, above=above)
    runs = head.expired if head else ()
    told = read_chain(store, found.checkpoint, above=above, hinted=found.hinted) if head else UNTOLD
    copied = [
        each
        for each in chain.from_iterable(checkpoint.commits() for checkpoint in told.found)
        if above < each.version and (key := created_key(each.version)) not in read and found.of(each.version) == (key,)
    ]
    known = {each.version for each in copied}
    versions = set(outside(runs, found.versions)) | set(_untold(found, told) if expired else ())
    keys = chain.from_iterable(found.of(each) for each in sorted(versions - known) if each > above)
    wanted = [key for key in keys if key not in read]
    read |= zip(wanted, side_by_side(partial(outcome_of, store), wanted), strict=True)
    outcomes = sorted(read.items())
    commits = [(key, each) for key, each in outcomes if isinstance(each, Commit)]
    commits += [(created_key(each.version), each) for each in copied]
    return History(
        listing=found,
        commits=tuple(each for _, each in sorted(commits, key=lambda entry: entry[0])),
        damaged={
            key.version: each
            for key, each in outcomes
            if isinstance(each, StorageRefusedError) and not holds(runs, key.version)
        },
        witness=witness,
        told=told,
    )


def _untold(found: Listing, told: Chain) -> Iterator[int]:
    """Give the versions that no checkpoint tells of, kept or not."""
    unread = chain.from_iterable(each.untold() for each in told.found)
    lacking = chain.from_iterable(range(first, last + 1) for first, last in told.lacking)
    return chain(unread, lacking, (version for version in found.versions if version > told.version))


def every_record(store: ObjectStore, above: int = 0) -> tuple[Commit, ...]:
    """Read all commit records above a version, one by one, oldest first; what is missing or damaged is left out."""
    read = side_by_side(partial(readable, store), _keys_above(store, above))
    return tuple(each for each in read if each is not None)


def newest_record(store: ObjectStore) -> Commit | None:
    """Return the newest record that can be read, of two that claim a version either; None where there is none."""
    found = list_records(store)
    newest = _first_read(_down_to_a_record(store, found.keys))
    return newest if newest or not found.since else _first_read(_down_to_a_record(store, _keys_above(store, 0)))


def _first_read(read: Mapping[CommitKey, Outcome]) -> Commit | None:
    return next((each for each in read.values() if isinstance(each, Commit)), None)


def read_history(store: ObjectStore, *, expired: bool = True, above: int = 0, back: int = 0) -> History:
    """Read the commit records as ``survey`` does, of a dataset that may be written to.

    Raises StorageRefusedError when two claim the newest version, or its own is gone or damaged.
    """
    history = survey(store, expired=expired, above=above, back=back)
    head_version(history.listing)
    _check_listed(store, history.listing, history.witness)
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
        f"expire what is below it. {WAY_OUT.format(url=store.url)}",
        code="version_gap",
    )


def _check_listed(store: ObjectStore, found: Listing, witness: Witness) -> None:
    """Raise StorageRefusedError when there was a later version than the newest that a record is listed of.

    What would be the newest version is not, and its successor's number has been given already.
    """
    if witness.version > found.newest:
        fault = missing_records(store, ((found.newest + 1, witness.version),), witness)
        raise fault if found.keys else without_way_on(fault)


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


def _down_to_a_record(store: ObjectStore, keys: Sequence[CommitKey]) -> dict[CommitKey, Outcome]:
    """Read from the newest record on until one can be read."""
    read: dict[CommitKey, Outcome] = {}
    for key in reversed(keys):
        read[key] = found = outcome_of(store, key)
        if isinstance(found, Commit):
            break
    return read
