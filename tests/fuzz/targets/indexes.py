"""What a version tells of its buckets (indexes, and what tables come to), by whoever may write to the bucket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from msgspec.structs import replace

from labelsnap.buckets.base import BasePart
from labelsnap.buckets.parts.index import PARTS
from labelsnap.errors import LabelsnapError
from labelsnap.records.choices.splits import SPLITS
from labelsnap.snapshots.manifest import digest
from labelsnap.storage import open_store
from tests.buckets.converting import SHAPES, Converting, Row
from tests.buckets.test_bucket_build import build, odd, row
from tests.fuzz.mutation import bytes_mutator, json_mutator
from tests.fuzz.target import MEBIBYTE, Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from labelsnap.buckets.receipt import BucketReceipt
    from labelsnap.snapshots.manifest import File
    from tests.buckets.converting import Version
    from tests.fuzz.target import Run

FORMATS = {"coco": {}, "yolo": {"task": "segment"}}
LINES = [row("row-a", labels=2), odd("row-b"), row("row-c", skipped=True), b"{"]
TOKENS = (b'"format":', b'"split":', b'"lists":', b'"packs":', b'"rows":', b'"tally":', b'"census":', b"null", b"\n")
_ITEMS = json_mutator(TOKENS)
_BYTES = bytes_mutator((b"\x28\xb5\x2f\xfd", b"\xff\xff\xff\x7f"))


@dataclass(frozen=True)
class Standing:
    """A version of formats, and a bucket of rows, that a refresh builds upon."""

    converting: Converting
    version: Version
    folder: Path
    bucket: BucketReceipt

    @classmethod
    def of(cls, folder: Path) -> Standing:
        """Make them in a folder."""
        converting = Converting(folder / "formats", FORMATS)
        version = converting.convert(_rows())
        return cls(converting, version, folder / "rows", build(LINES, _made(folder / "rows")))

    def told(self) -> dict[str, tuple[File, Any]]:
        """What tells of buckets, with its store, by path."""
        of_rows = open_store((self.folder / "store").as_uri())
        found = {file.path: (file, self.converting.store) for file in self.version.manifest.below(PARTS)}
        return found | {file.path: (file, of_rows) for file in self.bucket.files if file.path.startswith(PARTS)}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _rows(**others: Row) -> dict[str, Row]:
    return {f"row{number:02}": Row(number % len(SHAPES), SPLITS[number % 5 % 3]) for number in range(8)} | others


def seeds() -> dict[str, bytes]:
    """Both kinds, of a few rows."""
    with TemporaryDirectory() as folder:
        return {path: store.get(file.key) for path, (file, store) in Standing.of(Path(folder)).told().items()}


def mutate(generator: Random, body: bytes, others: Sequence[bytes]) -> bytes:
    """Damage values of one line and pack it again, or damage the packed bytes."""
    if generator.random() < 0.2:
        return _BYTES(generator, body, others)
    with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
        lines = stream.read().splitlines()
    at = generator.randrange(len(lines))
    lines[at] = _ITEMS(generator, lines[at], lines)
    packed: bytes = pa.compress(b"".join(line + b"\n" for line in lines), codec="zstd", asbytes=True)
    return packed


def prepare(folder: Path) -> Run:
    """Refresh upon it: formats of rows of which one changed, and rows that are as they were."""
    standing = Standing.of(folder)
    told = standing.told()

    def run(label: str, body: bytes) -> str:
        file, store = told[label]
        changed = replace(file, key=f"{file.key}-changed", size=len(body), sha256=digest(body))
        store.put(changed.key, body)
        try:
            if file in standing.bucket.files:
                files = tuple(changed if each is file else each for each in standing.bucket.files)
                build(LINES, standing.folder, base=BasePart(files, standing.bucket.packs, alike=True))
            else:
                manifest = standing.version.manifest
                files = tuple(changed if each is file else each for each in manifest.files)
                upon = standing.version._replace(manifest=replace(manifest, files=files))
                standing.converting.convert(_rows(row03=Row(1, "train")), upon)
        except LabelsnapError as error:
            str(error)
            return error.code
        return "read"

    return run


TARGET = Target("indexes", seeds, prepare, mutate, budget=192 * MEBIBYTE)
