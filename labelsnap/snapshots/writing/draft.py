"""A snapshot that is being written: objects go up, nobody can read it until it is committed."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import add
from threading import Lock
from typing import TYPE_CHECKING, Final

import msgspec

from labelsnap.snapshots.keeping.epochs import keys_of, newest_epoch
from labelsnap.snapshots.layout import data_key, without_generation
from labelsnap.snapshots.manifest import File, Pack, digest
from labelsnap.snapshots.reading.at_hand import AtHandStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from labelsnap.snapshots.manifest import Contents
    from labelsnap.storage import ObjectStore

PARALLEL_UPLOADS: Final = 8


class Uploads(msgspec.Struct, frozen=True):
    """How many objects and bytes went up, and how many were in the store already."""

    objects: int = 0
    bytes: int = 0
    reused_objects: int = 0
    reused_bytes: int = 0

    def __add__(self, other: Uploads) -> Uploads:
        return Uploads(*map(add, msgspec.structs.astuple(self), msgspec.structs.astuple(other)))


class Draft:
    """Uploads what is missing and counts it; safe to share between threads.

    An object's key carries its content's hash, so a file that the ``base`` snapshot (or the given part of it) has, or
    that a crashed run uploaded already, is found there and not sent again. New keys carry the newest epoch of garbage
    collection, so they are never among those that it deletes; ``generation`` tells it, or the store is asked once.
    """

    def __init__(
        self, store: ObjectStore, base: Contents | None = None, *, generation: Callable[[], int] | None = None
    ) -> None:
        self._store = store
        self._lock = Lock()
        self._generation: int | None = None
        self._told = generation or partial(newest_epoch, store)
        self._standing = {without_generation(key): key for key in keys_of(base)} if base else {}
        self.uploads = Uploads()

    def add_file(self, path: str, body: bytes | Path) -> File:
        """Add the file under its logical path. Raises StorageRefusedError for a path that no tree can have."""
        pack = self.add_pack(path, body)
        return File(path=path, key=pack.key, size=pack.size, sha256=pack.sha256)

    def keep_file(self, file: File) -> File:
        """Add a file as it stands in the base snapshot: the same bytes would be written."""
        self._count(Uploads(0, 0, 1, file.size))
        return file

    def add_files(self, files: Iterable[tuple[str, bytes | Path]]) -> tuple[File, ...]:
        """Add several files, (logical path, body), a few at a time; return them in their order."""
        with ThreadPoolExecutor(PARALLEL_UPLOADS, thread_name_prefix="upload") as pool:
            return tuple(pool.map(lambda file: self.add_file(*file), files))

    def add_pack(self, path: str, body: bytes | Path) -> Pack:
        """Add an object that tables or files point into, such as a tar of small ones (``images/pack-00003.tar``)."""
        pack = self.place(path, body)
        self.send(pack, body)
        return pack

    def place(self, path: str, body: bytes | Path) -> Pack:
        """Say where an object will stand that is to be sent."""
        size, sha256 = measured(body)
        return Pack(key=self._key(path, sha256), size=size, sha256=sha256)

    def placed(self, path: str, body: bytes | Path) -> File:
        """Say what a file will be that is to be added."""
        pack = self.place(path, body)
        return File(path=path, key=pack.key, size=pack.size, sha256=pack.sha256)

    def send(self, pack: Pack, body: bytes | Path) -> None:
        """Upload a placed object, where it is missing."""
        standing = self._store.head(pack.key)
        if missing := standing is None or standing.size != pack.size:
            self._store.put(pack.key, body)
        self._count(Uploads(1, pack.size, 0, 0) if missing else Uploads(0, 0, 1, pack.size))

    def hold(self, file: File, body: Path) -> None:
        """Have a joined file at hand, where anything is: it is read again in this run."""
        if isinstance(self._store, AtHandStore):
            self._store.hold(file.sha256, body)

    def add_small_files(self, path: str, members: Iterable[tuple[str, bytes]]) -> tuple[Pack, tuple[File, ...]]:
        """Add many small files, (logical path, bytes), as one object: a request a thousand, not a thousand.

        It has one after another, and what is the same once.
        """
        offsets: dict[str, int] = {}
        bodies: list[bytes] = []
        files: list[tuple[str, int, str, int]] = []
        size = 0
        for name, payload in members:
            sha256 = digest(payload)
            if sha256 not in offsets:
                offsets[sha256] = size
                bodies.append(payload)
                size += len(payload)
            files.append((name, len(payload), sha256, offsets[sha256]))
        pack = self.add_pack(path, b"".join(bodies))
        return pack, tuple(
            File(path=name, key=pack.key, size=length, sha256=sha256, offset=offset)
            for name, length, sha256, offset in files
        )

    def _key(self, path: str, sha256: str) -> str:
        """Return where the content stands in the base snapshot, or where it goes in this generation."""
        plain = data_key(path, sha256)
        with self._lock:
            if plain in self._standing:
                return self._standing[plain]
            if self._generation is None:
                self._generation = self._told()
            return data_key(path, sha256, self._generation)

    def _count(self, more: Uploads) -> None:
        with self._lock:
            self.uploads += more


def measured(body: bytes | Path) -> tuple[int, str]:
    """Return size and sha256 of bytes or of a file."""
    if isinstance(body, bytes):
        return len(body), digest(body)
    with body.open("rb") as file:
        return body.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
