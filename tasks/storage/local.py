"""A folder as an object store: what it acknowledges has reached the disk."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import ELOOP
from functools import partial
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from tasks.errors import StorageRefusedError
from tasks.storage.interface import (
    MAX_KEY_BYTES,
    RECORD_BYTES,
    Capabilities,
    ObjectInfo,
    Upload,
    check_key,
    moment,
    too_long,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader

PARTIAL: Final = ".partial"  # files being written; no key can name it, since keys have no leading dots
_WRITTEN: Final = re.compile(r"[0-9a-f]{32}")  # what they are called there
BLOCK_BYTES: Final = 1 << 20  # of a copy, held at once
PLACINGS: Final = 10  # how often a folder is made again that another process found empty and removed


@dataclass(frozen=True, slots=True)
class LocalStore:
    """Objects as files below ``root``. ``create`` is a hard link, which POSIX makes atomic and exclusive."""

    root: Path

    @property
    def url(self) -> str:
        """``file:///DIR``."""
        return self.root.as_uri()

    @property
    def capabilities(self) -> Capabilities:
        """All but multipart uploads, which a file system has no need of."""
        return Capabilities(conditional_create=True, listing=True, ranged_read=True, multipart=False)

    def put(self, key: str, body: bytes | Path) -> None:
        """See ObjectStore."""
        with self._translated(key), self._written(body) as written:
            self._place(key, written.replace)

    def create(self, key: str, body: bytes) -> bool:
        """See ObjectStore."""
        with self._translated(key), self._written(body) as written:
            try:
                self._place(key, partial(os.link, written))
            except FileExistsError:
                return False
            return True

    def get(self, key: str, *, offset: int = 0, length: int | None = None, most: int = RECORD_BYTES) -> bytes | None:
        """See ObjectStore."""
        with self._translated(key):
            try:
                with self._opened(key) as file:
                    file.seek(offset)
                    content = file.read(most + 1 if length is None else min(length, self._size(file)))
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
        if length is None and len(content) > most:
            raise too_long(key, most)
        return content

    def download(self, key: str, path: Path, *, size: int) -> bool:
        """See ObjectStore."""
        with self._translated(key):
            try:
                with self._opened(key) as source, path.open("wb") as target:
                    left = size + 1
                    while left and (block := source.read(min(left, BLOCK_BYTES))):
                        target.write(block)
                        left -= len(block)
            except FileNotFoundError:
                if not path.parent.is_dir():
                    raise
                return False
            return True

    def head(self, key: str) -> ObjectInfo | None:
        """See ObjectStore."""
        with self._translated(key):
            try:
                return _info(key, self._inside(key))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See ObjectStore. A folder that may not be read is an error, for what it holds cannot be told.

        Files whose names are no UTF-8, and links to nothing or to themselves, are no objects. Raises
        StorageRefusedError where the folder is reached by a link; links to folders below it are not followed.
        """
        folder = prefix.rpartition("/")[0]
        with self._translated(prefix):
            if Path(os.path.realpath(self.root / folder)) != Path(os.path.realpath(self.root)) / folder:
                raise _refused(prefix, self.root, "a link to a folder")
            wanted = (key for key in _keys_below(self.root, folder) if key.startswith(prefix) and _is_text(key))
            for _, key in sorted((os.fsencode(key), key) for key in wanted if not key.startswith(PARTIAL)):
                if info := _found(key, self.root / key):
                    yield info

    def delete(self, key: str) -> None:
        """See ObjectStore. Folders that are empty then go too."""
        with self._translated(key):
            path = self._path(key)
            path.unlink(missing_ok=True)
            for folder in path.parents[: key.count("/")]:
                try:
                    folder.rmdir()
                except OSError:  # something is in it, or somebody else removed it
                    break

    def uploads(self) -> Iterator[Upload]:
        """See ObjectStore. Files that a process was killed over, or is writing now."""
        with self._translated(PARTIAL):
            try:
                paths = sorted(self._partial().iterdir())
            except FileNotFoundError:
                return
            for path in paths:
                ours = _WRITTEN.fullmatch(path.name) and not path.is_symlink()
                if ours and (info := _found(path.name, path)):
                    yield Upload(key="", name=path.name, begun=info.modified, size=info.size)

    def abort(self, upload: Upload) -> None:
        """See ObjectStore."""
        with self._translated(PARTIAL):
            (self._partial() / check_key(upload.name)).unlink(missing_ok=True)

    @contextmanager
    def _opened(self, key: str) -> Iterator[BufferedReader]:
        """Open an object's file, and nothing else: to open a FIFO is to wait, and to open a device may do anything."""
        path = self._inside(key)
        if not S_ISDIR(mode := path.stat().st_mode) and not S_ISREG(mode):
            raise _refused(key, self.root, "a device or a FIFO")
        with open(path, "rb", opener=_open_file) as file:
            yield file

    def _inside(self, key: str) -> Path:
        """Return where an object's file lies. Raises StorageRefusedError where a link leads out of the store."""
        return self._checked(key, Path(os.path.realpath(self._path(key))))

    def _path(self, key: str) -> Path:
        """Return where an object's name stands. Raises StorageRefusedError where its folder leads out of the store."""
        path = self.root / check_key(key)
        self._checked(key, Path(os.path.realpath(path.parent)))
        return path

    def _partial(self) -> Path:
        """Return where files are written. Raises StorageRefusedError where that is a link, wherever it leads."""
        folder = self.root / PARTIAL
        if folder.is_symlink():
            raise _refused(PARTIAL, self.root, "a link")
        return folder

    def _checked(self, key: str, real: Path) -> Path:
        if not real.is_relative_to(os.path.realpath(self.root)):
            raise _refused(key, self.root, "a link that leads out of it")
        return real

    @staticmethod
    def _size(file: BufferedReader) -> int:
        return os.fstat(file.fileno()).st_size

    def _place(self, key: str, place: Callable[[Path], object]) -> None:
        """Bring a written file to its key, in a folder that is made for it and may be removed just then."""
        target = self._path(key)
        for left in reversed(range(PLACINGS)):
            try:
                _make_folder(target.parent)
                place(target)
                break
            except FileNotFoundError:
                if not left:
                    raise
        with suppress(FileNotFoundError):  # the object is deleted already, and so is its folder
            _flush(target.parent)

    @contextmanager
    def _written(self, body: bytes | Path) -> Iterator[Path]:
        """Give the body as a file of its own inside the root, flushed to the disk, removed if it was not moved."""
        written = self._partial() / uuid4().hex
        _make_folder(written.parent)
        try:
            with written.open("xb") as file:
                if isinstance(body, bytes):
                    file.write(body)
                else:
                    with body.open("rb") as source:
                        shutil.copyfileobj(source, file)
                file.flush()
                os.fsync(file.fileno())
            yield written
        finally:
            written.unlink(missing_ok=True)

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageRefusedError(
                f"Expected to reach {key!r} below {self.root}, found: {error.strerror or error}.",
                remedy="Check the folder's owner, rights and free space, and that its file system has hard links.",
                code="folder_refused",
            ) from error


def _open_file(path: str, flags: int) -> int:
    """Open what is no link, and wait for nobody: it was a file a moment ago."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _refused(key: str, root: Path, found: str) -> StorageRefusedError:
    return StorageRefusedError(
        f"Expected {key!r} to be what a store has below {root}, found {found}.",
        remedy="Look who put it there, and take it away: a store is a folder of plain files and folders.",
        code="not_an_object",
    )


def _info(key: str, path: Path) -> ObjectInfo | None:
    """Return a file's size and time; None: it is a folder. Raises OSError where there is nothing.

    What is no file, and stands under an object's name, is one that cannot be read: it is told, and not passed over.
    """
    status = path.stat()
    if S_ISDIR(status.st_mode):
        return None
    return ObjectInfo(key=key, size=status.st_size, modified=moment(status.st_mtime))


def _found(key: str, path: Path) -> ObjectInfo | None:
    """Return a listed file's size and time; None: it is something else, or gone since, or a link to itself."""
    try:
        return _info(key, path)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == ELOOP:
            return None
        raise


def _is_text(key: str) -> bool:
    """Say whether a name on the disk is UTF-8: Python spells the other bytes as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in key)


def _keys_below(root: Path, folder: str) -> Iterator[str]:
    """Give what lies in a folder of the root and in those below it, at any depth that a key has, by its path there."""
    folders = [folder]
    while folders:
        within = folders.pop()
        try:
            with os.scandir(root / within) as entries:
                for entry in entries:
                    key = f"{within}/{entry.name}".removeprefix("/")
                    if not entry.is_dir(follow_symlinks=False):
                        yield key
                    elif len(os.fsencode(key)) < MAX_KEY_BYTES:
                        folders.append(key)
        except (FileNotFoundError, NotADirectoryError):  # it is not there: nothing is in it
            continue


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it so that they survive a power cut."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        with suppress(FileExistsError):  # somebody else made it, and may have removed it since
            folder.mkdir()
        _flush(folder.parent)


def _flush(folder: Path) -> None:
    """Bring a folder's list of names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
