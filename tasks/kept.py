"""The raw export that a snapshot keeps, read again by a backfill: its own lines stand beside those of the windows.

A version says which of its lines it left out, because their rows came again. A backfill passes these on to no later
version, so that the raw export grows with the rows of a dataset and not with the number of its backfills.
"""

from __future__ import annotations

from itertools import groupby
from typing import IO, TYPE_CHECKING, Final

from msgspec import Struct
from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from labelsnap.decoders import decoder_of
from labelsnap.snapshots.manifest import File, Pack, result_of
from labelsnap.snapshots.reading.chunks import chunk_blocks, chunk_task
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.writing.draft import Uploads
from labelsnap.snapshots.writing.frames import EarlierFrames, add_chunk
from labelsnap.storage.lines import lines
from tasks.machines.environment import scratch
from tasks.machines.here import here_of
from tasks.machines.retries import RETRIES
from tasks.run.ledger import ledger_here
from tasks.run.receipts import StreamReceipt
from tasks.settle import LEFT_OUT_PATH

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.snapshots.writing.draft import Draft
    from labelsnap.storage import ObjectStore

RESULT: Final = "raw/result-"


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


@task(**RETRIES)
def keep_streams(dataset: Dataset, run: str, base: int) -> tuple[StreamReceipt, ...]:
    """The raw export that the snapshot ``base`` (0: none) keeps, without the lines that it left out itself."""
    here = here_of(dataset.url)
    if (manifest := here.manifest(base)) is None:
        return ()
    ledger = ledger_here(dataset.url, run)
    if done := ledger.recall("kept", Kept):
        return done.streams
    listed = manifest.file(LEFT_OUT_PATH)
    left_out = frozenset(decoder_of(list[int]).decode(read_file(here.store, listed))) if listed else frozenset()
    exported = result_of(manifest).rows.exported
    if not left_out:
        chunks = tuple(Chunk(file, manifest.packs_of([file])) for file in manifest.below(RESULT))
        return ledger.note("kept", Kept(chunks, exported)).streams
    draft = here.draft(manifest)
    chunks = tuple(_without(here.store, draft, manifest, left_out))
    return ledger.note("kept", Kept(chunks, exported - len(left_out), draft.uploads)).streams


def stream_of(file: File) -> str:
    """What the chunks of one stream have in common."""
    return file.path.rpartition("-")[0]


def _without(store: ObjectStore, draft: Draft, manifest: Manifest, left_out: Collection[int]) -> Iterator[Chunk]:
    """The chunks without some lines: those that have one of these are written again, as far as they differ."""
    files = manifest.below(RESULT)
    frames = EarlierFrames(store, manifest, RESULT)
    remaining = Remaining(left_out)
    with scratch(load_settings()) as directory:
        plain = directory / "plain"
        for number, file in enumerate(files):
            if number and stream_of(file) != stream_of(files[number - 1]):
                remaining.end_stream()
            with plain.open("wb") as target:
                is_same = remaining.write(lines(chunk_blocks(store, file, directory / "chunk.zst")), target)
            if is_same:
                yield Chunk(file, manifest.packs_of([file]))
            elif plain.stat().st_size:
                near = frames.near(number / len(files))
                yield Chunk(*add_chunk(draft, file.path, plain, chunk_task(store, file), near))


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
