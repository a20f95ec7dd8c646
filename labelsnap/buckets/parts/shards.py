"""Shards of which some rows stand: what the others come to is made, and all else is pointed to where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from labelsnap.formats.interface import NotThereError, Span, Standing
from labelsnap.memory import BLOCK
from labelsnap.snapshots.checking.decoding import UndecodableError, decode_file
from labelsnap.snapshots.manifest import damaged
from labelsnap.snapshots.reading.content import download_file
from labelsnap.snapshots.tables.parquet_files import check_pages
from labelsnap.snapshots.writing.joined import RUN_BYTES, rejoined

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from labelsnap.formats.interface import Artifact, Told
    from labelsnap.snapshots.manifest import Contents, File, Pack
    from labelsnap.snapshots.writing.draft import Draft
    from labelsnap.storage import ObjectStore

MAX_WASTE: Final = 1.5
"""A shard whose objects would have more than so many times its bytes is written whole."""


@dataclass(frozen=True, slots=True)
class Renewer:
    """Adds shards to a snapshot, each upon what the ``base``, a part of the version before, has under its path.

    ``folder`` is its own, for as many bytes as two shards have, and what is new.
    """

    store: ObjectStore
    draft: Draft
    folder: Path
    base: Contents

    def add(self, path: str, shard: Artifact, rows: Iterable[Told]) -> tuple[File, tuple[Pack, ...]] | None:
        """Add a shard under its logical path; return it and the packs that it is joined from, if it is.

        None where it has to be made anew as a whole. Raises StorageRefusedError where the one of before is damaged.
        """
        earlier = next((file for file in self.base.files if file.path == path), None)
        if earlier is None or shard.renewed is None:
            return None
        before = self.folder / "before"
        download_file(self.store, earlier, before, lent=True)
        if path.endswith(".parquet"):
            check_pages(before, path)
        elif not _is_readable(before, path):
            return None
        try:
            with before.open("rb") as file:
                contents = _contents(shard.renewed(Standing(file, rows)), file)
                return rejoined(
                    self.draft, path, contents, base=self.base, earlier=earlier, folder=self.folder, waste=MAX_WASTE
                )
        except NotThereError:
            return None


def _is_readable(file: Path, path: str) -> bool:
    """Whether a file is what its name says, from end to end, by the bounds of what is read back."""
    try:
        decode_file(file, path)
    except UndecodableError:
        return False
    return True


def _contents(pieces: Iterable[bytes | Span], file: BinaryIO) -> Iterator[tuple[bytes, int | None]]:
    """Give the bytes of a shard, each with the place where it stands in that of before."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece, None
            continue
        for offset in range(piece.offset, piece.offset + piece.size, BLOCK):
            length = min(BLOCK, piece.offset + piece.size - offset)
            file.seek(offset)
            if len(content := file.read(length)) < length:
                raise damaged("a shard of the version before", f"{length - len(content)} bytes fewer than it tells of")
            yield content, offset if piece.size >= RUN_BYTES else None
