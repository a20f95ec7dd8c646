"""Checkpoints: what commit records say of the versions up to a number, so that the records need not be read one by one.

A checkpoint is a copy of what records say, and what it does not say is read from them: without any, everything is as it
is with them, by more requests. FORMAT.md says why that is so.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from labelsnap.decoders import decoder_of
from labelsnap.errors import StorageError, StorageRefusedError
from labelsnap.snapshots.keeping.records import Action, Commit, Outcome, outcome_of, side_by_side
from labelsnap.snapshots.layout import CHECKPOINT, COMMITS, NEWEST_CHECKPOINT, CommitKey, checkpoint_key, commit_key
from labelsnap.snapshots.listing import MOST, listed
from labelsnap.snapshots.manifest import FORMAT_VERSION, NOT_SUCH_JSON, UNREADABLE, damaged
from labelsnap.snapshots.runs import Runs, holds
from labelsnap.snapshots.sealed import seal, unseal
from labelsnap.snapshots.values import Moment, Number, Sha256
from labelsnap.storage.interface import DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labelsnap.storage import ObjectStore

EVERY: Final = 8
"""A checkpoint tells of the versions up to a multiple of this number."""
_DIGITS: Final = 8
_UNKNOWN: Final = "." * _DIGITS

log = logging.getLogger(__name__)


class Kept(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the record of a version says that was kept; its parent is the version before."""

    version: Number
    manifest: Sha256
    created_at: Moment
    publish_id: str
    write_id: str
    rows: Number | None = None
    action: Action = "publish"
    behind: tuple[Sha256, ...] | msgspec.UnsetType = msgspec.UNSET


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What records say of the versions from ``first`` to ``version``.

    ``kept`` are those that were kept as of the last of them, by the ``expired`` of its record; ``runs`` has of each the
    first digits of its ``publish_id``'s sha256, or dots where its record could not be read.
    """

    format_version: int = FORMAT_VERSION
    first: Number
    version: Number
    expired: Runs
    kept: tuple[Kept, ...]
    runs: Annotated[str, Meta(pattern=r"^[0-9a-f.]*\Z")]

    def commits(self) -> Iterator[Commit]:
        """Give the versions that were kept; what had ``expired`` is as of the checkpoint."""
        for kept in self.kept:
            fields = {name: getattr(kept, name) for name in kept.__struct_fields__}
            yield Commit(parent=kept.version - 1, expired=self.expired, **fields)

    def told(self) -> Iterator[tuple[int, str]]:
        """Give each version whose record could be read, with the digits of its run."""
        for place in range(0, len(self.runs), _DIGITS):
            if (digits := self.runs[place : place + _DIGITS]) != _UNKNOWN:
                yield self.first + place // _DIGITS, digits

    def untold(self) -> tuple[int, ...]:
        """Return the versions whose records could not be read."""
        return self._versions_of(_UNKNOWN)

    def made_by(self, publish_id: str) -> tuple[int, ...]:
        """Return the versions that a run may have published: others than its own hardly ever."""
        return self._versions_of(_digits(publish_id))

    def _versions_of(self, digits: str) -> tuple[int, ...]:
        if digits not in self.runs:
            return ()
        places = range(0, len(self.runs), _DIGITS)
        return tuple(self.first + place // _DIGITS for place in places if self.runs.startswith(digits, place))


class _Newest(msgspec.Struct, frozen=True):
    """What the hint says."""

    version: Number


@dataclass(frozen=True, slots=True)
class Chain:
    """The checkpoints that together tell of the versions from 1 to ``version``, and which of these they lack.

    ``lacking`` are the first and last of those that the records alone tell of: a checkpoint is not there, or damaged.
    """

    version: int = 0
    found: tuple[Checkpoint, ...] = ()
    lacking: Runs = ()


UNTOLD: Final = Chain()
"""No checkpoint."""


def first_of(number: int) -> int:
    """Return the first version that the checkpoint of a number tells of.

    In digits to the base of ``EVERY``, it is the version after that number with its last digit that is no zero made
    zero: so a chain has one checkpoint for each digit, and none tells of many versions that did not come in between.
    """
    power = EVERY
    while number % (power * EVERY) == 0:
        power *= EVERY
    return number - number % (power * EVERY) + 1


def chain_of(number: int) -> tuple[int, ...]:
    """Return the numbers of the checkpoints that together tell of the versions up to a number, the newest first."""
    found: list[int] = []
    number -= number % EVERY
    while number:
        found.append(number)
        number = first_of(number) - 1
    return tuple(found)


def read_hint(store: ObjectStore) -> int:
    """Return the number of the newest checkpoint as far as the hint tells; 0: there is none, or it cannot be read."""
    try:
        body = store.get(NEWEST_CHECKPOINT)
        number = decoder_of(_Newest).decode(body).version if body is not None else 0
    except NOT_SUCH_JSON:
        return 0
    except StorageRefusedError as error:
        if error.code not in UNREADABLE:
            raise
        return 0
    return last_told(number)


def last_told(newest: int) -> int:
    """Return up to which version there may be a checkpoint; 0 where a number is so high that no dataset has it."""
    return newest - newest % EVERY if newest <= MOST[COMMITS] else 0


def read_checkpoint(store: ObjectStore, number: int) -> Checkpoint | None:
    """Read a checkpoint; None: there is none. Raises StorageRefusedError where it is damaged."""
    key = checkpoint_key(number)
    if (body := store.get(key, most=DOCUMENT_BYTES)) is None:
        return None
    found = unseal(body, Checkpoint, name=f"the checkpoint {key!r}")
    told = (found.version, found.first, len(found.runs))
    kept = [each.version for each in found.kept]
    if told != (number, first_of(number), (number - found.first + 1) * _DIGITS):
        raise damaged(f"the checkpoint {key!r}", f"one of versions {found.first} to {found.version}")
    if kept != sorted({version for version in kept if found.first <= version <= number}):
        raise damaged(f"the checkpoint {key!r}", "versions that it does not tell of, or not in their order")
    return found


def read_chain(store: ObjectStore, number: int, *, above: int = 0, hinted: bool = True) -> Chain:
    """Read the checkpoints that tell of the versions up to a number, but for those that tell of none above another.

    One that is damaged is told, and so is one that is gone where the hint names the number; its versions are lacking.
    """
    numbers = [each for each in chain_of(number) if each > above]
    read = dict(zip(numbers, side_by_side(partial(_unharmed, store), numbers), strict=True))
    lacking = tuple((first_of(each), each) for each in reversed(numbers) if read[each] is None)
    for _, each in lacking if hinted else ():
        log.warning("%s/%s is gone or damaged: the records that it tells of are read.", store.url, checkpoint_key(each))
    return Chain(number, tuple(found for found in read.values() if found), lacking)


def _unharmed(store: ObjectStore, number: int) -> Checkpoint | None:
    try:
        return read_checkpoint(store, number)
    except StorageRefusedError as error:
        if error.code not in UNREADABLE:
            raise
        return None


def fold(store: ObjectStore, newest: int, hint: int) -> None:
    """Make the checkpoints that tell of the versions up to the newest, where the hint does not tell of them yet.

    Whoever publishes does; what fails here is done by the next one, for the version stands. Those who make one at the
    same moment write the same bytes.
    """
    if (number := last_told(newest)) <= hint:
        return
    try:
        for each in reversed(chain_of(number)):
            _make(store, each)
        store.put(NEWEST_CHECKPOINT, msgspec.json.encode(_Newest(number)))
    except StorageError as error:
        log.warning("No checkpoint of version %d is made, which the next publication does: %s", number, error.message)


def _make(store: ObjectStore, number: int) -> None:
    """Make a checkpoint where there is none, and a damaged one anew."""
    key = checkpoint_key(number)
    try:
        if read_checkpoint(store, number) is None:
            store.create(key, seal(_made(store, number)))
    except StorageRefusedError as error:
        if error.code not in UNREADABLE or error.code == "format_version":
            raise
        store.put(key, seal(_made(store, number)))


def _made(store: ObjectStore, number: int) -> Checkpoint:
    """Return a checkpoint of what those before it say, and the records of versions that none tells of."""
    first = first_of(number)
    earlier = [found for each in chain_of(number - EVERY) if each >= first and (found := _unharmed(store, each))]
    expired = earlier[0].expired if earlier else ()
    kept = {each.version: each for found in earlier for each in found.kept}
    digits = {version: told for found in earlier for version, told in found.told()}
    for record in _records(store, (version for version in range(first, number + 1) if version not in digits)):
        if isinstance(record, Commit):
            expired = record.expired
            kept[record.version] = _kept(record)
            digits[record.version] = _digits(record.publish_id)
    return Checkpoint(
        first=first,
        version=number,
        expired=expired,
        kept=tuple(kept[version] for version in sorted(kept) if not holds(expired, version)),
        runs="".join(digits.get(version, _UNKNOWN) for version in range(first, number + 1)),
    )


def _records(store: ObjectStore, versions: Iterable[int]) -> Iterator[Outcome]:
    """Read the records of versions that nobody listed, of those under the keys that creation gives them."""
    keys = (CommitKey(version, commit_key(version)) for version in versions)
    return side_by_side(partial(outcome_of, store), keys)


def drop_superseded(store: ObjectStore) -> None:
    """Delete the checkpoints whose place newer ones have taken, if these are all there.

    Who still looks for one of them reads the records that it told of. What the store keeps is told.
    """
    newest = read_hint(store)
    there = {int(found["version"]) for _, found in listed(store, CHECKPOINT)}
    needed = set(chain_of(newest))
    superseded = [checkpoint_key(number) for number in sorted(there - needed) if number < newest]
    if superseded and needed <= there:
        try:
            store.delete_many(superseded)
        except StorageError as error:
            log.warning("Superseded checkpoints stay, until a later collection can delete them: %s", error.message)


def _kept(commit: Commit) -> Kept:
    return Kept(**{name: getattr(commit, name) for name in Kept.__struct_fields__})


def _digits(publish_id: str) -> str:
    return sha256(publish_id.encode()).hexdigest()[:_DIGITS]
