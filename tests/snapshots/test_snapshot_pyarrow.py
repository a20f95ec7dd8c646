"""Whatever pyarrow is installed: new tables and earlier ones are read, and what it does not read is never damage."""

from __future__ import annotations

import base64
import errno
import io
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from sample_snapshot import publish_samples

from flows.commands.reports import describe_verification, verification_error
from labelsnap.buckets.base import BasePart
from labelsnap.errors import ReaderTooOldError, StorageError, StorageRefusedError
from labelsnap.formats.interface import Shard, written
from labelsnap.formats.registry import format_of
from labelsnap.formats.shared.groups.row_groups import RowGroups
from labelsnap.records.tables.schema import CLASSES, LEFT, PROBLEMS, SCHEMAS
from labelsnap.records.tables.tables import joined, rows_of
from labelsnap.snapshots import IMAGES_SCHEMA, read_snapshot
from labelsnap.snapshots.checking.decoding import UndecodableError, decode_file
from labelsnap.snapshots.checking.verify import verify
from labelsnap.snapshots.tables.bucket_tables import bucket_files, read_table
from labelsnap.storage import open_store
from tests.formats.format_samples import every_kind, samples_of
from tests.golden import remake_fixed_lists as earlier

GOLDEN = Path(__file__).parents[1] / "golden" / "fixed-lists"
LATER = "converted_from"
"""The column of ``data_rows`` that the golden version does not have."""
ANNOTATIONS = "tables/annotations/bucket-00000-of-00001.parquet"


@pytest.fixture
def golden(tmp_path):
    """A store over a copy of the version whose tables have lists of a fixed length."""
    shutil.copytree(GOLDEN, tmp_path / "fixed-lists")
    return open_store((tmp_path / "fixed-lists").as_uri())


@pytest.fixture
def sound(folder_store):
    """A store with a version of today."""
    source = every_kind()
    publish_samples(folder_store, [*samples_of(source, "train"), *samples_of(source, "val")], classes=source.registry)
    return folder_store


def tables_of(store, files):
    """The tables of the one bucket among some files."""
    (found,) = bucket_files(files).values()
    return {name: read_table(store, found[name]) for name in SCHEMAS}


def types_within(kind):
    """A type and all that are nested in it."""
    yield kind
    for place in range(kind.num_fields):
        yield from types_within(kind.field(place).type)


def has_fixed_lists(schema):
    """Whether a list of a fixed length is anywhere in a column."""
    return any(pa.types.is_fixed_size_list(kind) for each in schema.types for kind in types_within(each))


@pytest.mark.parametrize("schema", [*SCHEMAS.values(), CLASSES, LEFT, PROBLEMS, IMAGES_SCHEMA])
def test_no_table_has_lists_of_a_fixed_length(schema):
    """No pyarrow before 26 reads one that is null, or is in a struct that is null."""
    assert not has_fixed_lists(schema)


def test_a_version_of_today_is_read(sound):
    """By the pyarrow that is installed: tables with masks, boxes, points and nulls beside them."""
    outcome = verify(sound)
    assert (outcome.faults, outcome.unread) == ((), ())
    tables = tables_of(sound, read_snapshot(sound).manifest.files)
    assert {"mask", "bounding_box", "polygon", "point"} <= set(tables["annotations"]["kind"].to_pylist())
    assert {name: table.schema for name, table in tables.items()} == SCHEMAS


@pytest.mark.parametrize("layout", ["parquet", "imagefolder"])
def test_hugging_face_tables_are_read(layout):
    """Their lists of a fixed length are never null."""
    source = every_kind()
    for artifact in written(format_of("huggingface", {"layout": layout}), source, "train"):
        found = parquet.read_table(io.BytesIO(b"".join(artifact.chunks)))
        boxes = [box for row in found["objects"].to_pylist() for box in row["bbox"]]
        assert boxes
        assert {len(box) for box in boxes} == {4}


def test_an_earlier_version_is_whole(golden):
    """Its tables are read in the types of today, and can be put together with new ones."""
    outcome = verify(golden)
    assert (outcome.objects, outcome.faults, outcome.unread) == (18, (), ())
    tables = tables_of(golden, read_snapshot(golden).manifest.files)
    of_today = {name: schema.empty_table() for name, schema in SCHEMAS.items()}
    of_today["data_rows"] = of_today["data_rows"].drop_columns(LATER)
    assert {name: table.schema for name, table in tables.items()} == {
        name: table.schema for name, table in of_today.items()
    }
    masks = [row["mask"] and row["mask"]["bounding_box"] for row in tables["annotations"].to_pylist()]
    assert masks == [None, list(earlier.TREE), list(earlier.TREE)]
    halves = [rows_of(tables, rows) for rows in (earlier.ROWS[:2], earlier.ROWS[2:])]
    assert joined(*halves) == tables


def test_an_earlier_version_is_built_upon(golden):
    """No image and no mask is asked for again; what is written says the same, in the types of today."""
    manifest = read_snapshot(golden).manifest
    given = earlier.Given()
    receipt = earlier.build(golden.root, given, BasePart(manifest.files, manifest.packs))
    assert (given.asked, receipt.tally.published, receipt.tally.reused_rows) == ([], 4, 4)
    made = {file.path: file for file in receipt.files}[ANNOTATIONS]
    schema = parquet.read_schema(golden.root / made.key)
    assert schema == SCHEMAS["annotations"] != parquet.read_schema(golden.root / manifest.file(ANNOTATIONS).key)
    tables = tables_of(golden, receipt.files)
    assert tables["data_rows"][LATER].null_count == len(earlier.ROWS)
    tables["data_rows"] = tables["data_rows"].drop_columns(LATER)
    assert tables == tables_of(golden, manifest.files)


def failing(monkeypatch, error, at=lambda schema: "z_order" in schema.names):
    """Let pyarrow fail at tables whose schema is so, once it has understood their footer: at the annotations."""

    class Failing(parquet.ParquetFile):
        def iter_batches(self, *arguments, **options):
            if at(self.schema_arrow):
                raise error
            return super().iter_batches(*arguments, **options)

        def read(self, *arguments, **options):
            if at(self.schema_arrow):
                raise error
            return super().read(*arguments, **options)

    monkeypatch.setattr(parquet, "ParquetFile", Failing)


@pytest.mark.parametrize("table", ["annotations", "predictions"])
def test_an_earlier_table_is_read_by_a_pyarrow_that_reads_no_lists_of_a_fixed_length(golden, monkeypatch, table):
    """None is asked for: Parquet's own types have plain lists, with the same values."""
    failing(monkeypatch, pa.ArrowInvalid("Expected all lists to be of size=3"), at=has_fixed_lists)
    (file,) = (each for each in read_snapshot(golden).manifest.files if f"/{table}/" in each.path)
    assert has_fixed_lists(parquet.read_schema(golden.root / file.key))
    found = read_table(golden, file)
    assert found.schema == SCHEMAS[table]
    assert [row["mask_reference"] and row["mask_reference"]["color_rgb"] for row in found.to_pylist()] == {
        "annotations": [None, list(earlier.COLOUR), None],
        "predictions": [],
    }[table]
    assert verify(golden).unread == ()


@pytest.mark.parametrize("kind", [pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError])
def test_what_pyarrow_cannot_read_is_no_damage(sound, monkeypatch, kind):
    """Of a version with the right bytes it is said which of them were not read, by which pyarrow, and what to do."""
    failing(monkeypatch, kind("lists are beyond me"))
    outcome = verify(sound)
    assert outcome.faults == ()
    assert [(each.path, each.reason) for each in outcome.unread] == [
        (ANNOTATIONS, "lists are beyond me"),
        (ANNOTATIONS.replace("annotations", "predictions"), "lists are beyond me"),
    ]
    error = verification_error(outcome)["error"]
    assert error["code"] == "reader_too_old"
    assert pa.__version__ in error["message"]
    assert "'pyarrow>=26,<27'" in error["remedy"]
    told = describe_verification("file:///d", outcome)
    assert "lists are beyond me" in told
    assert "damaged, of" not in told
    with pytest.raises(ReaderTooOldError) as caught:
        tables_of(sound, read_snapshot(sound).manifest.files)
    assert (caught.value.code, caught.value.exit_status) == ("reader_too_old", 4)


def test_the_machine_s_faults_are_raised_as_they_are(sound, monkeypatch):
    """A full disk says nothing about an object."""
    error = OSError(errno.ENOSPC, "No space left")
    failing(monkeypatch, error)
    with pytest.raises(type(error)) as caught:
        verify(sound)
    assert caught.value is error
    with pytest.raises(type(error)):
        tables_of(sound, read_snapshot(sound).manifest.files)


def test_too_little_memory_is_told_with_the_table(sound, monkeypatch):
    """It ends a command with status 4, and says nothing of an object's bytes."""
    failing(monkeypatch, pa.ArrowMemoryError("no more"))
    for reads in (lambda: verify(sound), lambda: tables_of(sound, read_snapshot(sound).manifest.files)):
        with pytest.raises(StorageError, match="tables/") as caught:
            reads()
        assert (caught.value.code, caught.value.exit_status) == ("out_of_memory", 4)


def test_pages_that_were_written_damaged_are(sound, monkeypatch):
    """What pyarrow says of pages is an ``OSError`` without a number: that is about the bytes."""
    failing(monkeypatch, OSError("ZSTD decompression failed"))
    assert [fault.damage for fault in verify(sound).faults] == ["content", "content"]
    with pytest.raises(StorageRefusedError, match="ZSTD") as caught:
        tables_of(sound, read_snapshot(sound).manifest.files)
    assert caught.value.code == "object_damaged"


LISTS = [("mask", "bounding_box"), ("mask_reference", "color_rgb")]
LENGTHS = [[], [1, 2], [1, 2, 3, 4, 5]]


def with_list(store, column, name, values):
    """The annotations of a version with a list of other values, as plain lists."""
    rows = read_table(store, read_snapshot(store).manifest.file(ANNOTATIONS)).to_pylist()
    masks = [row for row in rows if row[column]]
    masks[0][column][name] = values
    return pa.Table.from_pylist(rows, SCHEMAS["annotations"])


@pytest.mark.parametrize(("column", "name"), LISTS)
@pytest.mark.parametrize("values", LENGTHS)
def test_a_list_of_another_length_is_damage(sound, tmp_path, column, name, values):
    """A plain list may have any length; a box has four values and a colour three."""
    parquet.write_table(with_list(sound, column, name, values), tmp_path / "changed.parquet")
    with pytest.raises(UndecodableError, match=f"{name} of {column}"):
        decode_file(tmp_path / "changed.parquet", ANNOTATIONS)


@pytest.mark.parametrize(("column", "name"), LISTS)
@pytest.mark.parametrize("values", LENGTHS)
def test_a_list_of_another_length_than_arrow_tells_is_damage(golden, tmp_path, column, name, values):
    """Of an earlier table, too: no pyarrow could read it, so that none is asked for."""
    fixed = parquet.read_schema(golden.root / read_snapshot(golden).manifest.file(ANNOTATIONS).key)
    target = tmp_path / "changed.parquet"
    with parquet.ParquetWriter(target, SCHEMAS["annotations"], store_schema=False) as writer:
        writer.write_table(with_list(golden, column, name, values))
        writer.add_key_value_metadata({"ARROW:schema": base64.b64encode(fixed.serialize())})
    assert has_fixed_lists(parquet.read_schema(target))
    with pytest.raises(UndecodableError, match=f"{name} of {column}"):
        decode_file(target, ANNOTATIONS)


def test_a_table_of_no_groups_is_read_and_none_is_written_so(tmp_path):
    """Where newer pyarrow gives no rows, 18 raises: such a shard is sound, and one that is written has a group."""
    schema = pa.schema({"data_row_id": pa.string()})
    parquet.ParquetWriter(tmp_path / "none.parquet", schema).close()
    assert parquet.ParquetFile(tmp_path / "none.parquet").num_row_groups == 0
    assert decode_file(tmp_path / "none.parquet", "formats/huggingface/data/train-00000-of-00001.parquet") == {}
    table = b"".join(RowGroups(schema).written(Shard(0, 1, lambda: iter(())), lambda _: {}))
    (tmp_path / "empty.parquet").write_bytes(table)
    assert parquet.read_table(tmp_path / "empty.parquet").num_rows == 0
