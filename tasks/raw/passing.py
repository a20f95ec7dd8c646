"""The raw export that a snapshot keeps, as it is passed on to another one.

A version says which of its lines it left out, because their rows came again. They are passed on to no later version,
so that the raw export grows with the rows of a dataset and not with the number of its backfills.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import IO, TYPE_CHECKING, Final

from msgspec import Struct

from config.settings import load_settings
from labelsnap.decoders import decoder_of
from labelsnap.snapshots.manifest import File, Pack, damaged, result_of
from labelsnap.snapshots.reading.chunks import chunk_blocks, chunk_task
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.writing.draft import Uploads
from labelsnap.snapshots.writing.frames import EarlierFrames, add_chunk
from labelsnap.storage.lines import lines
from tasks.machines.environment import scratch
from tasks.run.receipts import StreamReceipt
from tasks.settle import LEFT_OUT_PATH

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.snapshots.writing.draft import Draft
    from labelsnap.storage import ObjectStore

RESULT: Final = "raw/result-"
ERRORS: Final = "raw/errors-"
_OF_PART: Final = re.compile(r"raw/(?:result|errors)-(?P<part>[0-9]{3,6})-")


class Chunk(Struct, frozen=True):
    """A chunk of a stream, and the packs that it is joined from."""

    file: File
    packs: tuple[Pack, ...]


class Kept(Struct, frozen=True):
    """The chunks that are passed on, how many lines they have, and what had to be written for it."""

    chunks: tuple[Chunk, ...]
    lines: int
    uploads: Uploads = Uploads()

    @property
    def streams(self) -> tuple[StreamReceipt, ...]:
        """The chunks as streams that nothing has to be brought for; all lines are told of the first."""
        of_stream = [list(chunks) for _, chunks in groupby(self.chunks, key=lambda chunk: stream_of(chunk.file))]
        return tuple(
            StreamReceipt(
                files=tuple(chunk.file for chunk in chunks),
                packs=tuple(sorted({pack for chunk in chunks for pack in chunk.packs}, key=lambda pack: pack.key)),
                size=0,
                lines=0 if number else self.lines,
                retries=0,
                uploads=Uploads() if number else self.uploads,
            )
            for number, chunks in enumerate(of_stream)
        )


@dataclass(frozen=True, slots=True)
class Passing:
    """How a snapshot's raw export is passed on to another one, whose ``draft`` is of ``target``.

    Within one store whole chunks are pointed to; else all are written again, but for frames that the version ``known``
    of the target has.
    """

    store: ObjectStore
    manifest: Manifest
    target: ObjectStore
    draft: Draft
    known: Manifest | None

    def results(self) -> Kept:
        """The RESULT streams, without the lines that the snapshot left out itself."""
        listed = self.manifest.file(LEFT_OUT_PATH)
        left_out = frozenset(decoder_of(list[int]).decode(read_file(self.store, listed))) if listed else frozenset()
        return self._passed(RESULT, result_of(self.manifest).rows.exported - len(left_out), left_out)

    def errors(self) -> Kept:
        """The ERRORS streams."""
        return self._passed(ERRORS, result_of(self.manifest).export_errors, frozenset())

    def _passed(self, prefix: str, count: int, left_out: Collection[int]) -> Kept:
        files = self.manifest.below(prefix)
        if left_out or not self._is_one_store:
            chunks = tuple(self._written(files, EarlierFrames(self.target, self.known, prefix), left_out))
        else:
            chunks = tuple(Chunk(file, self.manifest.packs_of([file])) for file in files)
        return Kept(chunks, count, self.draft.uploads)

    @property
    def _is_one_store(self) -> bool:
        return self.store.url == self.target.url

    def _written(self, files: Sequence[File], frames: EarlierFrames, left_out: Collection[int]) -> Iterator[Chunk]:
        """The chunks without some lines: those that have one of these are written again, as far as they differ."""
        remaining = Remaining(left_out)
        with scratch(load_settings()) as directory:
            plain = directory / "plain"
            for number, file in enumerate(files):
                if number and stream_of(file) != stream_of(files[number - 1]):
                    remaining.end_stream()
                with plain.open("wb") as target:
                    is_same = remaining.write(lines(chunk_blocks(self.store, file, directory / "chunk.zst")), target)
                if is_same and self._is_one_store:
                    yield Chunk(file, self.manifest.packs_of([file]))
                elif plain.stat().st_size:
                    near, task_id = frames.near(number / len(files)), chunk_task(self.store, file)
                    yield Chunk(*add_chunk(self.draft, file.path, plain, task_id, near))


def stream_of(file: File) -> str:
    """What the chunks of one stream have in common."""
    return file.path.rpartition("-")[0]


def part_of(stream: StreamReceipt) -> int:
    """The number of the export that a stream was of. Raises StorageRefusedError where its files do not tell it."""
    path = stream.files[0].path
    found = _OF_PART.match(path)
    if found is None:
        raise damaged(repr(path), "no chunk of an export of several sources")
    return int(found["part"])


class Remaining:
    """Writes lines but for some, by their numbers from 1, over chunks that may end inside a line."""

    def __init__(self, left_out: Collection[int]) -> None:
        self._left_out = left_out
        self._number = 1
        self._is_inside = False

    def write(self, pieces: Iterable[bytes], target: IO[bytes]) -> bool:
        """Write what remains of a chunk's lines; say whether that is all of it."""
        is_same = True
        for piece in pieces:
            if self._number in self._left_out:
                is_same = False
            else:
                target.write(piece)
            self._is_inside = not piece.endswith(b"\n")
            self._number += not self._is_inside
        return is_same

    def end_stream(self) -> None:
        """The next line is another one, though the last one had no line break."""
        self._number += self._is_inside
        self._is_inside = False
