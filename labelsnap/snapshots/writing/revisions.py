"""A text file that changes a little with every version: its lines that the version before has are pointed to.

The file is compared line by line with the one that the base snapshot has under its path. Both are read as streams, and
only a window of the earlier file's lines is in memory, so what is found are lines that stand in the same order.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from labelsnap.snapshots.reading.content import is_copy, lines_of
from labelsnap.snapshots.writing.joined import Ranges, joining, standing_objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from labelsnap.snapshots.manifest import File, Manifest, Pack
    from labelsnap.snapshots.writing.draft import Draft
    from labelsnap.snapshots.writing.joined import Joining
    from labelsnap.storage import ObjectStore

WINDOW_BYTES: Final = 4 << 20  # of the earlier file, looked through for a line
RUN_BYTES: Final = 256  # a shorter run of known lines is written anew: pointing to it costs as much
MAX_WASTE: Final = 2  # a file whose objects would be more than twice as large as itself is written whole


def add_revision(
    draft: Draft, store: ObjectStore, path: str, body: Path, base: Manifest | None
) -> tuple[File, tuple[Pack, ...]]:
    """Add the file ``body`` under its logical path; return it and the packs that it is joined from, if it is."""
    earlier = base.file(path) if base else None
    if base is None or earlier is None or earlier.offset is not None:
        return draft.add_file(path, body), ()
    if is_copy(body, earlier):
        return earlier, base.packs_of([earlier])
    with joining(body.parent) as revision:
        with body.open("rb") as lines:
            compare(lines, lines_of(store, earlier), Ranges(earlier), revision)
        most = MAX_WASTE * body.stat().st_size
        return revision.add(draft, path, body, standing_objects(base, [earlier]), most=most)


def compare(lines: Iterable[bytes], earlier: Iterator[bytes], ranges: Ranges, revision: Joining) -> None:
    """Put a file together from its lines: runs of the earlier file's, which lies at ``ranges``, are pointed to.

    Lines that are new are written, and so are known ones where few follow one another.
    """
    place = 0
    for shift, run in groupby(_shifted(lines, _Window(earlier)), itemgetter(0)):
        size = 0
        short: list[bytes] = []
        for _, line in run:
            if shift is None:
                revision.write(line)
            elif size < RUN_BYTES:
                short.append(line)
            size += len(line)
        if shift is not None and size >= RUN_BYTES:
            for part in ranges.of(place + shift, size):
                revision.point(part)
        else:
            for line in short:
                revision.write(line)
        place += size


def _shifted(lines: Iterable[bytes], window: _Window) -> Iterator[tuple[int | None, bytes]]:
    """Give each line with how much farther on it stands in the earlier file; None: it is new there."""
    place = 0
    for line in lines:
        offset = window.take(line)
        yield None if offset is None else offset - place, line
        place += len(line)


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
