"""Whether a file reads as what its name says, and what it counts: by code that shares nothing with what wrote it.

Files are read as streams, so that memory does not grow with them.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from labelsnap.errors import StorageRefusedError
from labelsnap.images.files import UNREADABLE
from labelsnap.memory import Turns, give_back
from labelsnap.snapshots.checking.documents import check_json
from labelsnap.snapshots.checking.extents import OutlineError, mask_extents
from labelsnap.snapshots.manifest import NOT_SUCH_JSON
from labelsnap.snapshots.tables.parquet_files import batches, is_machines, reader_too_old
from labelsnap.snapshots.tables.table_columns import MISREAD
from labelsnap.storage.compression import decompressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

Image.MAX_IMAGE_PIXELS = None  # nothing but headers is decoded here
_TURNS: Final = Turns(os.cpu_count() or 1)
"""Those in which tables are decoded: a batch unpacks to a hundred times what is read of the store for it."""
LARGE: Final = 32 << 20
_LARGE_TURNS: Final = Turns(1)
"""Those of files of so many bytes, which wait for one of the others then: such a file has images, and groups of rows
that take several times theirs."""
_TABLES: Final = "tables/"
_HEADER_BYTES: Final = 1 << 20  # of one header of a tar: names have 1024 at most
_LENGTHS: Final = (("mask", "bounding_box", 4), ("mask_reference", "color_rgb", 3))
"""Columns of structs with a list in them, and how long that is where it is not null."""


OnBatch: TypeAlias = "Callable[[str, pa.RecordBatch], None]"
"""What is done with a batch of a table, known by its name."""


class UndecodableError(ValueError):
    """A file is not what its name says (``expected``); the text says how it is not."""

    def __init__(self, found: str, *, expected: str = "a file that can be read") -> None:
        super().__init__(found)
        self.expected = expected


def passed_over(_table: str, _batch: pa.RecordBatch) -> None:
    """Do nothing with a batch."""


def decode_file(path: Path, name: str, on_batch: OnBatch = passed_over) -> Counter[str]:
    """Read a snapshot's file, known by its logical path ``name``, from end to end, and count what a table holds.

    Counts are keyed like a refresh's result: ``rows``, ``labels``, ``annotations.mask``, ``predictions.polygon``;
    ``images`` and ``left`` are the rows of these tables. Other files than tables count nothing. ``on_batch`` is given
    each batch of a table that is sound so far, with the table's name. Raises UndecodableError, and ReaderTooOldError
    where a table may well be sound; what is the machine's fault, such as a full disk, is raised as it is.
    """
    readers: tuple[tuple[str, Callable[[Path, str], Counter[str]]], ...] = (
        (".parquet", partial(_parquet, on_batch)),
        (".ndjson.zst", _compressed),
        (".ndjson", _lines),
        (".json", _json),
        (".tar", _tar),
        (".png", _picture),
        (".jpg", _picture),
    )
    for suffix, read in readers:
        if name.endswith(suffix):
            try:
                return read(path, name)
            except UndecodableError:
                raise
            except pa.ArrowNotImplementedError as error:
                raise reader_too_old(name, error) from error
            except StorageRefusedError as error:
                raise UndecodableError(error.message) from error
            except (OSError, *MISREAD, tarfile.TarError, *NOT_SUCH_JSON) as error:
                if is_machines(error):
                    raise
                raise UndecodableError(f"{suffix} that cannot be read: {error}") from error
    return Counter()


def image_size(file: BinaryIO) -> tuple[int, int]:
    """Return (width, height) in pixels from an image's header. Raises UndecodableError."""
    try:
        with Image.open(file) as image:
            return image.size
    except UNREADABLE as error:
        raise UndecodableError(f"an image whose header cannot be read ({type(error).__name__})") from error


def stated_extents(masks: pa.StructArray) -> NDArray[np.int64]:
    """Return the extents (n × 5) that a column of masks states beside the runs, of those that are not null."""
    areas, boxes = (pc.struct_field(masks, name).filter(masks.is_valid()) for name in ("area", "bounding_box"))
    return np.column_stack([areas.to_numpy(), boxes.flatten().to_numpy().reshape(-1, 4)])


def _parquet(on_batch: OnBatch, path: Path, name: str) -> Counter[str]:
    if path.stat().st_size < LARGE:
        with _TURNS.one():
            return _counted(on_batch, path, name)
    with _LARGE_TURNS.one(), _TURNS.one():
        try:
            return _counted(on_batch, path, name)
        finally:
            give_back()


def _counted(on_batch: OnBatch, path: Path, name: str) -> Counter[str]:
    table = name.removeprefix(_TABLES).partition("/")[0] if name.startswith(_TABLES) else ""
    counts: Counter[str] = Counter()
    for batch in batches(path, name):
        match table:
            case "data_rows":
                counts["rows"] += len(batch)
            case "images" | "left":
                counts[table] += len(batch)
            case "labels":
                counts["labels"] += batch.column("origin").to_pylist().count("label")
            case "annotations" | "predictions":
                counts.update(f"{table}.{kind}" for kind in batch.column("kind").to_pylist())
                _check_lengths(batch)
                _check_masks(batch)
            case "source_annotations" | "source_predictions":
                _check_lengths(batch)
                _check_masks(batch)
            case "classifications":
                counts.update(_of_origin(batch, batch.column("kind").to_pylist()))
            case "relationships":
                counts.update(_of_origin(batch, ["relationship"] * len(batch)))
        on_batch(table, batch)
    return counts


def _of_origin(batch: pa.RecordBatch, kinds: Iterable[str]) -> Iterator[str]:
    origins = {"label": "annotations", "prediction": "predictions"}
    for origin, kind in zip(batch.column("origin").to_pylist(), kinds, strict=True):
        yield f"{origins[origin]}.{kind}"


def _check_lengths(batch: pa.RecordBatch) -> None:
    """Raise UndecodableError where a list that stands for a box or a colour has another length."""
    for column, name, length in _LENGTHS:
        lengths = pc.list_value_length(pc.struct_field(batch.column(column).drop_null(), name)).drop_null()
        if not pc.all(pc.equal(lengths, length), min_count=0).as_py():
            raise UndecodableError(f"a {name} of {column} that has not {length} values")


def _check_masks(batch: pa.RecordBatch) -> None:
    """Decode every mask's runs, and compare the area and box beside them."""
    masks = batch.column("mask").drop_null()
    if not len(masks):
        return
    stated, found = stated_extents(masks), _extents_of_masks(masks)
    for index in np.flatnonzero((stated != found).any(axis=1))[:1].tolist():
        (one, *box), (other, *tight) = stated[index].tolist(), found[index].tolist()
        feature = batch.column("feature_id").filter(batch.column("mask").is_valid())[index]
        raise UndecodableError(f"{feature} states area {one} and box {box}, its mask has area {other} and box {tight}")


def _extents_of_masks(masks: pa.StructArray) -> NDArray[np.int64]:
    """Return the extents (n × 5) of a column of masks without nulls. Raises UndecodableError."""
    counts = [each.encode() for each in pc.struct_field(masks, "counts").to_pylist()]
    heights, widths = (pc.struct_field(masks, name).to_numpy() for name in ("height", "width"))
    try:
        return mask_extents(counts, heights, widths)
    except OutlineError as error:
        raise UndecodableError(str(error)) from error


def _compressed(path: Path, name: str) -> Counter[str]:
    for _block in decompressed(path, name):
        pass
    return Counter()


def _lines(path: Path, _: str) -> Counter[str]:
    with path.open("rb") as lines:
        for line in lines:
            msgspec.json.decode(line, type=msgspec.Raw)
    return Counter()


def _json(path: Path, _: str) -> Counter[str]:
    check_json(path)
    return Counter()


class _Headers(io.FileIO):
    """A tar of which headers alone are read, by as many bytes as they say: no more than any has."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read so many bytes. Raises UndecodableError."""
        if size is None or not 0 <= size <= _HEADER_BYTES:
            raise UndecodableError(f".tar with a header of {size} bytes")
        return super().read(size) or b""


def _tar(path: Path, _: str) -> Counter[str]:
    with _Headers(path) as headers, tarfile.open(fileobj=headers, mode="r:") as tar:
        while (member := tar.next()) is not None:
            if member.size < 0:  # what follows would be what was read
                raise UndecodableError(f".tar with a member of {member.size} bytes")
            tar.members = []  # type: ignore[attr-defined]  # they are not held
    return Counter()


def _picture(path: Path, _: str) -> Counter[str]:
    with path.open("rb") as file:
        image_size(file)
    return Counter()
