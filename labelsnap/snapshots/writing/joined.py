"""A file that is joined from ranges of objects: see "Manifest" in FORMAT.md.

What the version before has of the file *stands*, and is pointed to; what it has not is *fresh*, and goes up as one new
object. ``buckets.parts.documents`` finds what stands by the indexes of buckets, ``frames`` by the hashes of frames.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from contextlib import contextmanager
from itertools import accumulate
from math import inf
from os import SEEK_CUR
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from labelsnap.memory import BLOCK
from labelsnap.snapshots.manifest import File, Pack, Part, damaged, packs_of
from labelsnap.snapshots.values import MAX_PARTS
from labelsnap.snapshots.writing.draft import measured

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import IO

    from labelsnap.snapshots.manifest import Contents
    from labelsnap.snapshots.writing.draft import Draft


class Ranges:
    """Where the bytes of a file lie, by their offsets in it."""

    def __init__(self, file: File) -> None:
        self._parts = file.ranges
        self._ends = tuple(accumulate(part.size for part in self._parts))

    def of(self, offset: int, size: int) -> Iterator[Part]:
        """The parts that ``size`` bytes from ``offset`` are joined from, in order; none of what is behind the end."""
        stop = offset + size
        for at in range(bisect_right(self._ends, offset), len(self._parts)):
            part, end = self._parts[at], self._ends[at]
            first = end - part.size
            if first >= stop:
                return
            begin = max(offset, first)
            yield Part(part.key, part.offset + begin - first, min(stop, end) - begin)


MAX_OBJECTS: Final = 16
"""Of so many objects a file is joined at most: that is how many requests read it."""
WORTH: Final = 4
"""Of a document what lies in an object is written anew with what is fresh, where it is at most so many times that."""
RUN_BYTES: Final = 256
"""A shorter run that stands is written anew: pointing to it costs as much."""


class Joining:
    """A file while it is put together: pieces in their order, each of them pointed to or written to ``fresh``."""

    def __init__(self, fresh: IO[bytes]) -> None:
        self.parts: list[Part] = []
        """Where the pieces lie; the key "" stands for what is fresh."""
        self._fresh = fresh
        self._size = 0

    def point(self, part: Part) -> None:
        """Go on with what stands: as a part of its own, or a longer last one where it goes on there."""
        if self.parts and (last := self.parts[-1]).key == part.key and last.offset + last.size == part.offset:
            self.parts[-1] = Part(last.key, last.offset, last.size + part.size)
        else:
            self.parts.append(part)

    def write(self, content: bytes) -> None:
        """Go on with bytes that are written anew."""
        self.point(Part("", self._size, len(content)))
        self._fresh.write(content)
        self._size += len(content)

    def add(
        self,
        draft: Draft,
        path: str,
        body: Path,
        standing: Mapping[str, Pack],
        *,
        most: float = inf,
        worth: float = WORTH,
        objects: int = MAX_OBJECTS,
        known: tuple[int, str] | None = None,
    ) -> tuple[File, tuple[Pack, ...]]:
        """Add the file ``body``, which the pieces give; return it and the packs that it is joined from, if it is.

        ``known`` are its size and sha256, where these are. ``standing`` are the objects that may be pointed to, by key.
        What lies in those that the file has not more of than ``worth`` times what is fresh, and in the smallest where
        there would be more than ``objects``, is written anew with that. The file is written whole where nothing of it
        stands, it would have more than MAX_PARTS parts, or its objects would have more than ``most`` bytes.
        """
        self._take_in(body, self._least(worth, objects))
        packs = [listed_pack(standing, key) for key in sorted({part.key for part in self.parts if part.key})]
        if not packs or len(self.parts) > MAX_PARTS or sum(pack.size for pack in packs) + self._size > most:
            return draft.add_file(path, body), ()
        if self._size:
            self._fresh.flush()
            packs.append(draft.add_pack(f"{path}.part", Path(self._fresh.name)))
        placed = tuple(part if part.key else replace(part, key=packs[-1].key) for part in self.parts)
        size, sha256 = known or measured(body)
        return File(path, "", size, sha256, parts=placed), tuple(packs)

    def _least(self, worth: float, objects: int) -> frozenset[str]:
        """The objects whose pieces are written anew: smaller ones first, as long as they are not much more than that.

        So what a night changes is written a few times more, and objects are few: each is many times the next.
        """
        sizes = Counter[str]()
        for part in self.parts:
            sizes[part.key] += part.size
        fresh = sizes.pop("", 0)
        taken: list[str] = []
        for key, size in sorted(sizes.items(), key=lambda each: (each[1], each[0])):
            if size > worth * fresh and len(sizes) - len(taken) < objects:
                break
            taken.append(key)
            fresh += size
        return frozenset(taken)

    def _take_in(self, body: Path, keys: frozenset[str]) -> None:
        """Write anew what lies in these objects; ``body`` is what all pieces give."""
        if not keys:
            return
        pieces, self.parts, self._size = self.parts, [], 0
        self._fresh.seek(0)
        self._fresh.truncate()
        with body.open("rb") as source:
            for part in pieces:
                if part.key and part.key not in keys:
                    source.seek(part.size, SEEK_CUR)
                    self.point(part)
                else:
                    for start in range(0, part.size, BLOCK):
                        self.write(source.read(min(BLOCK, part.size - start)))


def rejoined(
    draft: Draft,
    path: str,
    contents: Iterable[tuple[bytes, int | None]],
    *,
    base: Contents,
    earlier: File,
    folder: Path,
    waste: float,
) -> tuple[File, tuple[Pack, ...]]:
    """Add a file that stands in part; return it and the packs that it is joined from, if it is.

    ``contents`` are its bytes, each with the place where they stand in the ``earlier`` file of the ``base``, or None.
    Where its objects would have more than ``waste`` times its bytes it is written whole. ``folder`` holds what is
    written meanwhile.
    """
    ranges, body, sha256, size = Ranges(earlier), folder / "body", hashlib.sha256(), 0
    with joining(folder) as revision:
        with body.open("wb") as target:
            for content, standing in contents:
                target.write(content)
                sha256.update(content)
                size += len(content)
                if standing is None:
                    revision.write(content)
                else:
                    for part in ranges.of(standing, len(content)):
                        revision.point(part)
        known = size, sha256.hexdigest()
        if known == (earlier.size, earlier.sha256):
            return earlier, packs_of(base, [earlier])
        standing_in = standing_objects(base, [earlier])
        return revision.add(draft, path, body, standing_in, most=waste * size, known=known)


@contextmanager
def joining(folder: Path) -> Iterator[Joining]:
    """Give a file to put together, whose fresh bytes are in a folder below ``folder`` meanwhile."""
    with TemporaryDirectory(dir=folder) as inside, Path(inside, "fresh").open("wb") as fresh:
        yield Joining(fresh)


def standing_objects(base: Contents, files: Sequence[File]) -> dict[str, Pack]:
    """Return the objects that files of a snapshot are, or are joined from, by key."""
    own = {file.key: Pack(file.key, file.size, file.sha256) for file in files if file.key}
    return own | {pack.key: pack for pack in packs_of(base, files)}


def listed_pack(packs: Mapping[str, Pack], key: str) -> Pack:
    """Return the pack under a key. Raises StorageRefusedError where the manifest that points there lists none."""
    if (found := packs.get(key)) is None:
        raise damaged("a manifest that lists every pack", f"none of {key!r}, which files of it lie in")
    return found
