"""From a manifest to bytes: whatever is read is checked against the hash that was published."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from tasks.snapshots.manifest import File, damaged, digest

SMALL: Final = 8 << 20  # up to this size a file is read by one request

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.errors import StorageRefusedError
    from tasks.storage import ObjectStore


def read_file(store: ObjectStore, file: File) -> bytes:
    """Read a file of a snapshot. Raises StorageRefusedError when its bytes are not those that were published."""
    if file.offset is None:
        return checked(file, store.get(file.key))
    return checked(file, store.get(file.key, offset=file.offset, length=file.size) if file.size else b"")


def download_file(store: ObjectStore, file: File, path: Path) -> None:
    """Stream a file of a snapshot to ``path``, checked like ``read_file``; a damaged one does not stay there."""
    if file.offset is not None or file.size <= SMALL:
        path.write_bytes(read_file(store, file))
        return
    if not store.download(file.key, path):
        raise _damaged(file, "nothing")
    if not is_copy(path, file):
        found = f"{path.stat().st_size} other bytes"
        path.unlink()
        raise _damaged(file, found)


def is_copy(path: Path, file: File) -> bool:
    """Say whether a file on disk has the size and hash of the published one."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256


def checked(file: File, content: bytes | None) -> bytes:
    """Return the content if it is the file's. Raises StorageRefusedError that names the object and the file."""
    if content is None:
        raise _damaged(file, "nothing")
    if len(content) != file.size or digest(content) != file.sha256:
        raise _damaged(file, f"{len(content)} bytes with sha256 {digest(content)}")
    return content


def _damaged(file: File, found: str) -> StorageRefusedError:
    where = f"the object {file.key!r}" if file.offset is None else f"the object {file.key!r} from byte {file.offset}"
    return damaged(f"{where} ({file.path}, {file.size} bytes with sha256 {file.sha256})", found)
