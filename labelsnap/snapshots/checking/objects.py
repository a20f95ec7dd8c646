"""One object of a snapshot, read from the store: whether it is what was written, and reads as what it should be."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from labelsnap.snapshots.checking.decoding import UndecodableError, decode_file, passed_over
from labelsnap.snapshots.reading.content import fetch

if TYPE_CHECKING:
    from pathlib import Path

    from labelsnap.snapshots.checking.decoding import OnBatch
    from labelsnap.snapshots.manifest import File, Manifest
    from labelsnap.snapshots.reading.content import Objects


class Fault(Struct, frozen=True):
    """What is wrong with one object. ``path`` is the file of the snapshot that it spoils, where there is one.

    ``damage`` is ``missing``, ``size`` (truncated or grown), ``bytes`` (another sha256), ``content`` (the bytes are
    those that were written, and still cannot be read), ``counts`` (they add up to something else than they should) or
    ``record`` (a commit record that its own digest belies).
    """

    key: str
    path: str | None
    damage: Literal["missing", "size", "bytes", "content", "counts", "record"]
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole object and the files of the snapshot that lie in it; ``pack``: one that files or tables point into.

    A file that is joined from parts of packs is looked at like an object; its ``key`` is that of its first part.
    """

    key: str
    size: int
    sha256: str
    files: tuple[File, ...] = ()
    pack: bool = False

    @property
    def joined(self) -> bool:
        """Whether it is a file that is joined from parts of packs."""
        return any(file.parts for file in self.files)

    @property
    def name(self) -> str:
        """The path that says what it is: of the file that it is, or its key's where it holds several."""
        return self.key if self.pack else self.files[0].path

    @property
    def path(self) -> str | None:
        """The path of the one file that it is, if it is one."""
        return None if self.pack else self.files[0].path


def wholes_of(manifest: Manifest) -> tuple[Whole, ...]:
    """Return every object of a snapshot below its manifest, once: files first, then those joined, then packs."""
    files: defaultdict[str, list[File]] = defaultdict(list)
    joined = tuple(file for file in manifest.files if file.parts)
    for file in manifest.files:
        if not file.parts:
            files[file.key].append(file)
    packs = {pack.key: pack for pack in manifest.packs}
    alone = (
        Whole(key, inside[0].size, inside[0].sha256, tuple(inside))
        for key, inside in files.items()
        if key not in packs and inside[0].offset is None
    )
    shared = (Whole(key, pack.size, pack.sha256, tuple(files[key]), pack=True) for key, pack in packs.items())
    of_parts = (Whole(file.parts[0].key, file.size, file.sha256, (file,)) for file in joined)
    return (*alone, *of_parts, *shared)


def check_object(store: Objects, whole: Whole, path: Path, on_batch: OnBatch = passed_over) -> Fault | Counter[str]:
    """Bring an object to ``path`` and read it from end to end; return what is wrong with it, or what it counts.

    Counts and ``on_batch`` are those of ``decode_file``. Raises StorageError when the store does not answer.
    """
    found = store.download(whole.key, path, size=whole.size) if whole.pack else fetch(store, whole.files[0], path)
    if not found:
        return Fault(whole.key, whole.path, "missing", f"{whole.size} bytes", "nothing")
    if (size := path.stat().st_size) != whole.size:
        return Fault(whole.key, whole.path, "size", f"{whole.size} bytes", f"{size} bytes")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != whole.sha256:
        return Fault(whole.key, whole.path, "bytes", f"sha256 {whole.sha256}", f"sha256 {sha256}")
    try:
        return decode_file(path, whole.name, on_batch)
    except UndecodableError as error:
        return undecodable(whole, error)


def undecodable(whole: Whole, error: UndecodableError) -> Fault:
    """Return what is wrong with an object whose content is not what its name says."""
    return Fault(whole.key, whole.path, "content", error.expected, str(error))
