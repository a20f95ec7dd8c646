"""Parquet tables of a store, by whoever may write to the bucket: other columns, types and values, and other bytes."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from labelsnap.buckets.base import BasePart
from labelsnap.buckets.reading import read_earlier
from labelsnap.buckets.source import BucketSource
from labelsnap.errors import LabelsnapError
from labelsnap.records.choices.classes import ClassRegistry
from labelsnap.records.choices.selection import EVERYTHING
from labelsnap.records.choices.splits import SPLITS
from labelsnap.snapshots import latest
from labelsnap.snapshots.checking.gate import inspect
from labelsnap.snapshots.tables.bucket_tables import CLASSES_PATH, read_classes
from tests.fuzz.mutation import bytes_mutator, damaged_value
from tests.fuzz.reading import Readers
from tests.fuzz.stores import changed, golden, store_of
from tests.fuzz.target import MEBIBYTE, Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.contracts.memory_store import MemoryStore
    from tests.fuzz.target import Run

STORE = "fixed-lists"
TOKENS = (b"PAR1", b"\x15\x00", b"\x19\x1c", b"schema", b"ARROW:schema", b"data_row_id", b"\xff\xff\xff\x7f")
TYPES = (pa.int8(), pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.bool_(), pa.null(), pa.timestamp("us"))
TYPES += (pa.list_(pa.string()), pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.decimal128(38))


def seeds() -> dict[str, bytes]:
    """Every object of a golden store that has tables and images."""
    return {key: body for key, body in golden(STORE).items() if key.startswith("data/")}


def mutate(generator: Random, body: bytes, others: Sequence[bytes]) -> bytes:
    """Damage a table's columns or values and write it anew, or damage its bytes."""
    if body.startswith(b"PAR1") and generator.random() < 0.75:
        table = parquet.read_table(io.BytesIO(body))
        try:
            return _written(_damaged(generator, table))
        except (pa.ArrowException, TypeError, ValueError, OverflowError, RecursionError):
            pass  # no such table can be written
    return bytes_mutator(TOKENS)(generator, body, others)


def _damaged(generator: Random, table: pa.Table) -> pa.Table:
    for _ in range(generator.choice((1, 1, 2, 3))):
        index = generator.randrange(table.num_columns)
        field = table.schema.field(index)
        match generator.randrange(7):
            case 0:
                table = table.remove_column(index)
            case 1:
                table = table.append_column(field.name, table.column(index))
            case 2:
                kind = generator.choice(TYPES)
                table = table.set_column(index, field.name, pa.nulls(len(table), kind))
            case 3:
                kind = generator.choice(TYPES)
                table = table.set_column(index, field.name, table.column(index).cast(kind))
            case 4:
                table = pa.concat_tables([table] * generator.choice((2, 3))) if len(table) else table
            case 5:
                table = table.slice(generator.randrange(len(table) + 1))
            case _:
                values = _plain(table.column(index).to_pylist())
                table = table.set_column(index, field.name, _column(damaged_value(generator, values), field.type))
    return table


def _plain(values: list[Any]) -> list[Any]:
    """A column's values as JSON has them."""
    return [
        dict(each) if isinstance(each, list) and each and isinstance(each[0], tuple) else each for each in values
    ] or [None]


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    """A column of values: in its own type where they have that, else in any."""
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.array(values)


def _written(table: pa.Table) -> bytes:
    target = io.BytesIO()
    parquet.write_table(table, target, compression="zstd")
    return target.getvalue()


def prepare(folder: Path) -> Run:
    """Read a store with such a table by everything that reads one, a refresh that builds on it included."""
    readers = Readers(folder)

    def run(label: str, body: bytes) -> str:
        store = store_of(changed(STORE, label, body))
        outcome = readers.read(store, (1,))
        return outcome if outcome != "read" else _built_upon(store, folder)

    return run


def _built_upon(store: MemoryStore, folder: Path) -> str:
    """What a refresh reads of the version before, and what it reads back of its own."""
    snapshot = latest(store)
    assert snapshot is not None
    manifest = snapshot.manifest
    try:
        inspect(store, manifest, None, {}, {"coco": EVERYTHING.of(ClassRegistry())})
        if (file := manifest.file(CLASSES_PATH)) is not None:
            read_classes(store, file)
        with TemporaryDirectory(dir=folder) as own:
            source = BucketSource(store, manifest.files, Path(own))
            records = [row.sample.record for split in SPLITS for row in source.rows(split)]
        for alike in (True, False):
            read_earlier(store, BasePart(manifest.files, manifest.packs, alike)).standing(records)
    except LabelsnapError as error:
        return error.code
    return "read"


TARGET = Target("store_tables", seeds, prepare, mutate, budget=192 * MEBIBYTE)
