"""``labelsnap pull``: the plain tree of one format, from a snapshot."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from tasks.errors import ConfigurationError, StorageRefusedError
from tasks.snapshots.content import download_file
from tasks.snapshots.frames import chunk_blocks
from tasks.snapshots.images import IMAGES, packed_images
from tasks.snapshots.manifest import File
from tasks.snapshots.tree import Placed, Tree, open_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from tasks.snapshots.manifest import Manifest
    from tasks.snapshots.read import Snapshot
    from tasks.storage import ObjectStore

    Layout = Callable[[str, str], str | None]

RECEIPT: Final = "snapshot.json"
FORMATS: Final = "formats/"
TABLES: Final = "tables/"
RAW: Final = "raw/"
REPORT: Final = "report.html"
_PARALLEL: Final = 16
_PROBLEMS: Final = "raw/problems.ndjson"
_STREAMS: Final = {"export.ndjson": "raw/result-", "errors.ndjson": "raw/errors-"}


@dataclass(frozen=True, slots=True)
class PullReport:
    """What lies in the folder now; ``kept`` files were there already, ``cached`` ones came from the cache."""

    files: int
    bytes: int
    kept: int
    cached: int = 0


def pull(
    store: ObjectStore,
    snapshot: Snapshot,
    format_name: str,
    directory: Path,
    *,
    layout: Layout | None = None,
    cache: Path | None = None,
    on_progress: Callable[[PullReport], None] = lambda _: None,
) -> PullReport:
    """Lay out a format's files, and the images where ``layout(split, file_name)`` says (None: nowhere).

    Every file is checked against its hash; one that is there already is kept, so an interrupted pull goes on where
    it stopped. With ``cache`` (see ``cache.py``) what was pulled before is linked from that folder, and what is read is
    kept there. ``snapshot.json`` comes last. Raises ConfigurationError for a format that the snapshot does not hold,
    and StorageRefusedError for a damaged object, named, or a path that leads out of the folder.
    """
    check_held(snapshot.manifest, format_name)
    with open_tree(store, directory, cache) as tree, ThreadPoolExecutor(_PARALLEL) as pool:
        (tree.root / RECEIPT).unlink(missing_ok=True)
        placed = _distinct(_placed(tree, snapshot.manifest, format_name, layout, pool))
        return _write_receipt(tree, snapshot, format_name, placed, on_progress)


def formats_held(manifest: Manifest) -> tuple[str, ...]:
    """Return the names of the formats that a snapshot can be pulled in, sorted."""
    names = {file.path.split("/")[1] for file in manifest.below(FORMATS)}
    names |= {name for name, folder in (("parquet", TABLES), ("raw", RAW)) if manifest.below(folder)}
    return tuple(sorted(names))


def check_held(manifest: Manifest, format_name: str) -> None:
    """Raise ConfigurationError, naming the formats there are, when the snapshot does not hold this one."""
    if format_name not in (held := formats_held(manifest)):
        raise ConfigurationError(
            f"Expected a format that the snapshot holds, found {format_name!r}.",
            remedy=f"It holds: {', '.join(held) or 'none'}. Add others under `formats` in the dataset file.",
            code="format_missing",
        )


def _placed(
    tree: Tree, manifest: Manifest, format_name: str, layout: Layout | None, pool: Executor
) -> Iterator[Placed]:
    folders = [f"{FORMATS}{format_name}/", *([TABLES] if format_name == "parquet" else [])]
    for folder in folders:
        yield from tree.place([_moved(file, folder) for file in manifest.below(folder)], pool)
    if format_name == "raw":
        for target, prefix in _STREAMS.items():
            yield _concatenated(tree, manifest.below(prefix), target)
        yield from tree.place([_moved(file, RAW) for file in manifest.below(_PROBLEMS)], pool)
    yield from tree.place(manifest.below(REPORT), pool)
    if layout is not None:
        tables = manifest.below(IMAGES)
        for start in range(0, len(tables), _PARALLEL):
            read = pool.map(partial(_images, tree, layout), tables[start : start + _PARALLEL])
            yield from tree.place(list(chain.from_iterable(read)), pool)


def _moved(file: File, folder: str) -> File:
    return replace(file, path=file.path.removeprefix(folder))


def _images(tree: Tree, layout: Layout, table: File) -> list[File]:
    with tree.scratch() as path:
        download_file(tree.store, table, path)
        return list(packed_images(path, layout))


def _concatenated(tree: Tree, chunks: Iterable[File], target: str) -> Placed:
    """Unpack the chunks of a stream, in the order of their names, to one file.

    Where a run had several exports, one whose last line has no break is given it, so that the next begins a line.
    """
    size, sha256 = 0, hashlib.sha256()
    export, last = "", b"\n"
    with tree.written(target) as joined, joined.open("wb") as output:

        def write(block: bytes) -> int:
            sha256.update(block)
            return output.write(block)

        for chunk in chunks:
            before, export = export, chunk.path.rpartition("-")[0]
            if export != before and last != b"\n":
                size += write(b"\n")
            with tree.scratch() as path:
                for block in chunk_blocks(tree.store, chunk, path):
                    size += write(block)
                    last = block[-1:]
    return Placed(File(target, "", size, sha256.hexdigest()))


def _distinct(placed: Iterable[Placed]) -> Iterator[Placed]:
    """Pass the files on. Raises StorageRefusedError when two would stand at one path, so that none is lost."""
    paths = {RECEIPT}
    for item in placed:
        if item.file.path in paths:
            raise StorageRefusedError(
                f"Expected one file at every path, found two for {item.file.path!r}.",
                remedy="Publish the dataset again with names that are unique in each split.",
                code="path_clash",
            )
        paths.add(item.file.path)
        yield item


def _write_receipt(
    tree: Tree,
    snapshot: Snapshot,
    format_name: str,
    placed: Iterable[Placed],
    on_progress: Callable[[PullReport], None],
) -> PullReport:
    """Write ``snapshot.json`` while the files arrive, so that their list is never held whole."""
    head = {
        "ref": str(snapshot.ref),
        "version": snapshot.version,
        "manifest": snapshot.commit.manifest,
        "format": format_name,
    }
    report = PullReport(files=0, bytes=0, kept=0)
    with tree.written(RECEIPT) as path, path.open("w", encoding="utf-8") as receipt:
        receipt.write(json.dumps(head, indent=1).removesuffix("\n}") + ',\n "files": {')
        for item in placed:
            entry = json.dumps({"size": item.file.size, "sha256": item.file.sha256})
            receipt.write(f"{',' if report.files else ''}\n  {json.dumps(item.file.path)}: {entry}")
            report = PullReport(
                report.files + 1,
                report.bytes + item.file.size,
                report.kept + item.kept,
                report.cached + item.cached,
            )
            on_progress(report)
        receipt.write("\n }\n}\n")
    return report
