"""One bucket, made for every format: each changed row is decoded once, and each format says what it makes of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

import pyarrow as pa
from msgspec.structs import replace

from labelsnap.buckets.boundary import fault_in
from labelsnap.buckets.parts.index import RowPart, SplitPart, format_folder, is_kept
from labelsnap.buckets.parts.work import Segment
from labelsnap.formats.interface import BETWEEN, Artifact, Document, Rows, no_files
from labelsnap.formats.shared.endings import ending, takes
from labelsnap.records.choices.splits import SPLITS
from labelsnap.snapshots.manifest import damaged

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import IO

    from labelsnap.buckets.parts.index import Index
    from labelsnap.buckets.parts.work import BucketWork
    from labelsnap.buckets.source import BucketSource, Listed
    from labelsnap.formats.interface import Dataset, Format
    from labelsnap.records.choices.selection import Choice, Selection
    from labelsnap.records.model import Sample
    from labelsnap.snapshots.manifest import File
    from labelsnap.snapshots.writing.small import SmallFiles

DECODED: Final = 32
"""So many rows of a bucket are held decoded at a time."""
PRESSED: Final = 256 << 10
"""So many bytes of items, and those of one row, are held of a list until they are pressed."""
_DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Making:
    """An output that is made of a bucket: where its small files go, and what the version before has of its rows.

    Its format is given what ``choice`` selects of each sample. ``changed`` are the rows that are made whatever it has,
    all where None. ``narrowed``: images are files, and a row is left out whose image the format's readers do not take.
    """

    name: str
    form: Format
    choice: Choice
    dataset: Dataset
    small: SmallFiles
    earlier: Index
    changed: Collection[str] | None
    narrowed: bool

    def before(self, split: str, lists: tuple[str, ...]) -> dict[str, RowPart]:
        """What the version before has of a split's rows, where its documents have the same places of rows."""
        part = self.earlier.get((self.name, split))
        return {row.id: row for row in part.rows} if part and part.lists == lists else {}


class Made(NamedTuple):
    """What came of a bucket: its index, where items that were made lie, and rows that formats failed at, by output.

    ``others`` are the rows of each split that are not as they were there, or are there no more.
    """

    parts: tuple[SplitPart, ...]
    others: dict[str, tuple[str, ...]]
    segments: tuple[Segment, ...]
    unwritable: dict[str, dict[str, str]]


class _RowMade(NamedTuple):
    """What one row gave: the bytes of each list, and its small files; those that are images say where these lie."""

    items: tuple[bytes, ...]
    files: tuple[tuple[str, bytes | File], ...]


def make_parts(
    source: BucketSource, work: BucketWork, before: Index, ways: Sequence[Making], target: IO[bytes]
) -> Made:
    """Make a bucket for each output; what has to be joined to documents is written to ``target``.

    ``before`` is its index in the version before. A row that a format fails at is named, and is in no part of it.
    Raises what a format raises without any row.
    """
    bucket, changed = work.index, work.changed
    listed = source.listed(bucket)
    each_split = [_SplitMaking(source, bucket, way, split) for way in ways for split in way.dataset.splits]
    makings = [making for making in each_split if making.is_of_rows]
    groups = [listed[first : first + DECODED] for first in range(0, len(listed), DECODED)]
    wanted = [[row.id for row in rows if any(map(partial(_is_made, row), makings))] for rows in groups]
    keep = any(making.is_sharded for making in each_split)
    for rows, decoded in zip(groups, _decoded(source, bucket, listed, wanted, keep=keep), strict=True):
        samples = {sample.record.data_row.id: _Selected(sample) for sample in decoded}
        for row in rows:  # what is painted of a sample is at hand for the output that comes next
            for making in makings:
                if making.has(row):
                    making.take(row, samples)
    segments: list[Segment] = []
    offset = 0
    for making in makings:
        if content := making.packed():
            segments.append(Segment(making.way.name, making.split, offset, len(content)))
            offset += target.write(content)
    for way in ways:
        way.small.flush()
    unwritable: dict[str, dict[str, str]] = {}
    for making in makings:
        if making.faults:
            unwritable.setdefault(making.way.name, {}).update(making.faults)
    listing = {split: _listing(split, listed) for split in SPLITS}
    others = {split: _others(before.get(("", split)), part, changed) for split, part in listing.items()}
    parts = (*listing.values(), *filter(None, (making.part() for making in makings)))
    return Made(parts, others, tuple(segments), unwritable)


def _is_made(row: Listed, making: _SplitMaking) -> bool:
    return making.has(row) and making.is_made(row)


def _decoded(
    source: BucketSource, bucket: int, listed: Sequence[Listed], wanted: Sequence[Sequence[str]], *, keep: bool
) -> Iterator[list[Sample]]:
    """Decode the rows that are wanted, group after group.

    With ``keep`` they are kept for those who write shards; where these are all, they are decoded at once.
    """
    if not keep or sum(map(len, wanted)) < len(listed):
        for few in source.decoded(bucket, wanted):
            if keep:
                source.keep_few(bucket, few)
            yield few
        return
    rows = source.whole(bucket, listed)
    source.keep(bucket, rows)
    samples = {row.sample.record.data_row.id: row.sample for row in chain.from_iterable(rows.values())}
    for row_ids in wanted:
        yield [samples.pop(row_id) for row_id in row_ids]


def _listing(split: str, listed: Sequence[Listed]) -> SplitPart:
    return SplitPart("", split, rows=tuple(RowPart(row.id, (), ()) for row in listed if row.split == split))


def _others(before: SplitPart | None, now: SplitPart, changed: Collection[str] | None) -> tuple[str, ...]:
    """Which rows of a split came, went, or changed; all where ``changed`` is None."""
    was, there = ({row.id for row in part.rows} if part else set() for part in (before, now))
    return tuple(sorted(was | there if changed is None else (was ^ there) | (there & set(changed))))


class _Selected:
    """A row's sample, and what outputs select of it: those that select the same share that."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._found: dict[Selection, Sample] = {}

    def by(self, choice: Choice) -> Sample:
        """The sample that an output's format is given."""
        if (found := self._found.get(choice.selection)) is None:
            found = self._found[choice.selection] = choice.sample(self._sample)
        return found


class _SplitMaking:
    """One split of a bucket while it is made for one output."""

    def __init__(self, source: BucketSource, bucket: int, way: Making, split: str) -> None:
        self.way = way
        self.split = split
        self.faults: dict[str, str] = {}
        self._source = source
        self._bucket = bucket
        files = list(way.form.files(way.dataset, split))
        self.is_sharded = any(isinstance(file, Artifact) and file.shard for file in files)
        documents = (file for file in files if isinstance(file, Document))
        self._lists = [(each.path, piece) for each in documents for piece in each.pieces if isinstance(piece, Rows)]
        self._of_row = way.form.files_of_row(way.dataset)
        self._before = way.before(split, self._paths)
        self._fresh = [bytearray() for _ in self._lists]
        self._pressed: list[list[bytes]] = [[] for _ in self._lists]
        self._rows: list[tuple[RowPart, list[str]]] = []

    @property
    def is_of_rows(self) -> bool:
        """Whether the format has anything of single rows."""
        return bool(self._lists) or self._of_row is not no_files

    @property
    def _paths(self) -> tuple[str, ...]:
        return tuple(path for path, _ in self._lists)

    @cached_property
    def _images(self) -> Mapping[str, File]:
        return self._source.stored(self._bucket)

    def is_made(self, row: Listed) -> bool:
        """Whether a row is made, and does not stand."""
        return not is_kept(self._before.get(row.id), row.id, self.way.changed)

    def has(self, row: Listed) -> bool:
        """Whether a row is in this split of the format."""
        way = self.way
        return row.split == self.split and (not way.narrowed or takes(way.form, ending(row.file_name)))

    def take(self, row: Listed, samples: Mapping[str, _Selected]) -> None:
        """Make a row that does not stand, or take it over."""
        if self.is_made(row):
            self._make(row, samples[row.id])
        else:
            self._keep(self._before[row.id])

    def packed(self) -> bytes:
        """The items that were made, list after list, in Zstandard frames; nothing where there are none.

        They are let go.
        """
        for place in range(len(self._lists)):
            self._press(place)
        pressed, self._pressed = self._pressed, []
        return b"".join(chain.from_iterable(pressed))

    def _press(self, place: int) -> None:
        """Pack what is held of a list."""
        if fresh := self._fresh[place]:
            self._pressed[place].append(pa.compress(pa.py_buffer(fresh), codec="zstd", asbytes=True))
            self._fresh[place] = bytearray()

    def part(self) -> SplitPart | None:
        """What the rows gave, when all small files are written; None where it is nothing."""
        small = self.way.small
        rows = tuple(replace(row, files=tuple(small.files[path] for path in paths)) for row, paths in self._rows)
        if not any(row.sizes or row.files for row in rows):
            return None
        keys = {file.key for row in rows for file in row.files}
        packs = tuple(pack for key, pack in sorted(small.packs.items()) if key in keys)
        return SplitPart(self.way.name, self.split, self._paths, packs, rows)

    def _make(self, row: Listed, selected: _Selected) -> None:
        made: list[_RowMade] = []
        if fault := fault_in(row.id, lambda: made.append(self._made(row.number, selected.by(self.way.choice)))):
            self.faults[row.id] = fault
            return
        ((items, files),) = made
        for place, content in enumerate(items):
            self._fresh[place].extend(content)
            if len(self._fresh[place]) >= PRESSED:
                self._press(place)
        for path, body in files:
            if isinstance(body, bytes):
                self.way.small.add(path, body)
            else:
                self.way.small.point(body)
        part = RowPart(row.id, tuple(map(len, items)), tuple(map(_digest, items)))
        self._rows.append((part, [path for path, _ in files]))

    def _made(self, number: int, sample: Sample) -> _RowMade:
        items = tuple(_items(rows, number, sample) for _, rows in self._lists)
        return _RowMade(items, tuple(map(self._file, self._of_row(sample))))

    def _file(self, artifact: Artifact) -> tuple[str, bytes | File]:
        path = f"{format_folder(self.way.name)}{artifact.path}"
        if artifact.image and (stored := self._source.image_file(artifact.image)):
            return path, replace(stored, path=path)
        return path, b"".join(artifact.chunks)

    def _keep(self, part: RowPart) -> None:
        """Take a row over; an image lies where the table of images has it now."""
        for file in part.files:
            if self.way.small.has(file):
                self.way.small.keep(file)
            elif image := self._images.get(file.sha256):
                self.way.small.point(replace(image, path=file.path))
            else:
                raise damaged(f"the pack of {file.path!r} in the version before", "none")
        self._rows.append((replace(part, files=()), [file.path for file in part.files]))


def _items(rows: Rows, number: int, sample: Sample) -> bytes:
    """The items of a row, in an array each with what stands behind it: of the very last that is cut off in joining."""
    items = rows.make(number, sample)
    return b"".join(item + BETWEEN for item in items) if rows.array else b"".join(items)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()
