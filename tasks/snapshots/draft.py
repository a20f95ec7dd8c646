"""A snapshot that is being written: objects go up, nobody can read it until it is committed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING

from tasks.snapshots.layout import data_key
from tasks.snapshots.manifest import File, Pack, digest
from tasks.snapshots.tar import write_tar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tasks.storage import ObjectStore


class Draft:
    """Uploads what is missing and counts bytes; safe to share between threads.

    An object's key carries its content's hash, so a file that another version has, or that a crashed run uploaded
    already, is found there and not sent again.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = Lock()
        self.uploaded_bytes = 0
        self.skipped_bytes = 0

    def add_file(self, path: str, body: bytes | Path) -> File:
        """Add the file under its logical path. Raises StorageRefusedError for a path that no tree can have."""
        pack = self.add_pack(path, body)
        return File(path=path, key=pack.key, size=pack.size, sha256=pack.sha256)

    def add_pack(self, path: str, body: bytes | Path) -> Pack:
        """Add a tar of small files (``images/pack-00003.tar``) that tables, or files with an offset, point into."""
        size, sha256 = _measure(body)
        key = data_key(path, sha256)
        standing = self._store.head(key)
        if missing := standing is None or standing.size != size:
            self._store.put(key, body)
        with self._lock:
            self.uploaded_bytes += size if missing else 0
            self.skipped_bytes += 0 if missing else size
        return Pack(key=key, size=size, sha256=sha256)

    def add_small_files(self, path: str, members: Iterable[tuple[str, bytes]]) -> tuple[Pack, tuple[File, ...]]:
        """Add many small files, (logical path, bytes), as one tar object: a request a thousand, not a thousand."""
        digests: list[str] = []

        def hashed() -> Iterable[tuple[str, bytes]]:
            for name, payload in members:
                digests.append(digest(payload))
                yield name, payload

        with TemporaryDirectory() as folder:
            tar = Path(folder, "pack.tar")
            placed = write_tar(tar, hashed())
            pack = self.add_pack(path, tar)
        files = (
            File(path=member.name, key=pack.key, size=member.size, sha256=sha256, offset=member.offset)
            for member, sha256 in zip(placed, digests, strict=True)
        )
        return pack, tuple(files)


def _measure(body: bytes | Path) -> tuple[int, str]:
    """Return size and sha256 of bytes or of a file."""
    if isinstance(body, bytes):
        return len(body), digest(body)
    with body.open("rb") as file:
        return body.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
