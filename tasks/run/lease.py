"""One refresh of a dataset at a time: a lease in the store, which whoever dies lets go of by doing nothing.

Leases are objects ``work/lease/<number>.json``; the highest number is the one that counts. Its holder writes it again
while it works, so its age by the store's own clock says whether the holder lives, and the next one is made by a
conditional create, which one of many wins. A lease that is from the future, by more than it may be old, was written by
a clock that was ahead, and says nothing about its holder. A lease saves work and protects nothing: what keeps two
publications apart is the commit itself, also where a holder was stopped for so long that another took over.
"""

from __future__ import annotations

import logging
import socket
import time
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from labelsnap.decoders import decoder_of
from labelsnap.errors import StorageError, StorageRefusedError
from labelsnap.snapshots.layout import LEASE
from labelsnap.snapshots.listing import listed
from labelsnap.snapshots.manifest import NOT_SUCH_JSON
from labelsnap.storage import create_once, probe
from tasks.run.ledger import note_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from labelsnap.storage import ObjectStore

Overlap = Literal["queue", "refuse"]

LONGEST: Final = 300  # characters of a name that is shown
HIGHEST: Final = 10**20 - 1
"""The number of a lease that no other can follow; nobody comes to it."""
BEATS: Final = 4
"""How often a lease is written again within the time after which it lapses."""

log = logging.getLogger(__name__)


class Holder(Struct, frozen=True):
    """Who holds a lease, for people to read."""

    run: Annotated[str, Meta(max_length=LONGEST)]
    host: Annotated[str, Meta(max_length=LONGEST)]


class Lease(NamedTuple):
    """A lease by its number, its key, and when it was last renewed by the store's clock."""

    number: int
    key: str
    renewed: datetime

    def lives(self, now: datetime, seconds: float) -> bool:
        """Whether its holder has given a sign of life."""
        return abs(now - self.renewed) < timedelta(seconds=seconds)


@contextmanager
def held(
    store: ObjectStore,
    run: str,
    *,
    overlap: Overlap,
    seconds: float,
    patience: float,
    single_writer: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the dataset's lease while the block runs; a lease that is not renewed for ``seconds`` has lapsed.

    While another holds it, ``queue`` waits up to ``patience`` seconds and ``refuse`` does not. Raises
    ``StorageRefusedError`` (``refresh_running``) when it is still held then.
    """
    body = msgspec.json.encode(Holder(run, socket.gethostname()))
    deadline = time.monotonic() + (patience if overlap == "queue" else 0)
    while (key := take(store, body, seconds=seconds, single_writer=single_writer)) is None:
        if time.monotonic() >= deadline:
            raise _running(store)
        sleep(seconds / BEATS)
    done = Event()
    keeper = Thread(target=_renew, args=(store, key, body, seconds / BEATS, done), name="lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()
        _let_go(store, key)


def is_held(store: ObjectStore, *, seconds: float, single_writer: bool = False) -> bool:
    """Whether a run has the dataset."""
    newest = _newest(store)
    return newest is not None and newest.lives(probe(store, single_writer=single_writer), seconds)


def take(store: ObjectStore, body: bytes, *, seconds: float, single_writer: bool = False) -> str | None:
    """The key of a new lease, or None while another one is alive."""
    if (newest := _newest(store)) is not None:
        now = probe(store, single_writer=single_writer)  # before the lease is looked at: it may be renewed meanwhile
        newest = _newest(store)
        if newest and newest.lives(now, seconds):
            return None
    if newest and newest.number == HIGHEST:
        store.delete(newest.key)  # whoever wrote it is no refresh
        newest = None
    key = f"{LEASE.prefix}{newest.number + 1 if newest else 1:020d}.json"
    if not create_once(store, key, body, single_writer=single_writer):
        return None
    standing = _leases(store)
    if max((lease.key for lease in standing), default="") != key:
        store.delete(key)  # this process was stopped between looking and creating, and others have gone on
        return None
    for lapsed in standing:
        if lapsed.key < key:
            store.delete(lapsed.key)
    return key


def _leases(store: ObjectStore) -> list[Lease]:
    return [Lease(int(found["number"]), info.key, info.modified) for info, found in listed(store, LEASE)]


def _newest(store: ObjectStore) -> Lease | None:
    return max(_leases(store), default=None)


def _renew(store: ObjectStore, key: str, body: bytes, interval: float, done: Event) -> None:
    while not done.wait(interval):
        try:
            if store.head(key) is None:
                log.warning(
                    "The lease %s of %s was taken over; the commit decides whose version counts.", key, store.url
                )
                return
            store.put(key, body)
        except StorageError as error:
            log.warning("The lease %s of %s was not renewed: %s", key, store.url, error.message)


def _let_go(store: ObjectStore, key: str) -> None:
    try:
        store.delete(key)
    except StorageError as error:
        log.warning("The lease %s of %s stays until it lapses: %s", key, store.url, error.message)


def _running(store: ObjectStore) -> StorageRefusedError:
    newest = _newest(store)
    body = note_at(store, newest.key) if newest else None
    try:
        holder = decoder_of(Holder).decode(body or b"")
    except NOT_SUCH_JSON:
        holder = Holder("another run", "another machine")
    return StorageRefusedError(
        f"A refresh of {store.url} is running already: {holder.run} on {holder.host}.",
        remedy="Wait for it; `overlap: queue` in the dataset file, with LABELSNAP_QUEUE_SECONDS, says for how long.",
        code="refresh_running",
    )
