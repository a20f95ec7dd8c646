"""A folder that files of a snapshot are laid out in: checked, whole, and never outside it."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from labelsnap.snapshots.reading.cache import Cache
from labelsnap.snapshots.reading.content import checked, download_file, is_copy, scratch_file
from labelsnap.snapshots.reading.places import folder_of, folder_refused, target_of
from labelsnap.snapshots.reading.ranges import READ_BYTES, Run, merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager
    from pathlib import Path

    from labelsnap.snapshots.manifest import File
    from labelsnap.snapshots.reading.pulled import Pulled
    from labelsnap.storage import ObjectStore

PARTIAL: Final = ".labelsnap-partial"  # files being written; removed at the end


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that lies in the tree; ``kept``: it did so already; ``cached``: it came from the cache."""

    file: File
    kept: bool = False
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """The folder ``root`` (resolved), the store that its files come from, and a cache before it, if any.

    ``pulled`` is told of each file before it is written.
    """

    store: ObjectStore
    root: Path
    cache: Cache | None = None
    pulled: Pulled | None = None

    def place(self, files: Sequence[File], pool: Executor) -> Iterator[Placed]:
        """Bring each file to its path below the root; one that is there with its size and hash is kept."""
        if self.pulled:
            self.pulled.claim(files)
        missing = []
        for file, kept in zip(files, pool.map(self._stands, files), strict=True):
            if kept:
                yield Placed(file, kept=True)
            else:
                missing.append(file)
        if self.pulled and missing:
            self.pulled.expect(missing)
        if self.cache is not None:
            cached = list(zip(missing, pool.map(self._from_cache, missing), strict=True))
            yield from (Placed(file, cached=True) for file, given in cached if given)
            missing = [file for file, given in cached if not given]
        whole = [file for file in missing if file.offset is None or file.size > READ_BYTES]
        for file, _ in zip(whole, pool.map(self._download, whole), strict=True):
            yield Placed(file)
        runs = tuple(merged([file for file in missing if file.offset is not None and file.size <= READ_BYTES]))
        for run, _ in zip(runs, pool.map(self._read, runs), strict=True):
            yield from (Placed(file) for file in run.members)

    @contextmanager
    def written(self, path: str) -> Iterator[Path]:
        """Give a new file to write to, which takes its place in the tree at the end, or never."""
        target_of(self.root, path)
        with self.scratch() as partial:
            yield partial
            self._take_place(partial, path)

    def scratch(self) -> AbstractContextManager[Path]:
        """Give a path for a file that is gone afterwards."""
        return scratch_file(self.root / PARTIAL)

    def _stands(self, file: File) -> bool:
        return is_copy(target_of(self.root, file.path), file)

    def _from_cache(self, file: File) -> bool:
        """Put the file in the tree from the cache; False: it is not there, or not whole."""
        if self.cache is None:
            return False
        with self.scratch() as partial:
            if not self.cache.give(file, partial):
                return False
            self._take_place(partial, file.path)
        return True

    def _take_place(self, partial: Path, path: str) -> None:
        with folder_of(self.root, path, make=True) as (folder, name):
            os.replace(partial, name, dst_dir_fd=folder)

    def _keep(self, file: File, path: Path) -> None:
        if self.cache is not None:
            self.cache.take(file, path)

    def _download(self, file: File) -> None:
        with self.written(file.path) as partial:
            download_file(self.store, file, partial)
            self._keep(file, partial)

    def _read(self, run: Run[File]) -> None:
        for file, body in run.read(self.store):
            content = checked(file, body)
            with self.written(file.path) as partial:
                partial.write_bytes(content)
                self._keep(file, partial)


@contextmanager
def open_tree(
    store: ObjectStore, directory: Path, cache: Path | None = None, pulled: Pulled | None = None
) -> Iterator[Tree]:
    """Make the folder if need be; what an interrupted pull left half written is removed, and so is ours."""
    root = directory.resolve()
    partial = root / PARTIAL
    kept = Cache(cache.resolve()) if cache else None
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        if kept:
            kept.tidy()
        yield Tree(store, root, kept, pulled)
    except OSError as error:
        raise folder_refused(root, error, cache) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
