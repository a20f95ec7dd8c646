"""Many small files of a format: what an earlier snapshot holds is pointed to, and the rest goes into few packs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from labelsnap.snapshots.manifest import File, Pack, damaged, digest
from labelsnap.snapshots.writing.joined import listed_pack

if TYPE_CHECKING:
    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.snapshots.writing.draft import Draft

PACK_BYTES: Final = 16 << 20  # a pack is closed when it has so many bytes, which are held in memory until then
PACK_FILES: Final = 4096  # or so many files


@dataclass(slots=True)
class SmallFiles:
    """Packs files in the order they come.

    A file whose bytes the base snapshot has in one of its own packs becomes a pointer into that, so one changed file
    uploads one file. ``name`` begins the packs' paths; ``below`` is the folder of the base whose packs may be used.
    """

    draft: Draft
    name: str
    base: Manifest | None
    below: str
    pack_bytes: int = PACK_BYTES
    pack_files: int = PACK_FILES
    files: list[File] = field(default_factory=list)
    packs: dict[str, Pack] = field(default_factory=dict)
    _paths: dict[str, File] = field(init=False)
    _standing: dict[str, File] = field(init=False)
    _packs_of_base: dict[str, Pack] = field(init=False)
    _pending: list[tuple[str, bytes]] = field(default_factory=list)
    _size: int = 0
    _number: int = 0

    def __post_init__(self) -> None:
        known = self.base.below(self.below) if self.base else ()
        self._packs_of_base = {pack.key: pack for pack in self.base.packs} if self.base else {}
        self._paths = {file.path: file for file in known if file.offset is not None}
        self._standing = {file.sha256: file for file in self._paths.values()}

    def add(self, path: str, body: bytes) -> None:
        """Take a file under its logical path."""
        if standing := self._standing.get(digest(body)):
            self._point_into_base(replace(standing, path=path))
            return
        self._pending.append((path, body))
        self._size += len(body)
        if self._size >= self.pack_bytes or len(self._pending) >= self.pack_files:
            self.flush()

    def keep(self, path: str) -> None:
        """Take a file as the base has it under this path. Raises StorageRefusedError where it has none in a pack."""
        file = self._paths.get(path)
        if file is None:
            raise damaged(f"the file {path!r} of the version before", "none")
        self._point_into_base(file)

    def point(self, file: File) -> None:
        """Take a file that lies in a pack which is listed otherwise: an image, in the images' own."""
        self.files.append(file)

    def _point_into_base(self, file: File) -> None:
        self.point(file)
        self.packs[file.key] = listed_pack(self._packs_of_base, file.key)

    def flush(self) -> None:
        """Write what is pending; afterwards ``files`` and ``packs`` are whole."""
        if self._pending:
            pack, files = self.draft.add_small_files(f"{self.name}-{self._number:05}.tar", self._pending)
            self.packs[pack.key] = pack
            self.files += files
            self._number += 1
            self._pending, self._size = [], 0
