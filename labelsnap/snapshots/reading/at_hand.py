"""Objects of a store that this process has written or read, kept on its disk: the store is asked for them once.

What is kept are objects whose keys say their content, so that no copy can be an old one. A reader checks them by their
hash as it does those of the store. Whoever has to see what the store holds asks for ``the_store_of`` one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from labelsnap.snapshots.layout import DATA, HANDED_ON, MANIFEST, OBJECT
from labelsnap.snapshots.reading.looking import Listed, listed, looked_for
from labelsnap.storage.interface import RECORD_BYTES, ObjectInfo, too_long

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from labelsnap.storage import Capabilities, ObjectStore, Upload

WHOLE_BYTES: Final = 64 << 20
"""An object of which ranges are asked is brought whole where it has no more than that."""
SHARE: Final = 16
"""… and once more than one part of so many of it has been asked for."""
_PREFIX: Final = "labelsnap-at-hand-"
_LOCKED: Final = "lock"
_STRIPES: Final = 64


class Folder:
    """Copies of objects by name, in a folder of the process's own that holds ``most`` bytes; threads may share it.

    Where there is no room for one more, the largest go: each costs one request to be brought again, whatever its size.
    The folder goes with the process; one of a process that was killed is removed by the next that makes one.
    """

    def __init__(self, most: int, directory: Path | None = None) -> None:
        self._room = most
        self._sizes: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._lock = Lock()
        above = Path(directory or gettempdir())
        _remove_abandoned(above)
        self._folder = TemporaryDirectory(prefix=_PREFIX, dir=above, ignore_cleanup_errors=True)
        self._held = os.open(self._path(_LOCKED), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove all of it."""
        with self._lock:
            self._room, self._sizes, self._names = 0, {}, {}
            self._folder.cleanup()
            if self._held >= 0:
                os.close(self._held)
                self._held = -1

    def read(self, name: str, offset: int, length: int) -> bytes | None:
        """Read ``length`` bytes of a copy from ``offset``, fewer at its end; None where there is none."""
        if (copy := self._copy(name)) is None:
            return None
        try:
            with copy.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except OSError:
            return None

    def size(self, name: str) -> int | None:
        """Return how many bytes a copy has; None where there is none."""
        with self._lock:
            return self._sizes[name] if name in self._names else None

    def give(self, name: str, path: Path) -> bool:
        """Put a copy at ``path``; False where there is none."""
        if (copy := self._copy(name)) is None:
            return False
        try:
            source = copy.open("rb")
        except OSError:
            return False
        with source, path.open("wb") as target:
            shutil.copyfileobj(source, target)
        return True

    def lend(self, name: str, path: Path) -> bool:
        """Put a copy at ``path`` that nobody writes to: the same file, where it can be; False where there is none."""
        if (copy := self._copy(name)) is None:
            return False
        try:
            path.hardlink_to(copy)
        except FileExistsError:
            raise  # what is there may be lent, too, and nobody writes to that
        except OSError:
            return self.give(name, path)
        return True

    def take(self, name: str, body: bytes | Path) -> None:
        """Keep a copy of what an object holds."""
        if isinstance(body, bytes):
            self.bring(name, _size(body), lambda path: path.write_bytes(body))
        else:
            self.bring(name, _size(body), lambda path: shutil.copyfile(body, path))

    def bring(self, name: str, size: int, write: Callable[[Path], object]) -> None:
        """Keep a copy of ``size`` bytes, which ``write`` puts in its place.

        A disk that has no room is no error, nor is what has another size: then there is no copy.
        """
        if not self._has_room(name, size):
            return
        path = self._path(uuid4().hex)
        try:
            write(path)
            is_whole = path.stat().st_size == size
        except OSError:
            is_whole = False
        except BaseException:
            self.drop(name)
            path.unlink(missing_ok=True)
            raise
        with self._lock:
            if is_whole and name in self._sizes:
                self._names[name] = path.name
                return
            self._remove(name)
        path.unlink(missing_ok=True)

    def drop(self, name: str) -> None:
        """Keep no copy of an object."""
        with self._lock:
            self._remove(name)

    def _has_room(self, name: str, size: int) -> bool:
        """Make room for a new copy and reckon with it; False where there is none, or a copy is there."""
        with self._lock:
            if name in self._sizes:
                return False
            while size > self._room:
                largest = max(self._sizes, key=self._sizes.__getitem__, default=None)
                if largest is None or self._sizes[largest] < size:
                    return False
                self._remove(largest)
            self._sizes[name] = size
            self._room -= size
            return True

    def _remove(self, name: str) -> None:
        self._room += self._sizes.pop(name, 0)
        if (found := self._names.pop(name, None)) is not None:
            self._path(found).unlink(missing_ok=True)

    def _copy(self, name: str) -> Path | None:
        """Where a copy lies, unless it has gone meanwhile; None where there is none."""
        with self._lock:
            found = self._names.get(name)
        return None if found is None else self._path(found)

    def _path(self, name: str) -> Path:
        return Path(self._folder.name, name)


def _remove_abandoned(above: Path) -> None:
    """Remove the folders of processes that are gone: nobody holds their lock."""
    for folder in above.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            held = os.open(folder / _LOCKED, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(held)


@dataclass(eq=False, slots=True)
class AtHandStore:
    """A store of which this process asks once for what says its content by its key, in one run.

    What it wrote and read it has from ``folder``, and which data objects stand from one list, of the time when it first
    asked: what anybody else wrote since may be written again, which makes the same object. The list is read as long as
    it tells of many that are expected. Everything else is asked of the store itself.
    """

    store: ObjectStore
    folder: Folder
    _written: dict[str, ObjectInfo] = field(default_factory=dict)
    _asked: dict[str, int] = field(default_factory=dict)
    _expected: Sequence[bytes] = ()
    _listed: Listed | None = None
    _listing: Lock = field(default_factory=Lock)
    _stripes: tuple[Lock, ...] = field(default_factory=lambda: tuple(Lock() for _ in range(_STRIPES)))

    @property
    def url(self) -> str:
        """That of the store."""
        return self.store.url

    @property
    def capabilities(self) -> Capabilities:
        """Those of the store."""
        return self.store.capabilities

    def put(self, key: str, body: bytes | Path) -> None:
        """See ObjectStore."""
        self.store.put(key, body)
        if _says_content(key):
            self._written[key] = ObjectInfo(key, _size(body), datetime.now(UTC))
            self.folder.drop(self._name(key))
            self.folder.take(self._name(key), body)

    def create(self, key: str, body: bytes) -> bool:
        """See ObjectStore."""
        return self.store.create(key, body)

    def get(self, key: str, *, offset: int = 0, length: int | None = None, most: int = RECORD_BYTES) -> bytes | None:
        """See ObjectStore. Of an object that was asked for in parts before all is brought, if it is not large."""
        if not _says_content(key):
            return self.store.get(key, offset=offset, length=length, most=most)
        with self._asking(key):
            if self._bring(key, offset, length):
                return self._read(key, offset, length, most)
            found = self.store.get(key, offset=offset, length=length, most=most)
            if found is not None and offset == 0 and (length is None or len(found) < length):
                self.folder.take(self._name(key), found)
            return found

    def download(self, key: str, path: Path, *, size: int) -> bool:
        """See ObjectStore."""
        if not _says_content(key):
            return self.store.download(key, path, size=size)
        name = self._name(key)
        with self._asking(key):
            kept = self.folder.size(name)
            if kept is not None and kept <= size and self.folder.give(name, path):
                return True
            found = self.store.download(key, path, size=size)
            if found and path.stat().st_size <= size:
                self.folder.take(name, path)
            return found

    def lend(self, key: str, path: Path, *, size: int) -> bool:
        """Do what ``download`` does, for whoever only reads what is at ``path``.

        Of an object that has up to as much again as the ``size`` bytes that are wanted all is brought, and lent.
        """
        name = self._name(key)
        info = self._listed.found.get(key) if self._listed else None
        whole = info.size if info and size < info.size <= 2 * size else size
        with self._asking(key):
            if _says_content(key) and self.folder.size(name) is None:
                self.folder.bring(name, whole, partial(self.store.download, key, size=whole))
            kept = self.folder.size(name)
            if kept is not None and kept <= whole and self.folder.lend(name, path):
                return True
        return self.download(key, path, size=size)

    def head(self, key: str) -> ObjectInfo | None:
        """See ObjectStore."""
        telling = self._telling(key)
        return self.store.head(key) if telling is None else telling.found.get(key)

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore. What this process wrote since is timed by its own clock."""
        if not prefix.startswith(DATA) or (standing := self._standing()).until is not None:
            yield from self.store.list(prefix, after=after)
            return
        there = standing.found | self._written
        found = (info for key, info in there.items() if key.startswith(prefix) and key.encode() > after.encode())
        yield from sorted(found, key=lambda info: info.key.encode())

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        self.folder.drop(self._name(key))
        self.store.delete(key)

    def delete_many(self, keys: Sequence[str]) -> None:
        """See ObjectStore."""
        for key in keys:
            self.folder.drop(self._name(key))
        self.store.delete_many(keys)

    def uploads(self) -> Iterator[Upload]:
        """See ObjectStore."""
        return self.store.uploads()

    def abort(self, upload: Upload) -> None:
        """See ObjectStore."""
        self.store.abort(upload)

    def expect(self, keys: Collection[str]) -> None:
        """Say which data objects will be looked for, before any is."""
        self._expected = sorted(key.encode() for key in keys)

    def look(self) -> None:
        """Ask which data objects stand, unless that was asked before."""
        self._standing()

    def looked_for(self, keys: Collection[str], seconds: float) -> dict[str, ObjectInfo]:
        """Return those of these data objects that are there, by key.

        Of what was listed less than so many seconds ago the store is not asked.
        """
        standing = self._standing()
        is_recent = monotonic() - standing.since < seconds
        told = {key for key in keys if is_recent and self._telling(key)}
        found = {key: standing.found[key] for key in told if key in standing.found}
        return found | looked_for(self.store, frozenset(keys) - told)

    def hold(self, sha256: str, body: Path) -> None:
        """Keep a copy of a file that is joined from objects."""
        self.folder.take(self._name(sha256), body)

    def give(self, sha256: str, path: Path) -> bool:
        """Put the copy of a file that is joined from objects at ``path``; False where there is none."""
        return self.folder.give(self._name(sha256), path)

    def _bring(self, key: str, offset: int, length: int | None) -> bool:
        """Whether a copy of an object is there; one of which enough parts were asked for is brought."""
        name = self._name(key)
        if self.folder.size(name) is not None:
            return True
        telling = self._telling(key)
        info = telling.found.get(key) if telling else None
        if info is None or length is None or (offset == 0 and length > info.size):
            return False
        self._asked[key] = self._asked.get(key, 0) + length
        if info.size > WHOLE_BYTES or self._asked[key] * SHARE <= info.size:
            return False
        self.folder.bring(name, info.size, partial(self.store.download, key, size=info.size))
        return self.folder.size(name) is not None

    def _read(self, key: str, offset: int, length: int | None, most: int) -> bytes | None:
        name = self._name(key)
        if length is None and (self.folder.size(name) or 0) > offset + most:
            raise too_long(key, most)
        found = self.folder.read(name, offset, most if length is None else length)
        return self.store.get(key, offset=offset, length=length, most=most) if found is None else found

    def _telling(self, key: str) -> Listed | None:
        """Return the list that tells of an object; None where the store has to be asked."""
        if not key.startswith(DATA) or key in self._written:
            return None
        standing = self._standing()
        return standing if standing.tells_of(key) else None

    def _standing(self) -> Listed:
        with self._listing:
            self._listed = self._listed or listed(self.store, DATA, self._expected)
            return self._listed

    @contextmanager
    def _asking(self, key: str) -> Iterator[None]:
        """One thread asks for an object at a time: the others find it."""
        with self._stripes[hash(key) % _STRIPES]:
            yield

    def _name(self, key: str) -> str:
        return f"{self.url}/{key}"


def the_store_of(store: ObjectStore) -> ObjectStore:
    """Return the store itself, of which nothing is at hand: for whoever has to see what it holds."""
    return store.store if isinstance(store, AtHandStore) else store


def _size(body: bytes | Path) -> int:
    return len(body) if isinstance(body, bytes) else body.stat().st_size


def _says_content(key: str) -> bool:
    return any(kind.match(key) for kind in (OBJECT, MANIFEST, HANDED_ON))
