"""A text file that changes a little with every version: what an earlier version has of it is pointed to.

The file is compared line by line with the one that the base snapshot has under its path. Runs of lines that both have
are ranges of the objects that hold them already; the other lines go into one new object. Both are read as streams, and
only a window of the earlier file's lines is in memory, so what is found are lines that stand in the same order.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from operator import itemgetter
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from labelsnap.snapshots.manifest import File, Pack, Part, damaged
from labelsnap.snapshots.reading.content import is_copy, lines_of
from labelsnap.snapshots.values import MAX_PARTS
from labelsnap.snapshots.writing.draft import measured

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import IO

    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.snapshots.writing.draft import Draft
    from labelsnap.storage import ObjectStore

WINDOW_BYTES: Final = 4 << 20  # of the earlier file, looked through for a line
RUN_BYTES: Final = 256  # a shorter run of known lines is written anew: pointing to it costs as much
MAX_WASTE: Final = 2  # a file whose objects are twice as large as itself, or of more than MAX_PARTS, is written whole


def add_revision(
    draft: Draft, store: ObjectStore, path: str, body: Path, base: Manifest | None
) -> tuple[File, tuple[Pack, ...]]:
    """Add the file ``body`` under its logical path; return it and the packs that it is joined from, if it is."""
    earlier = base.file(path) if base else None
    if base is None or earlier is None or earlier.offset is not None:
        return draft.add_file(path, body), ()
    packs = {pack.key: pack for pack in base.packs}
    if is_copy(body, earlier):
        return earlier, base.packs_of([earlier])
    packs.setdefault(earlier.key, Pack(earlier.key, earlier.size, earlier.sha256))
    with TemporaryDirectory(dir=body.parent) as folder:
        fresh = body.parent / folder / "fresh"
        with body.open("rb") as lines, fresh.open("wb") as target:
            pieces = list(compare(lines, lines_of(store, earlier), target))
        sources = _sources(pieces, earlier)
        known = [listed_pack(packs, key) for key in sorted({part.key for part in sources if part.key})]
        fresh_bytes = fresh.stat().st_size
        held = sum(pack.size for pack in known) + fresh_bytes
        size = body.stat().st_size
        if not known or len(sources) > MAX_PARTS or held > MAX_WASTE * size:
            return draft.add_file(path, body), ()
        return join(draft, path, body, sources, fresh, packs=known)


def listed_pack(packs: Mapping[str, Pack], key: str) -> Pack:
    """Return the pack under a key. Raises StorageRefusedError where the manifest that points there lists none."""
    if (found := packs.get(key)) is None:
        raise damaged("a manifest that lists every pack", f"none of {key!r}, which files of it lie in")
    return found


def join(
    draft: Draft, path: str, body: Path, parts: Iterable[Part], fresh: Path, *, packs: Iterable[Pack]
) -> tuple[File, tuple[Pack, ...]]:
    """Return the file ``body``, joined from parts of packs and, where a part's key is "", of ``fresh``, which is added.

    With it come the packs that it is joined from. An empty ``fresh`` is none.
    """
    used = list(packs)
    if fresh.stat().st_size:
        used.append(draft.add_pack(f"{path}.part", fresh))
    placed = tuple(part if part.key else replace(part, key=used[-1].key) for part in parts)
    size, sha256 = measured(body)
    return File(path, "", size, sha256, parts=placed), tuple(used)


@dataclass(frozen=True, slots=True)
class Piece:
    """``size`` bytes from ``offset``: of the earlier file (``known``), or of what is written anew."""

    known: bool
    offset: int
    size: int


@dataclass(slots=True)
class _Window:
    """Lines of the earlier file that lie ahead, by content."""

    lines: Iterator[bytes]
    ahead: deque[tuple[bytes, int]] = field(default_factory=deque)
    offsets: dict[bytes, int] = field(default_factory=dict)
    size: int = 0
    end: int = 0

    def take(self, line: bytes) -> int | None:
        """The offset of the next line that is the same, which ends what lies before it; None: there is none near."""
        self._fill()
        offset = self.offsets.get(line)
        if offset is None:
            return None
        place = -1
        while place < offset:
            passed, place = self.ahead.popleft()
            self.size -= len(passed)
            if self.offsets.get(passed) == place:
                del self.offsets[passed]
        return offset

    def _fill(self) -> None:
        while self.size < WINDOW_BYTES and (line := next(self.lines, None)) is not None:
            self.ahead.append((line, self.end))
            self.offsets.setdefault(line, self.end)
            self.size += len(line)
            self.end += len(line)


def compare(lines: Iterable[bytes], earlier: Iterator[bytes], fresh: IO[bytes]) -> Iterator[Piece]:
    """Divide a file's lines into pieces of the earlier one and pieces that are written to ``fresh``, in order.

    A run of known lines is one piece, or is written anew where it is short; so is a run of new ones.
    """
    place = 0
    for shift, run in groupby(_shifted(lines, _Window(earlier)), itemgetter(0)):
        offset, size = fresh.tell(), 0
        short: list[bytes] = []
        for _, line in run:
            if shift is None:
                fresh.write(line)
            elif size < RUN_BYTES:
                short.append(line)
            size += len(line)
        if shift is not None and size >= RUN_BYTES:
            yield Piece(known=True, offset=place + shift, size=size)
        else:
            fresh.writelines(short)
            yield Piece(known=False, offset=offset, size=size)
        place += size


def _shifted(lines: Iterable[bytes], window: _Window) -> Iterator[tuple[int | None, bytes]]:
    """Give each line with how much farther on it stands in the earlier file; None: it is new there."""
    place = 0
    for line in lines:
        offset = window.take(line)
        yield None if offset is None else offset - place, line
        place += len(line)


def _sources(pieces: Iterable[Piece], earlier: File) -> list[Part]:
    """Say where each piece lies: in the objects that the earlier file lies in, or (key "") in the new one."""
    held = earlier.ranges
    ends = list(accumulate(part.size for part in held))
    parts: list[Part] = []
    at = 0
    for piece in pieces:
        if not piece.known:
            append_part(parts, Part("", piece.offset, piece.size))
            continue
        begin, stop = piece.offset, piece.offset + piece.size
        while ends[at] <= begin:
            at += 1
        while begin < stop:
            part, first = held[at], ends[at] - held[at].size
            upto = min(stop, ends[at])
            append_part(parts, Part(part.key, part.offset + begin - first, upto - begin))
            begin = upto
            at += begin == ends[at] and begin < stop
    return parts


def append_part(parts: list[Part], part: Part) -> None:
    """Append a part, or lengthen the last one where it goes on."""
    if parts and (last := parts[-1]).key == part.key and last.offset + last.size == part.offset:
        parts[-1] = Part(last.key, last.offset, last.size + part.size)
    else:
        parts.append(part)
