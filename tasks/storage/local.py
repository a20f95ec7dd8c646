"""A folder as an object store: what it acknowledges has reached the disk."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from tasks.errors import StorageRefusedError
from tasks.storage.interface import Capabilities, ObjectInfo, check_key

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTIAL = ".partial"  # files being written; no key can name it, since keys have no leading dots


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
        with self._translated(key), self._written(body) as partial:
            target = self._target(key)
            partial.replace(target)
            _flush(target.parent)

    def create(self, key: str, body: bytes) -> bool:
        """See ObjectStore."""
        with self._translated(key), self._written(body) as partial:
            target = self._target(key)
            try:
                os.link(partial, target)
            except FileExistsError:
                return False
            _flush(target.parent)
            return True

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes | None:
        """See ObjectStore."""
        with self._translated(key):
            try:
                with self._path(key).open("rb") as file:
                    file.seek(offset)
                    return file.read(length)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def download(self, key: str, path: Path) -> bool:
        """See ObjectStore."""
        with self._translated(key):
            try:
                with self._path(key).open("rb") as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target)
            except FileNotFoundError:
                if not path.parent.is_dir():
                    raise
                return False
            return True

    def head(self, key: str) -> ObjectInfo | None:
        """See ObjectStore."""
        with self._translated(key):
            path = self._path(key)
            return _info(key, path) if path.is_file() else None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See ObjectStore."""
        folder = self.root / prefix.rpartition("/")[0]
        with self._translated(prefix):
            paths = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
            keyed = ((path.relative_to(self.root).as_posix(), path) for path in paths)
            wanted = ((key, path) for key, path in keyed if key.startswith(prefix) and not key.startswith(PARTIAL))
            for key, path in sorted(wanted, key=lambda item: item[0].encode()):
                with suppress(FileNotFoundError):  # removed since it was listed
                    yield _info(key, path)

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        with self._translated(key):
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _target(self, key: str) -> Path:
        path = self._path(key)
        _make_folder(path.parent)
        return path

    @contextmanager
    def _written(self, body: bytes | Path) -> Iterator[Path]:
        """Give the body as a file of its own inside the root, flushed to the disk, removed if it was not moved."""
        partial = self.root / PARTIAL / uuid4().hex
        _make_folder(partial.parent)
        try:
            with partial.open("xb") as file:
                if isinstance(body, bytes):
                    file.write(body)
                else:
                    with body.open("rb") as source:
                        shutil.copyfileobj(source, file)
                file.flush()
                os.fsync(file.fileno())
            yield partial
        finally:
            partial.unlink(missing_ok=True)

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


def _info(key: str, path: Path) -> ObjectInfo:
    status = path.stat()
    return ObjectInfo(key=key, size=status.st_size, modified=datetime.fromtimestamp(status.st_mtime, UTC))


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it so that they survive a power cut."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush(folder.parent)


def _flush(folder: Path) -> None:
    """Bring a folder's list of names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
