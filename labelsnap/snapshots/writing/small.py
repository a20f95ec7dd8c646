"""Many small files of a format: what an earlier snapshot holds is pointed to, and the rest goes into few packs."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from labelsnap.snapshots.manifest import File, Pack, digest
from labelsnap.snapshots.reading.ranges import read_ranges
from labelsnap.snapshots.writing.joined import listed_pack

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from labelsnap.snapshots.manifest import Contents
    from labelsnap.snapshots.writing.draft import Draft
    from labelsnap.storage import ObjectStore

PACK_BYTES: Final = 16 << 20  # a pack is closed when it has so many bytes, which are held in memory until then
PACK_FILES: Final = 4096  # or so many files
SMALL_PACK: Final = 256 << 10  # a pack of fewer bytes is written anew with what is fresh: it takes no request more
USED: Final = 2 / 3  # and so is a pack of which less is used

log = logging.getLogger(__name__)


@dataclass(slots=True)
class SmallFiles:
    """Packs files in the order they come.

    A file whose bytes are among ``standing``, files of an earlier snapshot with its packs, becomes a pointer into
    these, so one changed file uploads one file; with a ``store``, small and worn packs are read, and written anew.
    ``name`` begins the packs' paths.
    """

    draft: Draft
    name: str
    standing: Contents | None = None
    store: ObjectStore | None = None
    pack_bytes: int = PACK_BYTES
    pack_files: int = PACK_FILES
    files: dict[str, File] = field(default_factory=dict)
    packs: dict[str, Pack] = field(default_factory=dict)
    _paths: dict[str, File] = field(init=False)
    _known: dict[str, File] = field(init=False)
    _packs: dict[str, Pack] = field(init=False)
    _pending: list[tuple[str, bytes]] = field(default_factory=list)
    _size: int = 0
    _number: int = 0

    def __post_init__(self) -> None:
        self._packs = {pack.key: pack for pack in self.standing.packs} if self.standing else {}
        self._paths = {file.path: file for file in self.standing.files if self.has(file)} if self.standing else {}
        self._known = {file.sha256: file for file in self._paths.values()}

    def add(self, path: str, body: bytes) -> None:
        """Take a file under its logical path."""
        sha256 = digest(body)
        same = self._paths.get(path)
        standing = same if same and same.sha256 == sha256 else self._known.get(sha256)
        if standing:
            self.keep(replace(standing, path=path))
        else:
            self._pack(path, body)

    def has(self, file: File) -> bool:
        """Whether a file lies in a pack that stands."""
        return file.key in self._packs

    def keep(self, file: File) -> None:
        """Take a file as it stands. Raises StorageRefusedError where its pack is none of those that stand."""
        self.point(file)
        self.packs[file.key] = listed_pack(self._packs, file.key)

    def point(self, file: File) -> None:
        """Take a file that lies in a pack which is listed otherwise: an image, in the images' own."""
        self.files[file.path] = file

    def flush(self) -> None:
        """Write what is pending; afterwards ``files``, by path, and ``packs`` are whole."""
        if self.store is not None:
            self._take_in(self.store)
        self._write()

    def _pack(self, path: str, body: bytes) -> None:
        self._pending.append((path, body))
        self._size += len(body)
        if self._size >= self.pack_bytes or len(self._pending) >= self.pack_files:
            self._write()

    def _write(self) -> None:
        if self._pending:
            pack, files = self.draft.add_small_files(f"{self.name}-{self._number:05}.pack", self._pending)
            self.packs[pack.key] = pack
            self.files |= {file.path: file for file in files}
            self._number += 1
            self._pending, self._size = [], 0

    def _take_in(self, store: ObjectStore) -> None:
        """Pack anew what lies in small and worn packs. What is not as it was written stays there, and is told."""
        kept: defaultdict[str, list[File]] = defaultdict(list)
        for file in self.files.values():
            if file.key in self.packs and self.has(file):
                kept[file.key].append(file)
        for key in self._worth_packing(kept):
            bodies = [(file, body or b"") for file, body in read_ranges(store, kept[key])]
            whole = [(file, body) for file, body in bodies if digest(body) == file.sha256]
            if len(whole) == len(bodies):
                del self.packs[key]
            else:
                log.warning("%s/%s is lost or damaged: run `labelsnap snapshots verify`.", store.url, key)
            for file, body in sorted(whole, key=lambda each: each[0].path):
                self._pack(file.path, body)

    def _worth_packing(self, kept: Mapping[str, Sequence[File]]) -> list[str]:
        """Which packs are packed anew: see ``worth_packing``."""
        worn = [key for key, files in kept.items() if _used(files) < USED * self.packs[key].size]
        small = [
            key
            for key, files in kept.items()
            if self.packs[key].size < SMALL_PACK and len(files) < USED * self.pack_files
        ]
        return sorted(worth_packing(worn, small, is_fresh=bool(self._pending)))


def worth_packing(worn: Collection[str], small: Collection[str], *, is_fresh: bool) -> set[str]:
    """Which packs are packed anew: worn ones, and small ones unless there is just one and nothing is fresh."""
    return {*worn, *(small if is_fresh or worn or len(small) > 1 else ())}


def _used(files: Iterable[File]) -> int:
    """How many bytes of a pack files take up; some are in the same place."""
    return sum(size for _, size in {(file.offset, file.size) for file in files})
