"""Hints that a dataset may have changed, kept in the store: a listener that starts again knows what it knew.

``work/hints/<delivery>.json`` is created once a delivery, whichever of several listeners it came to, and put again when
a refresh was started for it; the two differ in size, so a listing tells them apart, and one that is cut short is not
handled. ``work/exported.json`` says as of
when the dataset is: what happened at Labelbox before that has been looked at.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Struct

from labelsnap.decoders import decoder_of
from labelsnap.snapshots.layout import EXPORTED, HINT
from labelsnap.snapshots.listing import listed
from labelsnap.snapshots.manifest import NOT_SUCH_JSON
from labelsnap.storage import create_once
from tasks.run.ledger import name_of_values, note_at

if TYPE_CHECKING:
    from config.dataset import Dataset
    from labelsnap.storage import ObjectInfo, ObjectStore

HINTS: Final = HINT.prefix
KEPT: Final = timedelta(days=7)
"""How long a delivery is known, so that its repetition starts nothing."""
_NEW, _HANDLED = b'"new"', b'"handled"'


AHEAD: Final = timedelta(minutes=5)
"""How far the clock of Labelbox, which times exports, may be ahead of the store's."""
LONGEST: Final = timedelta(days=20 * 365)
"""No export was begun so long ago."""

log = logging.getLogger(__name__)


class Exported(Struct, frozen=True):
    """When the export of the last refresh that came to its end was begun, and a name for what the dataset file asked.

    The moment is by Labelbox's clock, where it told. Versions of before did not note what was asked, and went by the
    store's.
    """

    at: Annotated[datetime, Meta(tz=True)]
    asked: str = ""


def note_hint(store: ObjectStore, delivery: str, *, single_writer: bool = False) -> bool:
    """Write down a delivery; whether it is new."""
    return create_once(store, _key(delivery), _NEW, single_writer=single_writer)


def pending_hints(store: ObjectStore) -> tuple[ObjectInfo, ...]:
    """The deliveries for which no refresh was started yet, oldest first."""
    hints = (hint for hint, _ in listed(store, HINT) if hint.size != len(_HANDLED))
    return tuple(sorted(hints, key=lambda hint: (hint.modified, hint.key)))


def is_pending(store: ObjectStore, delivery: str) -> bool:
    """Whether a delivery is written down for which no refresh was started yet."""
    hint = store.head(_key(delivery))
    return hint is not None and hint.size != len(_HANDLED)


def name_of(hints: tuple[ObjectInfo, ...]) -> str:
    """A name for a refresh that answers these hints: the same for whoever starts it, and when it is started again.

    With one more hint it is another: a refresh that was started before that hint came does not answer it.
    """
    named = sorted(f"{hint.key} {hint.modified.isoformat()}" for hint in hints)
    return hashlib.sha256("\n".join(named).encode()).hexdigest()[:32]


def settle_hints(store: ObjectStore, hints: tuple[ObjectInfo, ...]) -> None:
    """A refresh was started for these hints; forget deliveries that are too old to come again."""
    for hint in hints:
        store.put(hint.key, _HANDLED)
    now = store.head(hints[-1].key) if hints else None
    for hint in [hint for hint, _ in listed(store, HINT) if hint.size == len(_HANDLED)]:
        if now and now.modified - hint.modified > KEPT:
            store.delete(hint.key)


def note_exported(store: ObjectStore, dataset: Dataset, at: datetime) -> None:
    """The dataset is as of this moment."""
    store.put(EXPORTED, msgspec.json.encode(Exported(at, asked_by(dataset))))


def forget_exported(store: ObjectStore) -> None:
    """What the dataset is about to be is not as of its last export: whoever looks at the source makes it again."""
    store.delete(EXPORTED)


def last_exported(store: ObjectStore, dataset: Dataset) -> datetime | None:
    """As of when the dataset is what its file asks, where that is known; a note that cannot be read says nothing."""
    body = note_at(store, EXPORTED)
    if body is None:
        return None
    try:
        noted = decoder_of(Exported).decode(body)
    except NOT_SUCH_JSON:
        log.warning("%s in %s cannot be read: it is not known as of when the dataset is.", EXPORTED, store.url)
        return None
    return noted.at if noted.asked == asked_by(dataset) else None


def asked_by(dataset: Dataset) -> str:
    """A name for what a dataset file asks; where it lies, and when and how it is written there, is not part of it."""
    return name_of_values(dataset.content())


def known(at: datetime | None, now: datetime) -> datetime | None:
    """The moment, unless it is to come or before all exports: a clock was wrong, and what came since cannot be told."""
    return at if at is not None and -LONGEST < at - now <= AHEAD else None


def _key(delivery: str) -> str:
    return f"{HINTS}{delivery}.json"
