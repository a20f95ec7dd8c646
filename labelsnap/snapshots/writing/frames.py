"""Chunks of an export, compressed in frames of a few lines, which a later version that has the same lines points to.

Frames end after lines that their own content chooses, so that one changed line makes one new frame, wherever chunks
begin and end. What every export writes anew is left out of the lines (see ``labelsnap.records.lines.elision``) and lies
in the chunk's head (see ``labelsnap.snapshots.reading.chunks``).
"""

from __future__ import annotations

from collections import ChainMap, Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow as pa
from xxhash import xxh3_64_intdigest

from labelsnap.records.lines.elision import elide
from labelsnap.snapshots.manifest import Part, digest
from labelsnap.snapshots.reading.chunks import MAGIC, OPENING, Head, chunk_head
from labelsnap.snapshots.writing.joined import Ranges, joining, standing_objects
from labelsnap.snapshots.writing.presence import absent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from labelsnap.snapshots.manifest import File, Manifest, Pack
    from labelsnap.snapshots.writing.draft import Draft
    from labelsnap.storage import ObjectStore

LINES_OF_FRAME: Final = 8  # on average
FRAME_BYTES: Final = 1 << 20  # a frame that has so many bytes ends
SMALLEST_SHARE: Final = 1 / 8  # an object of which a chunk has less is not pointed to: it would be kept for little
MOST_OBJECTS: Final = 8
"""Of so many a chunk is joined at most: whoever publishes reads each of them, every night."""
_AROUND: Final = 1  # chunks of the earlier export on either side of where a chunk lies


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
        file, packs = chunk.add(draft, path, body, known.objects, worth=0, objects=MOST_OBJECTS)
        if file.parts:
            draft.hold(file, body)
        return file, packs


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
        head, size = chunk_head(self._store, file)
        if head is None:
            return {}
        ranges, frames = Ranges(file), dict[str, Part]()
        for sha256, length in head.frames:
            match [*ranges.of(size, length)]:
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
    return OPENING.pack(MAGIC, len(content)) + content
