"""``labelsnap pull``: the plain tree of one format, from a snapshot."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from msgspec import structs

from labelsnap.errors import ConfigurationError
from labelsnap.snapshots.manifest import File
from labelsnap.snapshots.reading.chunks import chunk_blocks
from labelsnap.snapshots.reading.content import download_file
from labelsnap.snapshots.reading.pulled import RECEIPT, pulling
from labelsnap.snapshots.reading.tree import Placed, Tree, open_tree
from labelsnap.snapshots.tables.images import AT_ONCE, IMAGES, packed_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.snapshots.reading.pulled import Pulled
    from labelsnap.snapshots.reading.read import Snapshot
    from labelsnap.storage import ObjectStore

    Layout = Callable[[str, str], str | None]

FORMATS: Final = "formats/"
TABLES: Final = "tables/"
RAW: Final = "raw/"
REPORT: Final = "report.html"
_PARALLEL: Final = 16
_PROBLEMS: Final = "raw/problems.ndjson"
_NOT_LAID_OUT: Final = "tables/left/"  # rows that are not in the snapshot
_STREAMS: Final = {"export.ndjson": "raw/result-", "errors.ndjson": "raw/errors-"}


@dataclass(frozen=True, slots=True)
class PullReport:
    """What lies in the folder now; ``kept`` files were there already, ``cached`` ones came from the cache.

    ``removed`` are files of earlier pulls that the tree does not have; of those, ``changed`` ones are not as they were
    written, and stay. ``mended`` ones were not either, and are again: the tree has them.
    """

    files: int
    bytes: int
    kept: int
    cached: int = 0
    removed: int = 0
    changed: int = 0
    mended: int = 0


def pull(
    store: ObjectStore,
    snapshot: Snapshot,
    format_name: str,
    directory: Path,
    *,
    layout: Layout | None = None,
    cache: Path | None = None,
    overwrite: bool = False,
    on_progress: Callable[[PullReport], None] = lambda _: None,
) -> PullReport:
    """Lay out a format's files, and the images where ``layout(split, file_name)`` says (None: nowhere).

    Every file is checked against its hash; one that is there already is kept, so an interrupted pull goes on where
    it stopped. With ``cache`` (see ``cache.py``) what was pulled before is linked from that folder, and what is read is
    kept there. What earlier pulls put there and this one does not is removed; other files stay, as do those that were
    changed since, and only with ``overwrite`` one is replaced by another. ``snapshot.json`` comes last. Raises
    ConfigurationError for a format that the snapshot does not hold, and StorageRefusedError for a damaged object,
    named, a path that leads out of the folder, a file that would be replaced, or while another pull uses the folder.
    """
    check_held(snapshot.manifest, format_name)
    with (
        pulling(directory, overwrite=overwrite) as pulled,
        open_tree(store, directory, cache, pulled) as tree,
        ThreadPoolExecutor(_PARALLEL) as pool,
    ):
        placed = _placed(tree, pulled, snapshot.manifest, format_name, layout, pool=pool)
        return _write_receipt(tree, pulled, snapshot, format_name, placed, on_progress=on_progress)


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
    tree: Tree, pulled: Pulled, manifest: Manifest, format_name: str, layout: Layout | None, *, pool: Executor
) -> Iterator[Placed]:
    folders = [f"{FORMATS}{format_name}/", *([TABLES] if format_name == "parquet" else [])]
    for folder in folders:
        files = (file for file in manifest.below(folder) if not file.path.startswith(_NOT_LAID_OUT))
        yield from tree.place([_moved(file, folder) for file in files], pool)
    if format_name == "raw":
        for target, prefix in _STREAMS.items():
            yield _concatenated(tree, pulled, manifest.below(prefix), target)
        yield from tree.place([_moved(file, RAW) for file in manifest.below(_PROBLEMS)], pool)
    yield from tree.place(manifest.below(REPORT), pool)
    if layout is not None:
        tables = manifest.below(IMAGES)
        for start in range(0, len(tables), _PARALLEL):
            with ExitStack() as stack:
                paths = [stack.enter_context(tree.scratch()) for _ in tables[start : start + _PARALLEL]]
                list(pool.map(partial(download_file, tree.store), tables[start : start + _PARALLEL], paths))
                images = chain.from_iterable(packed_images(path, layout) for path in paths)
                while held := list(islice(images, AT_ONCE)):
                    yield from tree.place(held, pool)


def _moved(file: File, folder: str) -> File:
    return structs.replace(file, path=file.path.removeprefix(folder))


def _concatenated(tree: Tree, pulled: Pulled, chunks: Iterable[File], target: str) -> Placed:
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
        file = File(target, "", size, sha256.hexdigest())
        pulled.claim([file])
        pulled.expect([file])
    return Placed(file)


def _write_receipt(
    tree: Tree,
    pulled: Pulled,
    snapshot: Snapshot,
    format_name: str,
    placed: Iterable[Placed],
    *,
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
        removed, changed = pulled.finish()
    return replace(report, removed=removed, changed=changed, mended=pulled.mended)
