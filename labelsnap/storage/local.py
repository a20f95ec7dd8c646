"""A folder as an object store: what it acknowledges has reached the disk."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EISDIR, ELOOP
from functools import partial
from pathlib import Path, PurePosixPath
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from labelsnap.errors import StorageRefusedError
from labelsnap.memory import BLOCK
from labelsnap.storage.beneath import new_file, opened_file, opened_folder
from labelsnap.storage.interface import (
    MAX_KEY_BYTES,
    RECORD_BYTES,
    Capabilities,
    ObjectInfo,
    Upload,
    check_key,
    delete_each,
    moment,
    too_long,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import BufferedReader

PARTIAL: Final = ".partial"  # files being written; no key can name it, since keys have no leading dots
_WRITTEN: Final = re.compile(r"[0-9a-f]{32}")  # what they are called there
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
        with self._translated(key), self._written(body) as (written, folder):
            self._place(key, partial(os.replace, written, src_dir_fd=folder))

    def create(self, key: str, body: bytes) -> bool:
        """See ObjectStore."""
        with self._translated(key), self._written(body) as (written, folder):
            try:
                self._place(key, partial(os.link, written, src_dir_fd=folder, follow_symlinks=False))
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
                    while left and (block := source.read(min(left, BLOCK))):
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
                with self._folder(self._inside(key)) as (folder, name):
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    if S_ISLNK(status.st_mode):
                        raise _refused(key, self.root, "a link")
                    return _info(key, status)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore. A folder that may not be read is an error, for what it holds cannot be told.

        Files whose names are no UTF-8, and links to nothing or to themselves, are no objects. Raises
        StorageRefusedError where the folder is reached by a link; links to folders below it are not followed.
        """
        folder = prefix.rpartition("/")[0]
        with self._translated(prefix):
            root = Path(os.path.realpath(self.root))
            if Path(os.path.realpath(self.root / folder)) != root / folder:
                raise _refused(prefix, self.root, "a link to a folder")
            wanted = (key for key in _keys_below(root, folder) if key.startswith(prefix) and _is_text(key))
            for name, key in sorted((os.fsencode(key), key) for key in wanted if not key.startswith(PARTIAL)):
                if name > os.fsencode(after) and (info := _found(key, self.root / key)):
                    yield info

    def delete(self, key: str) -> None:
        """See ObjectStore. Folders that are empty then go too."""
        with self._translated(key):
            path = self._path(key)
            with suppress(FileNotFoundError), self._folder(path) as (folder, name):
                os.unlink(name, dir_fd=folder)
            for empty in path.parents[: key.count("/")]:
                try:
                    with self._folder(empty) as (folder, name):
                        os.rmdir(name, dir_fd=folder)
                except OSError:  # something is in it, or somebody else removed it
                    break

    def delete_many(self, keys: Sequence[str]) -> None:
        """See ObjectStore."""
        delete_each(self.delete, keys)

    def uploads(self) -> Iterator[Upload]:
        """See ObjectStore. Files that a process was killed over, or is writing now."""
        with self._translated(PARTIAL):
            try:
                with self._partial() as folder:
                    with os.scandir(folder) as entries:
                        names = sorted(entry.name for entry in entries)
                    for name in names:
                        if (written := _written_there(name, folder)) is not None:
                            yield Upload(key="", name=name, begun=moment(written.st_mtime), size=written.st_size)
            except FileNotFoundError:
                return

    def abort(self, upload: Upload) -> None:
        """See ObjectStore."""
        with self._translated(PARTIAL), suppress(FileNotFoundError), self._partial() as folder:
            os.unlink(check_key(upload.name), dir_fd=folder)

    @contextmanager
    def _opened(self, key: str) -> Iterator[BufferedReader]:
        """Open an object's file, and nothing else: to open a FIFO is to wait, and to open a device may do anything."""
        with self._folder(self._inside(key)) as (folder, name):
            self._check_file(key, os.stat(name, dir_fd=folder, follow_symlinks=False))
            with os.fdopen(opened_file(name, folder), "rb") as file:
                self._check_file(key, os.fstat(file.fileno()))
                yield file

    def _check_file(self, key: str, status: os.stat_result) -> None:
        if S_ISDIR(status.st_mode):
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        if not S_ISREG(status.st_mode):
            raise _refused(key, self.root, "a link, a device or a FIFO")

    def _inside(self, key: str) -> Path:
        """Return where an object's file lies. Raises StorageRefusedError where a link leads out of the store."""
        return self._checked(key, Path(os.path.realpath(self.root / check_key(key))))

    def _path(self, key: str) -> Path:
        """Return where an object's name stands. Raises StorageRefusedError where its folder leads out of the store."""
        path = self.root / check_key(key)
        return self._checked(key, Path(os.path.realpath(path.parent))) / path.name

    def _checked(self, key: str, real: Path) -> Path:
        if not real.is_relative_to(os.path.realpath(self.root)):
            raise _refused(key, self.root, "a link that leads out of it")
        return real

    @contextmanager
    def _folder(self, path: Path, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Open the folder that a file below the root (both resolved) stands in; give it, and the name of the file.

        A link that was put on the way since then is not gone through.
        """
        root = Path(os.path.realpath(self.root))
        within = path.relative_to(root)
        with opened_folder(root, within.parent.parts, make=make) as folder:
            yield folder, within.name

    @contextmanager
    def _partial(self, *, make: bool = False) -> Iterator[int]:
        """Open where files are written. Raises StorageRefusedError where that is a link, wherever it leads."""
        try:
            with opened_folder(self.root, [PARTIAL], make=make, listed=True) as folder:
                yield folder
        except NotADirectoryError:
            raise _refused(PARTIAL, self.root, "a link or a file") from None

    @staticmethod
    def _size(file: BufferedReader) -> int:
        return os.fstat(file.fileno()).st_size

    def _place(self, key: str, place: Callable[..., object]) -> None:
        """Bring a written file to its key, in a folder that is made for it and may be removed just then."""
        for left in reversed(range(PLACINGS)):
            try:
                with self._folder(self._path(key), make=True) as (folder, name):
                    place(name, dst_dir_fd=folder)
                    os.fsync(folder)
                break
            except FileNotFoundError:
                if not left:
                    raise

    @contextmanager
    def _written(self, body: bytes | Path) -> Iterator[tuple[str, int]]:
        """Give the body as a file of its own, by name and folder, on the disk; it is removed if it was not moved."""
        _make_folder(self.root)
        written = uuid4().hex
        with self._partial(make=True) as folder:
            try:
                with os.fdopen(new_file(written, folder), "wb") as file:
                    if isinstance(body, bytes):
                        file.write(body)
                    else:
                        with body.open("rb") as source:
                            shutil.copyfileobj(source, file)
                    file.flush()
                    os.fsync(file.fileno())
                yield written, folder
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(written, dir_fd=folder)

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


def _refused(key: str, root: Path, found: str) -> StorageRefusedError:
    return StorageRefusedError(
        f"Expected {key!r} to be what a store has below {root}, found {found}.",
        remedy="Look who put it there, and take it away: a store is a folder of plain files and folders.",
        code="not_an_object",
    )


def _info(key: str, status: os.stat_result) -> ObjectInfo | None:
    """Return a file's size and time; None: it is a folder.

    What is no file, and stands under an object's name, is one that cannot be read: it is told, and not passed over.
    """
    if S_ISDIR(status.st_mode):
        return None
    return ObjectInfo(key=key, size=status.st_size, modified=moment(status.st_mtime))


def _found(key: str, path: Path) -> ObjectInfo | None:
    """Return a listed file's size and time; None: it is something else, or gone since, or a link to itself."""
    try:
        return _info(key, path.stat())
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == ELOOP:
            return None
        raise


def _written_there(name: str, folder: int) -> os.stat_result | None:
    """Return the status of a file that a store was writing; None: it is something else, or gone since."""
    if not _WRITTEN.fullmatch(name):
        return None
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status if S_ISREG(status.st_mode) else None


def _is_text(key: str) -> bool:
    """Say whether a name on the disk is UTF-8: Python spells the other bytes as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in key)


def _keys_below(root: Path, folder: str) -> Iterator[str]:
    """Give what lies in a folder of the root and in those below it, at any depth that a key has, by its path there."""
    folders = [folder]
    while folders:
        within = folders.pop()
        try:
            with opened_folder(root, PurePosixPath(within).parts, listed=True) as opened, os.scandir(opened) as entries:
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
