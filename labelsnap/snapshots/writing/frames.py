"""Chunks of an export, compressed in frames of a few lines, which a later version that has the same lines points to.

A chunk's file is a Zstandard file (RFC 8878): any program reads it. Frames end after lines that their own content
chooses, so that one changed line makes one new frame, wherever chunks begin and end. What every export writes anew is
left out of the lines (see ``labelsnap.records.lines.elision``) and lies, with the sizes and hashes of the frames, in a
skippable frame at the beginning, the *head*.
"""

from __future__ import annotations

import struct
from collections import ChainMap, Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import pyarrow as pa
from msgspec import Meta
from xxhash import xxh3_64_intdigest

from labelsnap.decoders import decoder_of
from labelsnap.records.lines.elision import elide, restore
from labelsnap.snapshots.manifest import NOT_SUCH_JSON, Part, damaged, digest
from labelsnap.snapshots.reading.content import download_file, unpacked
from labelsnap.snapshots.values import Sha256, Size
from labelsnap.snapshots.writing.joined import Places, joining, standing_objects
from labelsnap.snapshots.writing.presence import absent
from labelsnap.storage.lines import lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from labelsnap.snapshots.manifest import File, Manifest, Pack
    from labelsnap.snapshots.writing.draft import Draft
    from labelsnap.storage import ObjectStore

LINES_OF_FRAME: Final = 8  # on average
FRAME_BYTES: Final = 1 << 20  # a frame that has so many bytes ends
SMALLEST_SHARE: Final = 1 / 8  # an object of which a chunk has less is not pointed to: it would be kept for little
_MAGIC: Final = 0x184D2A50
_OPENING: Final = struct.Struct("<II")  # of a skippable frame: its magic number and the size of its content
_READ: Final = 64 << 10  # of a chunk's beginning, to have its head by one request
HEAD_BYTES: Final = 64 << 20  # a head that says it is longer is none
_HEAD_PLAIN_BYTES: Final = 256 << 20  # nor is one that unpacks to more
LONGEST_TASK: Final = 256  # characters of an export task's id, which stands in many lines
_AROUND: Final = 1  # chunks of the earlier export on either side of where a chunk lies


class Head(msgspec.Struct, frozen=True):
    """What a chunk says of itself: sha256 and size of each frame, and what stood where lines have an ellipsis."""

    task: Annotated[str, Meta(max_length=LONGEST_TASK)]
    frames: tuple[tuple[Sha256, Size], ...]
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Frames that an earlier version has, by sha256, and the objects that they lie in, by key."""

    frames: Mapping[str, Part]
    objects: Mapping[str, Pack]


def add_chunk(draft: Draft, path: str, plain: Path, task: str, known: Known) -> tuple[File, tuple[Pack, ...]]:
    """Add the chunk ``plain`` of an export task under its logical path; return it and the packs it is joined from."""
    with TemporaryDirectory(dir=plain.parent) as folder, joining(Path(folder)) as chunk:
        frames, body = Path(folder, "frames"), Path(folder, "body")
        head = _write_frames(plain, frames, task)
        opening = _encoded(head)
        used = _worth_it(head, known)
        with frames.open("rb") as source, body.open("wb") as whole:
            whole.write(opening)
            chunk.write(opening)
            for sha256, size in head.frames:
                frame = source.read(size)
                whole.write(frame)
                standing = known.frames.get(sha256)
                if standing and standing.key in used:
                    chunk.point(standing)
                else:
                    chunk.write(frame)
        return chunk.add(draft, path, body, known.objects)


def chunk_blocks(store: ObjectStore, file: File, path: Path) -> Iterator[bytes]:
    """The bytes of a chunk as the export had them; the compressed ones come to ``path``.

    Raises StorageRefusedError when they are not those that were written.
    """
    download_file(store, file, path)
    with path.open("rb") as chunk:
        opening = chunk.read(_OPENING.size)
        head = _decoded(file, opening + chunk.read(max(0, _head_size(file, opening) - len(opening))))
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
    head, _ = _head_of(store, file)
    return head.task if head else ""


class EarlierFrames:
    """The frames of an earlier version's streams, of which a few chunks' are in memory.

    ``prefix`` begins the paths of the streams' files (``raw/result-``). Of lost objects nothing is known.
    """

    def __init__(self, store: ObjectStore, base: Manifest | None, prefix: str) -> None:
        self._store = store
        self._files = base.below(prefix) if base else ()
        self._heads: dict[int, dict[str, Part]] = {}
        objects = standing_objects(base, self._files) if base else {}
        gone = absent(store, {key: found.size for key, found in objects.items()})
        self._objects = {key: found for key, found in objects.items() if key not in gone}

    def near(self, share: float) -> Known:
        """Return the frames that lie about so far (0 to 1) from the beginning."""
        place = int(share * len(self._files))
        near = range(max(0, place - _AROUND), min(len(self._files), place + _AROUND + 1))
        self._heads = {i: self._heads.get(i) or self._frames_of(self._files[i]) for i in near}
        return Known(dict(ChainMap(*self._heads.values())), self._objects)

    def _frames_of(self, file: File) -> dict[str, Part]:
        head, size = _head_of(self._store, file)
        if head is None:
            return {}
        places, frames = Places(file), dict[str, Part]()
        for sha256, length in head.frames:
            match [*places.of(size, length)]:
                case [part] if part.size == length and part.key in self._objects:
                    frames[sha256] = part
            size += length
        return frames


def _write_frames(plain: Path, target: Path, task: str) -> Head:
    frames: list[tuple[str, int]] = []
    queries: list[str] = []
    with plain.open("rb") as source, target.open("wb") as compressed:
        for text in _divided(source, task.encode(), queries):
            frame = pa.compress(text, codec="zstd", asbytes=True)
            compressed.write(frame)
            frames.append((digest(frame), len(frame)))
    return Head(task, tuple(frames), tuple(queries))


def _divided(plain: Iterable[bytes], task: bytes, queries: list[str]) -> Iterator[bytes]:
    """Give the texts of frames; what is left out of them is appended to ``queries``."""
    held: list[bytes] = []
    size = 0
    for line in plain:
        text, left_out = elide(line, task)
        queries += left_out
        held.append(text)
        size += len(text)
        if xxh3_64_intdigest(text) % LINES_OF_FRAME == 0 or size >= FRAME_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _worth_it(head: Head, known: Known) -> frozenset[str]:
    """Return the keys of the objects of which a chunk's frames are a fair share."""
    sizes: Counter[str] = Counter()
    for part in {known.frames[sha256] for sha256, _ in head.frames if sha256 in known.frames}:
        sizes[part.key] += part.size
    return frozenset(key for key, size in sizes.items() if size >= SMALLEST_SHARE * known.objects[key].size)


def _encoded(head: Head) -> bytes:
    content: bytes = pa.compress(msgspec.json.encode(head), codec="zstd", asbytes=True)
    return _OPENING.pack(_MAGIC, len(content)) + content


def _head_of(store: ObjectStore, file: File) -> tuple[Head | None, int]:
    """Read the head that a chunk begins with, where there is one, and its size."""
    held = file.ranges[0]
    content = store.get(held.key, offset=held.offset, length=min(held.size, _READ)) or b""
    if (size := _head_size(file, content)) > len(content):
        content = store.get(held.key, offset=held.offset, length=size) or b""
    return _decoded(file, content), size


def _head_size(file: File, content: bytes) -> int:
    """Return how long the head is that the content of a chunk's file begins with; 0: it begins with none.

    Raises StorageRefusedError where it would be longer than the file, or than any head.
    """
    if len(content) < _OPENING.size:
        return 0
    magic, size = _OPENING.unpack_from(content)
    if magic != _MAGIC:
        return 0
    if _OPENING.size + size > min(file.size, HEAD_BYTES):
        raise damaged(f"the head of {file.path!r}", f"one of {size} bytes")
    return _OPENING.size + int(size)


def _decoded(file: File, content: bytes) -> Head | None:
    """Return the head that the content of a chunk's file begins with; None: it begins with none."""
    size = _head_size(file, content)
    if not size:
        return None
    try:
        with pa.CompressedInputStream(pa.BufferReader(content[_OPENING.size : size]), "zstd") as stream:
            plain = stream.read(_HEAD_PLAIN_BYTES + 1)
        if len(plain) > _HEAD_PLAIN_BYTES:
            raise damaged(f"the head of {file.path!r}", f"one that unpacks to more than {_HEAD_PLAIN_BYTES} bytes")
        return decoder_of(Head).decode(plain)
    except (OSError, *NOT_SUCH_JSON) as error:
        raise damaged(f"the head of {file.path!r}", str(error)) from error
