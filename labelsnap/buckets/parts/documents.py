"""Documents joined from what each bucket made of its rows; what the version before has of one is pointed to.

Items come in the order of buckets, as those of the version before lie in its document: so by the indexes alone it is
known where an unchanged row's items lie, and which of those that were made anew came out as they were.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TypeAlias

import pyarrow as pa

from labelsnap.buckets.parts.index import is_kept
from labelsnap.formats.interface import BETWEEN, CLOSING, EMPTY, OPENING
from labelsnap.memory import BLOCK
from labelsnap.snapshots.manifest import damaged, packs_of
from labelsnap.snapshots.reading.content import download_file
from labelsnap.snapshots.writing.joined import RUN_BYTES, rejoined

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path
    from typing import IO

    from labelsnap.buckets.parts.index import RowPart, SplitPart
    from labelsnap.formats.interface import Document
    from labelsnap.snapshots.manifest import Contents, File, Pack
    from labelsnap.snapshots.writing.draft import Draft
    from labelsnap.storage import ObjectStore

MAX_WASTE: Final = 2  # a file whose objects would be more than twice as large as itself is written whole


class Bucket(NamedTuple):
    """What a bucket has of one format and split, now and in the version before, and what was made of it.

    ``changed`` are the rows that were made whatever the version before has, all where None; ``made`` are their items,
    list after list, as Zstandard frames, or nothing where there are none.
    """

    now: SplitPart | None
    before: SplitPart | None
    changed: Collection[str] | None
    made: bytes


class _Run(NamedTuple):
    """Bytes of a list one after another: from where they stand in its list of before, and lie among what was made."""

    size: int
    standing: int | None
    fresh: int | None

    def goes_on(self, other: _Run) -> bool:
        """Whether what follows it is ``other``, in both places or in the one that it has."""
        return all(
            there == (None if here is None else here + self.size)
            for here, there in ((self.standing, other.standing), (self.fresh, other.fresh))
        )


@dataclass(slots=True)
class _List:
    """The items of all buckets for one place of a document: ``fresh`` holds those that were made.

    ``size`` is how many bytes they have, and ``before`` how many the version before has.
    """

    fresh: IO[bytes]
    runs: list[_Run] = field(default_factory=list)
    size: int = 0
    before: int = 0
    made: int = 0

    def add(self, run: _Run) -> None:
        """Go on with bytes."""
        if run.size:
            _append(self.runs, run)
            self.size += run.size

    def write(self, items: IO[bytes], size: int) -> int:
        """Take so many bytes of what was made; return from where they lie. Raises StorageRefusedError for fewer."""
        offset = self.made
        while (left := offset + size - self.made) > 0:
            if not (content := items.read(min(BLOCK, left))):
                raise damaged("what was made of a bucket", f"{left} bytes fewer than its index tells of")
            self.made += self.fresh.write(content)
        return offset

    def resolved(self, *, is_there: bool) -> list[_Run]:
        """The runs, each in one place: where it stands, if the document of before ``is_there``, or what was made."""
        found: list[_Run] = []
        for run in self.runs:
            if is_there and run.standing is not None:
                _append(found, run._replace(fresh=None))
            elif run.fresh is not None:
                _append(found, run._replace(standing=None))
            else:
                raise damaged("a document of the version before", "none that its indexes tell of")
        return found

    @property
    def is_as_before(self) -> bool:
        """Whether it has the same bytes as in the version before."""
        return self.resolved(is_there=True) == ([_Run(self.before, 0, None)] if self.before else [])


def _append(runs: list[_Run], run: _Run) -> None:
    if runs and runs[-1].goes_on(run):
        runs[-1] = runs[-1]._replace(size=runs[-1].size + run.size)
    else:
        runs.append(run)


@contextmanager
def _unpacked(made: bytes) -> Iterator[IO[bytes]]:
    """Give the items of Zstandard frames to read. Raises StorageRefusedError where they are none, or are cut."""
    if not made:
        yield BytesIO()
        return
    try:
        with pa.CompressedInputStream(pa.BufferReader(made), "zstd") as items:
            yield items
    except OSError as error:
        if error.errno is not None:
            raise
        raise damaged("what was made of a bucket", f"what is no Zstandard ({error})") from error


class _Place(NamedTuple):
    """A place of rows in a document."""

    items: _List
    is_array: bool

    @property
    def length_before(self) -> int:
        """How many bytes it has in the version before: an array's brackets take the place of its last comma."""
        return self.items.before + (len(EMPTY) if self.is_array else 0)


_Content: TypeAlias = tuple[bytes, int | None]
"""Some bytes of a document, and from where they stand in that of before; None: they are written anew."""


class Lists:
    """The lists of one format and split while buckets are added to them, in their order.

    ``paths`` are the documents that each of them stands in; ``folder`` holds items while the block runs.
    """

    def __init__(self, paths: tuple[str, ...], folder: Path) -> None:
        self._paths = paths
        self._folder = folder
        self._files = ExitStack()
        self.lists: list[_List] = []

    def __enter__(self) -> Self:
        opened = ((self._folder / f"{number}.items").open("w+b") for number in range(len(self._paths)))
        self.lists = [_List(self._files.enter_context(file)) for file in opened]
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def add(self, bucket: Bucket) -> None:
        """Go on with a bucket. Raises StorageRefusedError where what was made of it is not what its index says."""
        now, before = (self._rows(part) for part in (bucket.now, bucket.before))
        if bucket.now is bucket.before:
            for at, each in enumerate(self.lists):
                size = sum(row.sizes[at] for row in before)
                each.add(_Run(size, each.before, None))
                each.before += size
            return
        with _unpacked(bucket.made) as made:
            self._add(now, before, bucket.changed, made)
            if made.read(1):
                raise damaged("what was made of a bucket", "more bytes than its index tells of")

    def _add(
        self, now: Sequence[RowPart], before: Sequence[RowPart], changed: Collection[str] | None, made: IO[bytes]
    ) -> None:
        numbers = {row.id: number for number, row in enumerate(before)}
        for at, each in enumerate(self.lists):
            offsets = [*accumulate((row.sizes[at] for row in before), initial=each.before)]
            for row in now:
                number, size = numbers.get(row.id), row.sizes[at]
                was = None if number is None else before[number]
                fresh = None if is_kept(was, row.id, changed) else each.write(made, size)
                stands = was is not None and (was.sizes[at], was.digests[at]) == (size, row.digests[at])
                standing = offsets[number] if stands and number is not None else None
                if standing is None and fresh is None:
                    raise damaged("the index of a bucket", f"other items of the row {row.id!r} than it was kept with")
                each.add(_Run(size, standing, fresh))
            each.before = offsets[-1]

    def _rows(self, part: SplitPart | None) -> tuple[RowPart, ...]:
        return part.rows if part and part.lists == self._paths else ()

    def of(self, path: str) -> list[_List]:
        """The lists of a document, in their order."""
        return [each for each, found in zip(self.lists, self._paths, strict=True) if found == path]


@dataclass(frozen=True, slots=True)
class Joiner:
    """Adds documents to a snapshot. ``base`` is what the version before has of their format's files, if it may be used.

    With ``is_alike`` it was written by the same code, of the same classes: what stands around rows is the same too.
    """

    store: ObjectStore
    draft: Draft
    folder: Path
    base: Contents
    is_alike: bool

    def add(self, path: str, document: Document, lists: Sequence[_List]) -> tuple[File, tuple[Pack, ...]]:
        """Add a document under its logical path; return it and the packs that it is joined from, if it is.

        Raises StorageRefusedError where the version before has not what its indexes tell of.
        """
        earlier = next((file for file in self.base.files if file.path == path), None)
        if earlier and self.is_alike and all(each.is_as_before for each in lists):
            return earlier, packs_of(self.base, [earlier])
        of_rows = iter(lists)
        pieces = [each if isinstance(each, bytes) else _Place(next(of_rows), each.array) for each in document.pieces]
        before = self.folder / "before"
        if earlier:
            download_file(self.store, earlier, before)
        with before.open("rb") if earlier else BytesIO() as source:
            starts = _placed(pieces, earlier.size, source, is_alike=self.is_alike) if earlier else None
            contents = _contents(pieces, source, starts)
            if earlier is None or starts is None:
                body = self.folder / "document"
                with body.open("wb") as target:
                    target.writelines(content for content, _ in contents)
                return self.draft.add_file(path, body), ()
            return rejoined(
                self.draft, path, contents, base=self.base, earlier=earlier, folder=self.folder, waste=MAX_WASTE
            )


def _placed(pieces: Sequence[bytes | _Place], size: int, source: IO[bytes], *, is_alike: bool) -> list[int] | None:
    """Where each piece of a document begins in that of before, which has ``size`` bytes; None where it is another.

    Where that was not written alike, what stands before all rows may be longer or shorter there.
    """
    first, *others = (len(piece) if isinstance(piece, bytes) else piece.length_before for piece in pieces)
    more = size - first - sum(others)
    if more and (is_alike or not isinstance(pieces[0], bytes)):
        return None
    starts = [*accumulate([first + more, *others], initial=0)]
    for piece, start, stop in zip(pieces, starts, starts[1:], strict=False):
        if isinstance(piece, _Place) and piece.is_array:
            around = OPENING + CLOSING if piece.items.before else EMPTY + EMPTY
            if _read(source, start, len(OPENING)) + _read(source, stop - len(CLOSING), len(CLOSING)) != around:
                return None
    return starts[:-1]


def _contents(pieces: Sequence[bytes | _Place], source: IO[bytes], starts: Sequence[int] | None) -> Iterator[_Content]:
    """The bytes of a document, of which ``source`` is that of before; ``starts`` are its pieces' places there."""
    for piece, start in zip(pieces, starts or repeat(None, len(pieces)), strict=True):
        if isinstance(piece, bytes):
            stands = start is not None and len(piece) >= RUN_BYTES and _read(source, start, len(piece)) == piece
            yield piece, start if stands else None
        else:
            yield from _items(piece, source, start)


def _items(place: _Place, source: IO[bytes], start: int | None) -> Iterator[_Content]:
    """The bytes of a place of rows; of the last item what stands behind it is left out."""
    items, cut = place.items, len(BETWEEN) if place.is_array else 0
    if place.is_array:
        yield OPENING if items.size else EMPTY, None
    left = max(0, items.size - cut)
    for run in items.resolved(is_there=start is not None):
        size = min(run.size, left)
        left -= size
        if run.fresh is not None:
            yield from ((content, None) for _, content in _blocks(items.fresh, run.fresh, size))
        elif run.standing is not None and start is not None:
            there = min(size, items.before - cut - run.standing)
            first = start + run.standing + (len(OPENING) if place.is_array else 0)
            for offset, content in _blocks(source, first, there):
                yield content, offset if there >= RUN_BYTES else None
            if there < size:
                yield BETWEEN, None
    if place.is_array and items.size:
        yield CLOSING, None


def _blocks(source: IO[bytes], offset: int, size: int) -> Iterator[tuple[int, bytes]]:
    for start in range(offset, offset + size, BLOCK):
        yield start, _read(source, start, min(BLOCK, offset + size - start))


def _read(source: IO[bytes], offset: int, size: int) -> bytes:
    source.seek(offset)
    return source.read(size)
