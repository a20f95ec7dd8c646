"""From a manifest to bytes: whatever is read is checked against the hash that was published."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Protocol
from uuid import uuid4

from labelsnap.memory import BLOCK
from labelsnap.snapshots.manifest import File, damaged, digest
from labelsnap.snapshots.reading.at_hand import AtHandStore
from labelsnap.snapshots.reading.ranges import PARALLEL, read_ranges
from labelsnap.storage.compression import decompressed
from labelsnap.storage.interface import DOCUMENT_BYTES, too_long

SMALL: Final = 8 << 20  # up to this size a file is read by one request
_AHEAD: Final = 1 << 20  # of an object that a file is joined from, so much is read at once
_OBJECTS: Final = 16  # and of so many objects it is held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labelsnap.errors import StorageRefusedError
    from labelsnap.storage import ObjectStore


def read_file(store: ObjectStore, file: File) -> bytes:
    """Read a file of a snapshot. Raises StorageRefusedError when its bytes are not those that were published."""
    if file.size > DOCUMENT_BYTES:
        raise too_long(file.path, DOCUMENT_BYTES)
    if file.parts:
        if file.size > SMALL:
            return checked(file, b"".join(blocks_of(store, file)))
        found = dict(read_ranges(store, set(file.parts)))
        return checked(file, b"".join(found[part] or b"" for part in file.parts))
    if file.offset is None:  # one byte more, if there is one, is how it is found to be longer
        return checked(file, store.get(file.key, length=file.size + 1))
    return checked(file, store.get(file.key, offset=file.offset, length=file.size) if file.size else b"")


def download_file(store: ObjectStore, file: File, path: Path, *, lent: bool = False) -> None:
    """Stream a file of a snapshot to ``path``, checked like ``read_file``; a damaged one does not stay there.

    Where it is ``lent``, nobody writes to it: it may be the copy that others read too.
    """
    if file.parts and isinstance(store, AtHandStore) and store.give(file.sha256, path) and is_copy(path, file):
        return
    if file.size <= SMALL:
        path.write_bytes(read_file(store, file))
        return
    if not fetch(store, file, path, lent=lent):
        raise _damaged(file, "nothing")
    if not is_copy(path, file):
        found = f"{path.stat().st_size} other bytes"
        path.unlink()
        raise _damaged(file, found)


class Objects(Protocol):
    """What objects are read from: a store, or something before it."""

    def get(self, key: str, *, offset: int = 0, length: int | None = None, most: int = ...) -> bytes | None:
        """See ObjectStore."""

    def download(self, key: str, path: Path, *, size: int) -> bool:
        """See ObjectStore."""


def fetch(store: Objects, file: File, path: Path, *, lent: bool = False) -> bool:
    """Stream a file to ``path``, unchecked; False: there is no such object (and no file).

    Of a file that is joined, or a member of a pack, what is missing is left out. Of an object that is longer than the
    file one byte more is brought. Objects of which a joined file is most come by one request, beside ``path``.
    """
    if not file.parts and file.offset is None:
        return _bring(store, file.key, path, file.size, lent=lent)
    with TemporaryDirectory(dir=path.parent) as folder, path.open("wb") as target:
        wanted = _brought_whole(file)
        brought = {key: Path(folder, str(place)) for place, key in enumerate(wanted)}
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="objects") as pool:
            list(pool.map(lambda key: _bring(store, key, brought[key], wanted[key], lent=True), wanted))

        def read(key: str, offset: int) -> bytes:
            return _read(brought[key], offset) if key in brought else _asked(store, key, offset)

        target.writelines(_blocks(file, read))
    return True


def _bring(store: Objects, key: str, path: Path, size: int, *, lent: bool) -> bool:
    """Bring an object; False: there is none."""
    if lent and isinstance(store, AtHandStore):
        return store.lend(key, path, size=size)
    return store.download(key, path, size=size)


def _brought_whole(file: File) -> dict[str, int]:
    """Return the objects that a file is joined from by most of what they have up to its last part's end, and that."""
    used, ends = Counter[str](), dict[str, int]()
    for part in file.parts:
        used[part.key] += part.size
        ends[part.key] = max(ends.get(part.key, 0), part.offset + part.size)
    return {key: end for key, end in ends.items() if _AHEAD < end <= 2 * used[key]}


def _read(path: Path, offset: int) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(BLOCK)


def _asked(store: Objects, key: str, offset: int) -> bytes:
    return store.get(key, offset=offset, length=_AHEAD) or b""


def blocks_of(store: ObjectStore, file: File) -> Iterator[bytes]:
    """Read the bytes of a file, unchecked, in blocks; what is missing is left out."""
    return _blocks(file, partial(_asked, store))


def _blocks(file: File, read: Callable[[str, int], bytes]) -> Iterator[bytes]:
    """Give the bytes of a file in blocks; ``read`` gives those of an object from an offset on, none at its end."""
    objects: dict[str, tuple[int, bytes]] = {}
    for part in file.ranges:
        offset, stop = part.offset, part.offset + part.size
        while offset < stop:
            start, held = objects.pop(part.key, (0, b""))
            if not start <= offset < start + len(held):
                start, held = offset, read(part.key, offset)
                if not held:
                    break
            objects[part.key] = start, held  # the last of them is the latest that was used
            if len(objects) > _OBJECTS:
                del objects[next(iter(objects))]
            yield held[offset - start : stop - start]
            offset = min(stop, start + len(held))


def unpacked(path: Path, name: str, *, most: int | None = None) -> Iterator[bytes]:
    """Give the content of a Zstandard file that lay in a store, known as ``name``, in blocks.

    Raises StorageRefusedError when it is damaged or cut, or longer than ``most`` bytes (None: those of a chunk).
    """
    try:
        yield from decompressed(path, name, most=most)
    except OSError as error:
        if error.errno is not None:
            raise
        raise damaged(repr(name), f"what is no Zstandard ({error})") from error


@contextmanager
def scratch_file(folder: Path) -> Iterator[Path]:
    """Give a path in a folder for a file that is gone afterwards."""
    path = folder / uuid4().hex
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def is_copy(path: Path, file: File) -> bool:
    """Say whether a file on disk has the size and hash of the published one."""
    return path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file on disk, hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def checked(file: File, content: bytes | None) -> bytes:
    """Return the content if it is the file's. Raises StorageRefusedError that names the object and the file."""
    if content is None:
        raise _damaged(file, "nothing")
    if len(content) != file.size or digest(content) != file.sha256:
        raise _damaged(file, f"{len(content)} bytes with sha256 {digest(content)}")
    return content


def _damaged(file: File, found: str) -> StorageRefusedError:
    key = file.key or file.parts[0].key
    where = f"the object {key!r}" + ("" if file.offset is None else f" from byte {file.offset}")
    return damaged(f"{where} ({file.path}, {file.size} bytes with sha256 {file.sha256})", found)
