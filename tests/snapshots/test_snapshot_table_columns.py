"""Tables by whoever may write to the bucket, every digest right: columns are looked at before their values."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from pyarrow import parquet

from labelsnap.buckets.base import BasePart
from labelsnap.buckets.given import read_given
from labelsnap.buckets.reading import NOTHING, read_earlier
from labelsnap.buckets.receipt import BucketInput
from labelsnap.buckets.source import BucketSource
from labelsnap.errors import StorageRefusedError
from labelsnap.records.tables.schema import ANNOTATIONS, CLASSES
from labelsnap.snapshots import latest
from labelsnap.snapshots.checking.verify import verify
from labelsnap.snapshots.reading.diff import diff
from labelsnap.snapshots.tables.bucket_tables import CLASSES_PATH, read_classes
from labelsnap.snapshots.tables.parquet_files import read_whole
from tasks.parts import standing_rows
from tasks.settle import classes_behind, problem_lines
from tests.fuzz.stores import changed, golden, store_of

STORE = "fixed-lists"


def without(name):
    """Take a column away."""
    return lambda table: table.drop_columns([name])


def twice(name):
    """Add a column of a name that is there."""
    return lambda table: table.append_column(name, table[name])


def as_numbers(name):
    """Give a column another type."""
    index = {"origin": 1, "name": 2}[name]
    return lambda table: table.set_column(index, name, pa.array(range(len(table))))


def empty(name):
    """Let a column be null."""
    return lambda table: table.set_column(
        table.schema.get_field_index(name), name, pa.nulls(len(table), table[name].type)
    )


def hostile(folder, change):
    """A store with one table changed, in the types of today, and its newest version."""
    objects = golden(STORE)
    key = next(key for key in objects if key.startswith(f"data/tables/{folder}/"))
    target = io.BytesIO()
    parquet.write_table(change(read_whole(objects[key], key.removeprefix("data/"))), target)
    store = store_of(changed(STORE, key, target.getvalue()))
    return store, latest(store).manifest


@pytest.mark.parametrize("change", [without, twice, as_numbers, empty])
def test_a_table_of_other_columns_is_damaged_to_whoever_reads_it(change, tmp_path):
    """Comparing it and building upon it are refused; nobody sees a KeyError."""
    store, manifest = hostile("annotations", change("origin"))
    sound = store_of(golden(STORE))
    records = [each.sample.record for each in BucketSource(sound, latest(sound).manifest.files, tmp_path).rows("train")]
    empty_one = latest(store_of(golden("format-1"))).manifest
    with pytest.raises(StorageRefusedError) as compared:
        diff(store, manifest, empty_one)
    with pytest.raises(StorageRefusedError) as built:
        read_earlier(store, BasePart(manifest.files, manifest.packs, alike=True)).standing(records)
    assert {compared.value.code, built.value.code} == {"object_damaged"}


@pytest.mark.parametrize("change", [without, twice, as_numbers, empty])
def test_verifying_tells_a_table_of_other_columns(change):
    """By its key, though nothing counts this column."""
    store, _ = hostile("annotations", change("origin"))
    (fault,) = verify(store).faults
    assert (fault.damage, fault.key.rpartition("/")[0]) == ("content", "data/tables/annotations")


@pytest.mark.parametrize(
    ("change", "column"), [(without, "merged"), (twice, "name"), (as_numbers, "name"), (empty, "kinds")]
)
def test_a_table_of_classes_of_other_columns_is_damaged(change, column):
    """What a refresh takes class ids from is refused by name."""
    store, manifest = hostile("classes", change(column))
    with pytest.raises(StorageRefusedError) as caught:
        read_classes(store, manifest.file(CLASSES_PATH))
    assert caught.value.code == "object_damaged"


def test_columns_of_later_versions_are_let_be():
    """A table may have columns that this labelsnap does not know."""
    store, manifest = hostile("classes", lambda table: table.append_column("later", table["name"]))
    assert read_classes(store, manifest.file(CLASSES_PATH)).classes
    assert "later" not in CLASSES.names + ANNOTATIONS.names


def test_a_column_whose_name_is_no_text_is_damage():
    """A byte of a name in the footer is no UTF-8; the bytes are those that the manifest tells."""
    objects = golden(STORE)
    key = next(key for key in objects if key.startswith("data/tables/classes/"))
    store = store_of(changed(STORE, key, objects[key].replace(b"unique_name", b"unique\xffname")))
    with pytest.raises(StorageRefusedError) as caught:
        read_classes(store, latest(store).manifest.file(CLASSES_PATH))
    assert caught.value.code == "object_damaged"


def test_tables_without_arrows_own_schema_are_as_sound():
    """Parquet's types are the format's; what Arrow writes beside them is not."""
    for key, body in golden(STORE).items():
        if key.startswith("data/tables/"):
            target, path = io.BytesIO(), key.removeprefix("data/")
            table = read_whole(body, path)
            parquet.write_table(table, target, store_schema=False)
            assert read_whole(target.getvalue(), path) == table


READERS = {
    "classes behind": ("classes", "merged", lambda store, found, _: classes_behind(store, (found.commit.manifest,))),
    "given splits": (
        "data_rows", "split",
        lambda store, found, _: read_given(
            store, BucketInput(0, 1, "", 0, behind=found.manifest.below("tables/data_rows/")), NOTHING
        ),
    ),
    "standing rows": (
        "data_rows", "global_key",
        lambda store, found, _: standing_rows(store, found.manifest, {"global_keys": ["a"]}),
    ),
    "kinds": (
        "annotations", "kind",
        lambda store, found, folder: list(BucketSource(store, found.manifest.files, folder).kinds("train")),
    ),
    "samples": (
        "data_rows", "file_name",
        lambda store, found, folder: list(BucketSource(store, found.manifest.files, folder).rows("train")),
    ),
    "problems": (
        "problems", "code",
        lambda store, found, _: list(problem_lines(store, found.manifest.files)),
    ),
}  # fmt: skip
"""Who reads a table outside of comparing and building upon it: the table, a column of it, and how."""


@pytest.mark.parametrize("reader", READERS)
def test_a_column_that_is_missing_is_damage_to_every_reader(reader, tmp_path):
    """The table is named; nobody sees a KeyError, and verifying tells it too."""
    folder, column, read = READERS[reader]
    store, _ = hostile(folder, without(column))
    with pytest.raises(StorageRefusedError, match=f"tables/{folder}/.*{column}") as refused:
        read(store, latest(store), tmp_path)
    assert refused.value.code == "object_damaged"
    assert [fault.key.split("/")[2] for fault in verify(store).faults] == [folder]


@pytest.mark.parametrize("reader", ["given splits", "kinds", "samples"])
def test_a_text_that_is_no_unicode_is_damage_to_every_reader(reader, tmp_path):
    """Parquet does not look at the bytes of a text; whoever makes text of them does."""
    folder, _, read = READERS[reader]

    def broken(table):
        texts = pa.array([b"\xff"] * len(table), pa.binary()).view(pa.string())
        return table.set_column(table.schema.get_field_index("data_row_id"), table.schema.field("data_row_id"), texts)

    store, _ = hostile(folder, broken)
    with pytest.raises(StorageRefusedError) as refused:
        read(store, latest(store), tmp_path)
    assert refused.value.code == "object_damaged"


def test_a_bucket_without_one_of_its_tables_is_damage(tmp_path):
    """A manifest may leave a table out; whoever looks for it names that."""
    store = store_of(golden(STORE))
    files = [file for file in latest(store).manifest.files if "tables/data_rows/" not in file.path]
    with pytest.raises(StorageRefusedError) as refused:
        list(BucketSource(store, files, tmp_path).rows("train"))
    assert refused.value.code == "object_damaged"


@pytest.mark.parametrize("name", ["labels_excluded", "mask_rule", "orientation", "turned", "text_replaced"])
def test_a_column_that_tables_did_not_always_have_may_be_missing(name, tmp_path):
    """Versions that earlier labelsnaps wrote are read."""
    store, manifest = hostile("data_rows", without(name))
    assert list(BucketSource(store, manifest.files, tmp_path).rows("train"))
    assert not verify(store).faults
