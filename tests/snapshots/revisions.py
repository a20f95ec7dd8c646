"""Files that are joined with an earlier version's by their lines, for tests of what reads them."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.writing.joined import Ranges, joining, standing_objects

if TYPE_CHECKING:
    from pathlib import Path

    from labelsnap.snapshots.manifest import File, Manifest, Pack
    from labelsnap.snapshots.writing.draft import Draft
    from labelsnap.storage import ObjectStore


def add_revision(
    draft: Draft,
    store: ObjectStore,
    path: str,
    body: Path,
    base: Manifest | None,
    *,
    most: float = inf,
    worth: float = 0,
) -> tuple[File, tuple[Pack, ...]]:
    """Add the file ``body``, of whose lines those that the base has under its path are pointed to."""
    earlier = base.file(path) if base else None
    if base is None or earlier is None:
        return draft.add_file(path, body), ()
    ranges, offsets = Ranges(earlier), dict[bytes, int]()
    place = 0
    for line in read_file(store, earlier).splitlines(keepends=True):
        offsets.setdefault(line, place)
        place += len(line)
    with joining(body.parent) as revision:
        for line in body.read_bytes().splitlines(keepends=True):
            if line in offsets:
                for part in ranges.of(offsets[line], len(line)):
                    revision.point(part)
            else:
                revision.write(line)
        return revision.add(draft, path, body, standing_objects(base, [earlier]), most=most, worth=worth)
