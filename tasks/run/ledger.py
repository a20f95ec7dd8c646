"""What a run has finished, kept in the store under ``work/<run>/``: a repeated task takes its receipt from here.

Prefect's own task rows are no ledger: its server may lose or delay them. A receipt says which software has written it,
because a task may have been carried out by another than this one, and then it is none.
"""

from __future__ import annotations

import hashlib
import logging
import re
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from labelsnap.decoders import decoder_of
from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.layout import SCRATCH, Kind, work_key
from labelsnap.snapshots.listing import listed
from labelsnap.snapshots.manifest import NOT_SUCH_JSON, UNREADABLE, File, Pack, check_places
from labelsnap.snapshots.paths import check_path
from labelsnap.storage.interface import DOCUMENT_BYTES, RECORD_BYTES
from tasks.machines.here import here_of
from tasks.machines.software import software

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labelsnap.storage.interface import ObjectStore

Receipt = TypeVar("Receipt")

LITTLE: Final = 32 << 20
"""Bytes of an export that are brought and grouped again as soon as receipts of it were read: none is written."""
_NOTED: Final = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{0,199})\.json")
"""What receipts are called."""

log = logging.getLogger(__name__)


class Noted(Struct, frozen=True):
    """A receipt as it lies in the store, and the digest of the software that has written it."""

    software: str = ""
    receipt: Raw = Raw(b"null")


def name_of_values(values: object) -> str:
    """A name, 32 hexadecimal digits, that only equal JSON values have."""
    return hashlib.sha256(msgspec.json.encode(values, order="sorted")).hexdigest()[:32]


def note_at(store: ObjectStore, key: str, *, most: int = RECORD_BYTES) -> bytes | None:
    """The bytes of what a run noted; None where there is nothing, or what is longer than any note, or no file."""
    try:
        return store.get(key, most=most)
    except StorageRefusedError as error:
        if error.code not in UNREADABLE:
            raise
        log.warning("%s in %s cannot be read, and is taken for none: %s", key, store.url, error.message)
        return None


def values_in(value: object) -> Iterator[object]:
    """Give a receipt, decoded or as plain values, and everything in it, at any depth."""
    yield value
    within: Iterable[object] = ()
    match value:
        case Struct():
            within = (getattr(value, field) for field in value.__struct_fields__)
        case dict():
            within = value.values()
        case list() | tuple():
            within = value
    for each in within:
        yield from values_in(each)


class Ledger:
    """The receipts of one run by name. Writing one twice is harmless: a receipt is a function of its inputs.

    ``written`` are the names of those that can be there, where that is known: no others are asked for.
    """

    def __init__(self, store: ObjectStore, run: str, written: set[str] | None = None) -> None:
        self._store = store
        self._run = run
        self._written = written

    def key(self, name: str) -> str:
        """Where something of the run lies in the store."""
        return work_key(self._run, name)

    def recall(self, name: str, kind: type[Receipt]) -> Receipt | None:
        """The receipt that stands under a name, if this software has written it.

        None where there is none, or it is damaged: its work is done again.
        """
        if self._written is not None and name not in self._written:
            return None
        body = note_at(self._store, self.key(f"receipts/{name}.json"), most=DOCUMENT_BYTES)
        if body is None:
            return None
        try:
            noted = decoder_of(Noted).decode(body)
            if noted.software != software():
                return None
            receipt = decoder_of(kind).decode(noted.receipt)
            found = list(values_in(receipt))
            files = [each for each in found if isinstance(each, File)]
            check_places(files, [each for each in found if isinstance(each, Pack)], name)
            for file in files:
                check_path(file.path)
        except (*NOT_SUCH_JSON, StorageRefusedError):
            key = self.key(f"receipts/{name}.json")
            log.warning("The receipt %s in %s cannot be read; its work is done again.", key, self._store.url)
            return None
        return receipt

    def note(self, name: str, receipt: Receipt) -> Receipt:
        """Write a receipt and give it back."""
        noted = Noted(software(), Raw(msgspec.json.encode(receipt)))
        if self._written is not None:
            self._written.add(name)  # before it is there: where the answer is lost, it may be
        self._store.put(self.key(f"receipts/{name}.json"), msgspec.json.encode(noted))
        return receipt

    def names(self, prefix: str) -> Iterator[str]:
        """The names of receipts that begin so."""
        receipts = Kind(f"{self.key('receipts')}/", _NOTED)
        return (found["name"] for _, found in listed(self._store, receipts, prefix))

    def drop(self, name: str) -> None:
        """Remove a receipt: its work has to be done again."""
        self._store.delete(self.key(f"receipts/{name}.json"))

    def keys(self) -> list[str]:
        """Where everything of the run lies in the store."""
        return [info.key for info, _ in listed(self._store, SCRATCH, f"{self._run}/")]

    def clear(self) -> None:
        """Remove everything of the run."""
        self._store.delete_many(self.keys())


def ledger_here(url: str, run: str) -> Ledger:
    """The ledger of a run of the dataset, asked by this process for nothing that it knows not to be there."""
    here = here_of(url)
    return Ledger(here.store, run, here.begun.get(run))
