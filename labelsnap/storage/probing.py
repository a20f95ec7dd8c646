"""A test of the one promise that publishing stands on: an object is created once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from labelsnap.errors import StorageRefusedError
from labelsnap.storage.interface import UNSUPPORTED

if TYPE_CHECKING:
    from datetime import datetime

    from labelsnap.storage.interface import ObjectStore

PROBES: Final = "_probe/"
_FIRST, _SECOND = b"first", b"second"


def probe(store: ObjectStore, *, single_writer: bool = False) -> datetime:
    """Write, create twice, read back and remove a small object; return the store's own clock.

    A store may ignore ``If-None-Match`` and answer 200, so the second creation must be refused *and* the first bytes
    must still stand. With ``single_writer`` a plain write and read are enough. Raises StorageRefusedError, or
    StorageOutcomeUnknownError when the store does not answer.
    """
    key = f"{PROBES}{uuid4().hex}"
    if single_writer:
        store.put(key, _FIRST)
    elif not (store.capabilities.conditional_create and _created(store, key)):
        raise _no_conditional_create(store)
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="probe") as pool:
            looked = pool.submit(store.head, key)
            if not single_writer and store.create(key, _SECOND):
                raise _no_conditional_create(store)
            if store.get(key) != _FIRST or (info := looked.result()) is None:
                raise _forgetful(store)
        return info.modified
    finally:
        store.delete(key)


def create_once(store: ObjectStore, key: str, body: bytes, *, single_writer: bool) -> bool:
    """Create an object; with a single writer by looking and putting, for stores that cannot create conditionally.

    True: this call made the object; False: something stands there, and stays. Raises StorageRefusedError where the
    store does not know the condition.
    """
    if not single_writer:
        try:
            return store.create(key, body)
        except StorageRefusedError as refused:
            if refused.code != UNSUPPORTED:
                raise
            raise _no_conditional_create(store) from refused
    if store.head(key) is not None:
        return False
    store.put(key, body)
    return True


def _created(store: ObjectStore, key: str) -> bool:
    """Create the probe; False too where the store does not know the condition."""
    try:
        return store.create(key, _FIRST)
    except StorageRefusedError as refused:
        if refused.code != UNSUPPORTED:
            raise
        return False


def _no_conditional_create(store: ObjectStore) -> StorageRefusedError:
    return StorageRefusedError(
        f"Expected {store.url} to refuse a second creation of one object, found that it does not.",
        remedy="Use a store that honours `If-None-Match: *` on PutObject, or set `single_writer: true` in the dataset "
        "file if never more than one refresh writes to it.",
        code="no_conditional_create",
    )


def _forgetful(store: ObjectStore) -> StorageRefusedError:
    return StorageRefusedError(
        f"Expected {store.url} to give back the bytes that were just written, found other ones.",
        remedy="Use a store with read-after-write consistency and without a cache in front of it.",
        code="write_lost",
    )
