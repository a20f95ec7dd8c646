"""Chunks of an export, read: see FORMAT.md, "A chunk of the raw export". ``writing.frames`` writes them.

A chunk's file is a Zstandard file (RFC 8878). Its lines lack what every export writes anew. That lies, with sizes and
hashes of the frames, in a skippable frame at the beginning, the *head*.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from labelsnap.decoders import decoder_of
from labelsnap.records.lines.elision import restore
from labelsnap.snapshots.manifest import NOT_SUCH_JSON, damaged
from labelsnap.snapshots.reading.content import download_file, unpacked
from labelsnap.snapshots.values import Sha256, Size
from labelsnap.storage.compression import plain_of
from labelsnap.storage.lines import lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from labelsnap.snapshots.manifest import File
    from labelsnap.storage import ObjectStore

MAGIC: Final = 0x184D2A50
OPENING: Final = struct.Struct("<II")  # of a skippable frame: its magic number and the size of its content
_LONGEST_TASK: Final = 256  # characters of an export task's id, which stands in many lines
_READ: Final = 64 << 10  # of a chunk's beginning, to have its head by one request
_HEAD_BYTES: Final = 64 << 20  # a head that says it is longer is none
_HEAD_PLAIN_BYTES: Final = 256 << 20  # nor is one that unpacks to more


class Head(msgspec.Struct, frozen=True):
    """What a chunk says of itself: sha256 and size of each frame, and what stood where lines have an ellipsis."""

    task: Annotated[str, Meta(max_length=_LONGEST_TASK)]
    frames: tuple[tuple[Sha256, Size], ...]
    queries: tuple[str, ...]


def chunk_blocks(store: ObjectStore, file: File, path: Path) -> Iterator[bytes]:
    """The bytes of a chunk as the export had them; the compressed ones come to ``path``.

    Raises StorageRefusedError when they are not those that were written.
    """
    download_file(store, file, path)

    def first(size: int) -> bytes:
        with path.open("rb") as chunk:
            return chunk.read(size)

    head, _ = _head(file, first)
    try:
        blocks = unpacked(path, file.path)
        if head is None:
            yield from blocks
            return
        task, queries = head.task.encode(), iter(head.queries)
        for line in lines(blocks, f"a line of {file.path}"):
            yield restore(line, task, queries)
    except StopIteration:
        raise damaged(repr(file.path), "fewer queries than its lines lack") from None


def chunk_task(store: ObjectStore, file: File) -> str:
    """The id of the export task that a chunk came of; "" where it says none."""
    head, _ = chunk_head(store, file)
    return head.task if head else ""


def chunk_head(store: ObjectStore, file: File) -> tuple[Head | None, int]:
    """Read the head that a chunk begins with, and its size; None and 0: it begins with none.

    Raises StorageRefusedError where it is damaged.
    """
    held = file.ranges[0]
    return _head(file, lambda size: store.get(held.key, offset=held.offset, length=min(held.size, size)) or b"")


def _head(file: File, first: Callable[[int], bytes]) -> tuple[Head | None, int]:
    """Decode the head of a chunk, of which ``first`` gives the first bytes, so many as there are."""
    content = first(_READ)
    if (size := _head_size(file, content)) > len(content):
        content = first(size)
    return (_decoded(file, content[OPENING.size : size]) if size else None), size


def _head_size(file: File, content: bytes) -> int:
    """Return how long the head is, its opening included, that a chunk begins with; 0: it begins with none."""
    if len(content) < OPENING.size:
        return 0
    magic, size = OPENING.unpack_from(content)
    if magic != MAGIC:
        return 0
    if OPENING.size + size > min(file.size, _HEAD_BYTES):
        raise damaged(f"the head of {file.path!r}", f"one of {size} bytes")
    return OPENING.size + int(size)


def _decoded(file: File, content: bytes) -> Head:
    try:
        plain = plain_of(content, _HEAD_PLAIN_BYTES)
        if len(plain) > _HEAD_PLAIN_BYTES:
            raise damaged(f"the head of {file.path!r}", f"one that unpacks to more than {_HEAD_PLAIN_BYTES} bytes")
        return decoder_of(Head).decode(plain)
    except (OSError, *NOT_SUCH_JSON) as error:
        raise damaged(f"the head of {file.path!r}", str(error)) from error
