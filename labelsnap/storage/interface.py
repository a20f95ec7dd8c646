"""The operations that a snapshot needs of a store, and what a store may promise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from labelsnap.errors import StorageRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

MAX_KEY_BYTES: Final = 1024  # S3's limit on a key, prefix included
RECORD_BYTES: Final = 1 << 20  # of a small object: a commit record, a tag, a note; JSON of nothing takes 30 times that
DOCUMENT_BYTES: Final = 1 << 30  # of one that lists a dataset's files: a manifest, an epoch, a receipt
DELETED_SIDE_BY_SIDE: Final = 16
UNSUPPORTED: Final = "unsupported"
"""The code of the error for an operation that the store does not have."""


_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store claims it can do; ``probe`` tests the claim that a commit stands on."""

    conditional_create: bool
    listing: bool
    ranged_read: bool
    multipart: bool


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object: its key below the store's root, its size in bytes, its last change by the store's own clock."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that was begun and has not ended: of which key, when by the store's own clock, and the store's name.

    Where it belongs to no key yet, ``key`` is "". ``size`` is what of it lies in the store, in bytes; 0: not known.
    """

    key: str
    name: str
    begun: datetime
    size: int = 0


class ObjectStore(Protocol):
    """A flat map from keys to immutable bytes; stores are safe to share between threads and can be pickled.

    Every operation but ``create`` may be repeated without harm. All raise StorageRefusedError when the store says no
    (no rights, no bucket, no space, a key it cannot hold) and StorageOutcomeUnknownError when no answer was had.
    """

    @property
    def url(self) -> str:
        """Where the root of the keys is, without a slash at the end."""

    @property
    def capabilities(self) -> Capabilities:
        """What this kind of store claims."""

    def put(self, key: str, body: bytes | Path) -> None:
        """Store the bytes, or the file's bytes, whole or not at all; what stood under the key is replaced."""

    def create(self, key: str, body: bytes) -> bool:
        """Store the bytes if nothing stands under the key; sent once, never repeated by the client library.

        True: this call made the object. False: the store refused, because something stands or is being made there.
        """

    def get(self, key: str, *, offset: int = 0, length: int | None = None, most: int = RECORD_BYTES) -> bytes | None:
        """Read ``length`` (at least 1; None: all) bytes from ``offset``, fewer at the object's end; None: absent.

        Raises StorageRefusedError where all of it is more than ``most`` bytes; no more are held than that.
        """

    def download(self, key: str, path: Path, *, size: int) -> bool:
        """Stream the object into a file, in bounded memory; False: there is no such object (and no file).

        Of one that is longer than ``size`` bytes the file has one byte more than that, and no more.
        """

    def head(self, key: str) -> ObjectInfo | None:
        """Size and time of an object; None: absent."""

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key starts with the prefix and comes after the other key, by the keys' UTF-8 bytes.

        They are given in that order.
        """

    def delete(self, key: str) -> None:
        """Remove the object; an absent one is no error."""

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove objects, in as few requests as the store knows how; absent ones are no error.

        All that can be removed are, before StorageRefusedError names one that the store keeps.
        """

    def uploads(self) -> Iterator[Upload]:
        """Every upload that was begun below the store's root and has not ended; none where the store cannot tell."""

    def abort(self, upload: Upload) -> None:
        """Remove what there is of an upload; one that has ended is no error."""


def delete_each(delete: Callable[[str], None], keys: Iterable[str]) -> None:
    """Remove objects one a request, side by side. Raises what one that stays raised, once all were tried."""

    def tried(key: str) -> StorageRefusedError | None:
        try:
            delete(key)
        except StorageRefusedError as error:
            return error
        return None

    with ThreadPoolExecutor(DELETED_SIDE_BY_SIDE, thread_name_prefix="delete") as pool:
        refused = [error for error in pool.map(tried, keys) if error]
    if refused:
        others = f" {len(refused) - 1} others were refused too." if len(refused) > 1 else ""
        first = refused[0]
        raise StorageRefusedError(f"{first.message}{others}", remedy=first.remedy, code=first.code) from first


def moment(when: datetime | float) -> datetime:
    """Return the time that a store tells (a number: seconds since 1970), in UTC where it names no zone.

    What is before 1970 or after 9000 is taken for these, so that days can be counted from it.
    """
    if isinstance(when, datetime):
        return min(max(when if when.tzinfo else when.replace(tzinfo=UTC), _EARLIEST), _LATEST)
    return datetime.fromtimestamp(min(max(when, 0.0), _LATEST.timestamp()), UTC)


def too_long(key: str, most: int) -> StorageRefusedError:
    """Return the error for an object that is longer than anything of its kind."""
    return StorageRefusedError(
        f"Expected {most} bytes at most of {key!r}, found more.",
        remedy="Restore the object from a copy of the bucket, and check that the URL leads to the store itself.",
        code="object_too_long",
    )


def is_key(key: str) -> bool:
    """Say whether every store can hold it: relative, printable, no empty or dotted folder names.

    What file managers, file systems and consoles leave among the objects (``.DS_Store``, ``.nfs…``, folder markers that
    end with a slash) is none.
    """
    dotted = any(segment.startswith(".") or not segment for segment in key.split("/"))
    short = len(key.encode(errors="replace")) <= MAX_KEY_BYTES
    return short and not dotted and "\\" not in key and key.isprintable()


def check_key(key: str) -> str:
    """Return the key if it is one (see ``is_key``). Raises StorageRefusedError otherwise.

    So a key from a damaged manifest reaches no file system.
    """
    if not is_key(key):
        raise StorageRefusedError(
            f"Expected an object key of named folders and a name, found {key!r}.",
            remedy="Use names without leading dots, backslashes or control characters, 1024 bytes in all at most.",
            code="bad_key",
        )
    return key
