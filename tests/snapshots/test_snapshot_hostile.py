"""Whoever may write to the bucket reaches nothing of whoever reads it: manifests, tables and records that lie."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tracemalloc
from importlib import import_module

import pyarrow as pa
import pytest
from publishing import CREATED_AT, manifest_of, publish
from pyarrow import parquet

from labelsnap.errors import StorageRefusedError
from labelsnap.references import pull
from labelsnap.snapshots import IMAGES_SCHEMA, Draft, latest, list_versions, read_tag, write_tar
from labelsnap.snapshots.checking.verify import verify
from labelsnap.snapshots.keeping.epochs import check_not_condemned
from labelsnap.snapshots.reading.chunks import chunk_blocks
from labelsnap.snapshots.reading.tree import Tree
from labelsnap.snapshots.sealed import fields_of
from labelsnap.snapshots.tables import images
from labelsnap.snapshots.tables.parquet_files import read_whole

BODY = b"0.5 0.5 1 1\n"
SHA = hashlib.sha256(BODY).hexdigest()
KEY = f"data/formats/yolo/a-{SHA[:16]}.txt"
FILE = {"path": "formats/yolo/a.txt", "key": KEY, "size": len(BODY), "sha256": SHA}
RECORD = "commits/00000000000000000001.json"


def brief(change):
    """What a change is called: its beginning, and a digest of the rest."""
    return f"{str(change)[:30]} {hashlib.sha256(repr(change)[:5000].encode()).hexdigest()[:4]}"


def sealed(fields):
    """The bytes of a record with its digest, by the specification alone."""
    canonical = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
    digest = hashlib.sha256(json.dumps(fields, **canonical).encode()).hexdigest()
    return json.dumps(fields | {"digest": digest}, **canonical).encode()


def record(**fields):
    """A commit record as JSON has it."""
    standing = {"format_version": 1, "version": 1, "parent": 0, "manifest": SHA, "created_at": CREATED_AT}
    return (
        standing | {"publish_id": "run", "write_id": "0" * 32, "rows": 1, "action": "publish", "expired": []} | fields
    )


def manifest(*files, **fields):
    """A manifest as JSON has it."""
    standing = {"format_version": 1, "dataset": "street-scenes", "created_at": CREATED_AT, "config": {}}
    return standing | {"result": {"rows": {"published": 1}}, "files": list(files), "packs": []} | fields


def publish_as(store, fields):
    """Publish the JSON of a manifest as version 1, whatever it says; give its sha256."""
    body = json.dumps(fields).encode()
    sha256 = hashlib.sha256(body).hexdigest()
    store.put(KEY, BODY)
    store.put(f"manifests/{sha256}.json", body)
    store.put(RECORD, sealed(record(manifest=sha256)))
    return sha256


def refusal(store, folder, format_name="yolo", **options):
    """The error of a pull, which ends a command with status 4."""
    with pytest.raises(StorageRefusedError) as refused:
        pull(f"{store.url}@1", format_name, folder, **options)
    return refused.value


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "{victim}"}, {"sha256": SHA.upper()}, {"sha256": SHA + "\n"}, {"sha256": ""},
        {"size": -1}, {"size": 1 << 62}, {"size": 10**30}, {"size": 1.5}, {"size": "1"},
        {"offset": -1}, {"offset": (1 << 63) - 1}, {"offset": 10**4000},
        {"key": "/nowhere/x"}, {"key": "data/../../x"}, {"key": "work/a"}, {"key": ""}, {"key": "data/a"},
        {"key": "", "parts": [[KEY, 0, 1]]}, {"parts": [[KEY, 0, len(BODY)]]},
        {"key": "", "parts": [[KEY, 0, 0]] * 4097, "size": 0}, {"key": "", "parts": [[KEY, -1, len(BODY)]]},
    ],
    ids=brief,
)  # fmt: skip
def test_a_file_that_cannot_be_is_the_manifests_damage(folder_store, tmp_path, change):
    """Digests, sizes, offsets, keys and parts are looked at before one of them is used: a cache clears nothing else."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    change = {name: str(victim) if value == "{victim}" else value for name, value in change.items()}
    sha256 = publish_as(folder_store, manifest(FILE | change))
    error = refusal(folder_store, tmp_path / "out", cache=tmp_path / "cache")
    assert error.code == "object_damaged"
    assert f"manifest {sha256}" in error.message
    assert victim.read_bytes() == b"mine"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "names",
    [
        ["bucket-00000-of-00000"], ["bucket-00000-of-99999999999999"], ["bucket-00000-of-00003"],
        ["bucket-00001-of-00001"], ["bucket-000000-of-00001"], ["bucket-0-of-1"], ["bucket-00000-of-33554432"],
        ["bucket-00000-of-00001", "bucket-00000-of-00002"], ["bucket-0000\u0660-of-00001"],
    ],
    ids=ascii,
)  # fmt: skip
def test_tables_of_buckets_that_cannot_be_are_the_manifests_damage(folder_store, tmp_path, names):
    """Neither counted to, nor passed over by whoever compares versions, nor built upon."""
    files = [FILE | {"path": f"tables/labels/{name}.parquet"} for name in names]
    sha256 = publish_as(folder_store, manifest(FILE, *files))
    error = refusal(folder_store, tmp_path / "out")
    assert (error.code, error.exit_status) == ("object_damaged", 4)
    assert f"manifest {sha256}" in error.message
    assert [fault.key for fault in verify(folder_store, 1).faults] == [f"manifests/{sha256}.json"]


def test_buckets_of_any_honest_number_are_read(folder_store, tmp_path):
    """One or many, and some of them without a table."""
    for number in (1, 16384):
        files = [
            FILE | {"path": f"tables/labels/bucket-{index:05}-of-{number:05}.parquet"} for index in {0, number - 1}
        ]
        publish_as(folder_store, manifest(FILE, *sorted(files, key=lambda file: file["path"])))
        assert pull(f"{folder_store.url}@1", "yolo", tmp_path / f"out-{number}")


PACK = {"key": KEY, "size": len(BODY), "sha256": SHA}


@pytest.mark.parametrize(
    ("files", "packs"),
    [
        ([FILE, FILE | {"path": "formats/yolo/b.txt", "sha256": "0" * 64}], []),
        ([FILE, FILE | {"path": "formats/yolo/b.txt", "size": 1}], []),
        ([FILE | {"size": 1}], [PACK]),
        ([FILE | {"size": 1 << 45, "offset": 0}], [PACK]),
        ([FILE | {"size": len(BODY), "offset": 1}], [PACK]),
        ([FILE | {"key": "", "parts": [[KEY, 1, len(BODY)]]}], [PACK]),
    ],
    ids=["digest", "size", "pack", "huge", "beyond", "part"],
)
def test_two_things_said_of_one_object_are_the_manifests_damage(folder_store, tmp_path, files, packs):
    """Who verifies sees what who pulls is refused, and reads no more of a pack than it has."""
    sha256 = publish_as(folder_store, manifest(*files, packs=packs))
    assert refusal(folder_store, tmp_path / "out").code == "object_damaged"
    assert [(fault.key, fault.damage) for fault in verify(folder_store, 1).faults] == [
        (f"manifests/{sha256}.json", "content")
    ]


@pytest.mark.parametrize("field", ["config", "result"])
def test_lists_of_nothing_in_a_manifest_are_not_read(folder_store, tmp_path, field):
    """They take many times their bytes: what has any form is looked at by its length first."""
    many = {"rows": {"published": 1}, "x": "@"}
    body = json.dumps(manifest(FILE, **{field: many})).replace('"@"', f"[{'[],' * (3 << 20)}[]]").encode()
    sha256 = hashlib.sha256(body).hexdigest()
    folder_store.put(KEY, BODY)
    folder_store.put(f"manifests/{sha256}.json", body)
    folder_store.put(RECORD, sealed(record(manifest=sha256)))
    error = refusal(folder_store, tmp_path / "out")
    assert (error.code, error.exit_status) == ("object_damaged", 4)
    assert sha256 in error.message


def test_a_record_longer_than_any_is_not_read(folder_store):
    """Lists of nothing in a commit record, whatever its digest."""
    publish_as(folder_store, manifest(FILE))
    folder_store.put(RECORD, sealed(record(x=[[]] * (1 << 19))))
    with pytest.raises(StorageRefusedError, match=RECORD) as refused:
        latest(folder_store)
    assert refused.value.code == "object_too_long"


def test_many_equal_images_of_a_small_table_are_refused_at_the_second(folder_store, tmp_path):
    """Whoever pulls and whoever verifies names the table, and holds none of its rows."""
    row = {"data_row_id": "a", "file_name": "a.jpg", "split": "train", "sha256": SHA, "size": len(BODY), "pack": KEY,
           "offset": 0, "width": 1, "height": 1}  # fmt: skip
    written = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist([row] * 3000, schema=IMAGES_SCHEMA), written)
    body = written.getvalue()
    sha256 = hashlib.sha256(body).hexdigest()
    key = f"data/tables/images/b-{sha256[:16]}.parquet"
    folder_store.put(key, body)
    table = {"path": "tables/images/bucket-00000-of-00001.parquet", "key": key, "size": len(body), "sha256": sha256}
    publish_as(folder_store, manifest(FILE, table, packs=[PACK]))
    assert refusal(folder_store, tmp_path / "out").code == "object_damaged"
    assert [(fault.key, fault.damage) for fault in verify(folder_store, 1).faults] == [(key, "content")]


def images_of(store, folder, count):
    """Publish so many images of one table, each of its own name in one pack."""
    members = write_tar(folder / "pack.tar", [(f"{place}.jpg", BODY) for place in range(count)])
    pack = Draft(store).add_pack("images/pack.tar", folder / "pack.tar")
    rows = [
        {"data_row_id": str(place), "file_name": f"{place}.jpg", "split": "train", "sha256": SHA, "size": len(BODY),
         "pack": pack.key, "offset": member.offset, "width": 1, "height": 1}
        for place, member in enumerate(members)
    ]  # fmt: skip
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows, IMAGES_SCHEMA), sink)
    contents = {"formats/yolo/a.txt": BODY, "tables/images/bucket-00000-of-00001.parquet": sink.getvalue()}
    publish(store, manifest_of(store, contents, packs=[pack]))


def test_more_images_than_a_bucket_can_have_are_the_tables_damage(folder_store, tmp_path, monkeypatch):
    """Each of a name of its own, of which some is kept for every one that was read."""
    monkeypatch.setattr(images, "MOST_IMAGES", 3)
    images_of(folder_store, tmp_path, 4)
    error = refusal(folder_store, tmp_path / "out")
    assert (error.code, "more than 3 images" in error.message) == ("object_damaged", True)
    assert [fault.damage for fault in verify(folder_store, 1).faults if "tables/images" in fault.key] == ["content"]


def test_images_of_a_long_table_are_pulled_a_few_at_a_time(folder_store, tmp_path, monkeypatch):
    """Whatever a table lists, no more of it than that is held."""
    images_of(folder_store, tmp_path, 5)
    held, place = [], Tree.place
    monkeypatch.setattr(import_module("labelsnap.snapshots.reading.pull"), "AT_ONCE", 2)
    monkeypatch.setattr(Tree, "place", lambda tree, files, pool: held.append(len(files)) or place(tree, files, pool))
    pull(f"{folder_store.url}@1", "yolo", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.jpg")) == [f"{at}.jpg" for at in range(5)]
    assert max(held) == 2


def test_what_an_epoch_says_beside_its_objects_is_not_read():
    """Lists of nothing in fields that nobody knows, which take thirty times their bytes once they are read."""
    body = sealed({"format_version": 1, "number": 1, "x": [[]] * (1 << 20)})
    tracemalloc.start()
    fields = fields_of(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sorted(fields) == ["format_version", "number", "x"]
    assert peak < 3 * len(body)


def long_name(size):
    """A tar whose first header announces a long name of so many bytes."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, size
    return header.tobuf(tarfile.GNU_FORMAT) + bytes(2048)


def backward():
    """A tar whose one member ends where its header begins."""
    header = bytearray(tarfile.TarInfo("a").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (-512).to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    return bytes(header[:512]) + bytes(1024)


@pytest.mark.parametrize("body", [long_name(1 << 45), long_name(2 << 20), backward()], ids=["huge", "long", "backward"])
def test_a_pack_whose_headers_no_tar_has_is_a_fault(folder_store, body):
    """Nothing is held for what a header announces, and none is read again."""
    sha256 = hashlib.sha256(body).hexdigest()
    key = f"data/packs/a-{sha256[:16]}.tar"
    folder_store.put(key, body)
    publish_as(folder_store, manifest(FILE, packs=[{"key": key, "size": len(body), "sha256": sha256}]))
    faults = [(fault.key, fault.damage) for fault in verify(folder_store, 1).faults]
    assert (key, "content") in faults


UNSAFE = [
    ".git/config", ".env", "a/.git/hooks/x", "/nowhere/x", "../x", "a/../x", "a\\b", "a\nb", "a\u202eb", "con",
    "a/NUL.txt",
    "com1.tar.gz", "lpt¹", "a.", "a ", "b./a", "c:x", "a/b:c", "git~1/config", "x" * 256,
    "a/" * 600 + "a", "a?b", "a\u200bb", "aux .txt",
]  # fmt: skip


@pytest.mark.parametrize("path", UNSAFE, ids=ascii)
def test_a_path_that_some_machine_obeys_is_refused(folder_store, tmp_path, path):
    """Hidden names, devices, streams, and what leads out of the folder: nothing is written."""
    publish_as(folder_store, manifest(FILE | {"path": f"formats/yolo/{path}"}))
    assert refusal(folder_store, tmp_path / "out", overwrite=True).code == "unsafe_path"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "paths",
    [("A.txt", "a.txt"), ("a.txt", "a.txt"), ("caf\u00e9", "cafe\u0301"), ("stra\u00dfe", "STRASSE"), ("A", "a/b")],
    ids=ascii,
)
def test_paths_that_meet_are_refused(folder_store, tmp_path, paths):
    """Where case or the form of Unicode is ignored, two files of one tree would be one."""
    publish_as(folder_store, manifest(*(FILE | {"path": f"formats/yolo/{path}"} for path in sorted(paths))))
    assert refusal(folder_store, tmp_path / "out").code == "path_clash"


@pytest.mark.parametrize(
    "path",
    ["Größe/straße.txt", "日本語/名前.txt", "a b/c-d_e.f.txt", "train/x/.class.txt", "x" * 251 + ".txt", "con-1.jpg"],
    ids=ascii,
)
def test_honest_odd_names_are_laid_out(folder_store, tmp_path, path):
    """Unicode, blanks, long names, and the one hidden name that a format writes."""
    publish_as(folder_store, manifest(FILE | {"path": f"formats/yolo/{path}"}))
    pull(f"{folder_store.url}@1", "yolo", tmp_path / "out")
    assert (tmp_path / "out" / path).read_bytes() == BODY


@pytest.mark.parametrize(
    "fields",
    [
        {"result": {"rows": []}}, {"result": {"rows": {"published": -1}}}, {"result": {"rows": {}}},
        {"result": {"formats": {"yolo": []}}}, {"result": {"formats": []}}, {"config": {"formats": ["yolo"]}},
        {"config": {"formats": {"yolo": 7}}}, {"packs": [{"key": "/nowhere/x", "size": 1, "sha256": SHA}]},
    ],
    ids=brief,
)  # fmt: skip
def test_a_result_or_configuration_that_cannot_be_is_the_manifests_damage(folder_store, tmp_path, fields):
    """What is done with either is read once, where the manifest is."""
    sha256 = publish_as(folder_store, manifest(FILE, **fields))
    error = refusal(folder_store, tmp_path / "out")
    assert (error.code, sha256 in error.message) == ("object_damaged", True)


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "{victim}"}, {"sha256": None}, {"size": -1}, {"size": None}, {"offset": -1},
        {"offset": (1 << 63) - 1}, {"pack": "/nowhere/x"}, {"pack": "data/../x"}, {"pack": "tags/x"},
        {"pack": "data/images/not-of-ours.tar"},
        {"split": "../.."}, {"split": ".git"},
        {"file_name": "../../x.jpg"}, {"file_name": ".hidden.jpg"}, {"file_name": "a\u202egpj.exe"},
    ],
    ids=brief,
)  # fmt: skip
def test_an_images_table_that_lies_reaches_nothing(folder_store, tmp_path, change):
    """Neither the reader's files, by a cache's clearing, nor another object; pull and verify name it."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    change = {name: str(victim) if value == "{victim}" else value for name, value in change.items()}
    (member,) = write_tar(tmp_path / "pack.tar", [("a", BODY)])
    pack = Draft(folder_store).add_pack("images/pack.tar", tmp_path / "pack.tar")
    row = {"data_row_id": "a", "file_name": "a.jpg", "split": "train", "sha256": SHA, "size": len(BODY)}
    row |= {"pack": pack.key, "offset": member.offset, "width": 1, "height": 1} | change
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist([row], IMAGES_SCHEMA), sink)
    contents = {"formats/yolo/a.txt": BODY, "tables/images/bucket-00000-of-00001.parquet": sink.getvalue()}
    publish(folder_store, manifest_of(folder_store, contents, packs=[pack]))
    error = refusal(folder_store, tmp_path / "out", cache=tmp_path / "cache")
    assert error.code in {"object_damaged", "unsafe_path"}
    assert ("no object's key" in error.message) == ("pack" in change)
    assert victim.read_bytes() == b"mine"
    assert verify(folder_store).faults
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["pack.tar", "victim"]


@pytest.mark.parametrize(
    "change",
    [
        {"manifest": "../../x"}, {"manifest": "0"}, {"rows": -1}, {"rows": 10**400}, {"expired": [[-1, 5]]},
        {"expired": [[1, 10**4000]]}, {"parent": -1}, {"behind": ["../x"]}, {"lost": [[1]]}, {"action": "delete"},
        {"created_at": "2024" * 50_000},
    ],
    ids=brief,
)  # fmt: skip
def test_a_commit_record_that_cannot_be_is_damage(folder_store, change):
    """Whatever its digest says, it is named by its key."""
    folder_store.put(RECORD, sealed(record(**change)))
    with pytest.raises(StorageRefusedError, match=RECORD) as refused:
        list_versions(folder_store)
    assert refused.value.code == "object_damaged"


@pytest.mark.parametrize(
    "change", [{"version": -1}, {"version": 10**400}, {"manifest": "../x"}, {"created_at": "2" * 65}], ids=brief
)
def test_a_tag_that_cannot_be_is_damage(folder_store, change):
    """It names no version and no manifest."""
    fields = {"format_version": 1, "name": "a", "version": 1, "manifest": SHA, "created_at": CREATED_AT}
    folder_store.put("tags/a.json", sealed(fields | {"write_id": "0" * 32} | change))
    with pytest.raises(StorageRefusedError, match=r"tags/a\.json") as refused:
        read_tag(folder_store, "a")
    assert refused.value.code == "object_damaged"


def test_a_generation_of_many_digits_ends(folder_store):
    """A key of an epoch that nobody began is one of a lost epoch, and is not counted up to."""
    keys = frozenset({f"data/a-{SHA[:16]}-g99999999999999.txt", f"data/b-{SHA[:16]}.txt"})
    with pytest.raises(StorageRefusedError, match=f"b-{SHA[:16]}") as refused:
        check_not_condemned(folder_store, keys, 0)
    assert refused.value.code == "object_condemned"


@pytest.mark.parametrize("size", [5, 1 << 20, (1 << 32) - 1])
def test_the_head_of_a_chunk_is_no_longer_than_the_chunk(folder_store, tmp_path, size):
    """Nothing is made room for that the file cannot hold."""
    body = (0x184D2A50).to_bytes(4, "little") + size.to_bytes(4, "little") + b"abcd"
    publish(folder_store, manifest_of(folder_store, {"raw/result-000-0.ndjson.zst": body}))
    (file,) = latest(folder_store).manifest.files
    with pytest.raises(StorageRefusedError, match="head of 'raw/result") as refused:
        list(chunk_blocks(folder_store, file, tmp_path / "chunk"))
    assert refused.value.code == "object_damaged"


def test_a_file_of_more_bytes_than_memory_is_not_read_into_it(folder_store, tmp_path):
    """A member of a pack is streamed, and ends where the pack does."""
    folder_store.put(KEY, BODY)
    publish_as(folder_store, manifest(FILE | {"size": 1 << 45, "offset": 0}))
    assert KEY in refusal(folder_store, tmp_path / "out").message


def test_a_table_that_unpacks_to_more_than_any_has_is_not_read():
    """A few bytes may stand for a row a billion times."""
    rows = (1 << 24) + 1
    sink = io.BytesIO()
    parquet.write_table(pa.table({"a": pa.nulls(rows, pa.int8())}), sink)
    assert len(sink.getvalue()) < 100_000
    with pytest.raises(StorageRefusedError, match="tables/left") as refused:
        read_whole(sink.getvalue(), "tables/left/a.parquet")
    assert refused.value.code == "object_damaged"


def parquet_of(**columns):
    """A Parquet file of these columns, without what Arrow writes beside them."""
    sink = io.BytesIO()
    parquet.write_table(pa.table(columns), sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def varint(number, length=0):
    """A number as Thrift's compact protocol has it, in more bytes than it needs where a length is given."""
    groups = [number << 1 >> shift & 0x7F for shift in range(0, 7 * (length or 10), 7)]
    while not length and len(groups) > 1 and not groups[-1]:
        groups.pop()
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def telling_less(body, told):
    """A Parquet file whose footer tells another size where it has one of these."""
    size = int.from_bytes(body[-8:-4], "little")
    footer = body[-8 - size : -8]
    for number in told:
        assert varint(number) in footer
        footer = footer.replace(varint(number), varint(70, len(varint(number))))
    return body[: -8 - size] + footer + body[-8:]


def test_a_table_is_held_to_what_its_pages_unpack_to_whatever_its_footer_says(monkeypatch):
    """The page of a few bytes unpacks to thirty million; pyarrow makes room for that, and asks no footer."""
    monkeypatch.setattr("labelsnap.snapshots.tables.parquet_files.DOCUMENT_BYTES", 1 << 20)
    body = parquet_of(data_row_id=["a" * 30_000_000], split=["train"])
    group = parquet.ParquetFile(io.BytesIO(body)).metadata.row_group(0)
    lying = telling_less(body, [group.total_byte_size, group.column(0).total_uncompressed_size])
    told = parquet.ParquetFile(io.BytesIO(lying)).metadata.row_group(0)
    assert (told.total_byte_size, told.column(0).total_uncompressed_size) == (70, 70)
    assert parquet.read_table(io.BytesIO(lying)).nbytes > 30_000_000
    with pytest.raises(StorageRefusedError, match="tables/left") as refused:
        read_whole(lying, "tables/left/a.parquet")
    assert refused.value.code == "object_damaged"


def test_one_long_value_in_every_row_is_not_unpacked(monkeypatch):
    """A dictionary has it once, and a row costs a bit: a file of a kilobyte stands for a hundred megabytes."""
    for name, size in (("DOCUMENT_BYTES", 4 << 20), ("_EXPANDED", 2 << 20)):
        monkeypatch.setattr(f"labelsnap.snapshots.tables.parquet_files.{name}", size, raising=False)
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["a" * 100_000]))
    body = parquet_of(data_row_id=text, split=["train"] * 1000)
    assert len(body) < 2000
    before = pa.default_memory_pool().max_memory()
    with pytest.raises(StorageRefusedError, match="tables/left") as refused:
        read_whole(body, "tables/left/a.parquet")
    assert refused.value.code == "object_damaged"
    assert pa.default_memory_pool().max_memory() - before < 16 << 20


def test_lists_of_more_values_than_any_has_are_not_read(monkeypatch):
    """A row may hold a list of any length, whose values cost a bit each."""
    monkeypatch.setattr("labelsnap.snapshots.tables.parquet_files.MOST_VALUES", 1000, raising=False)
    lists = pa.ListArray.from_arrays(pa.array([0, 5000], pa.int32()), pa.nulls(5000, pa.float64()))
    with pytest.raises(StorageRefusedError, match="5000 values") as refused:
        read_whole(parquet_of(values=lists), "tables/embeddings-of-others/a.parquet")
    assert refused.value.code == "object_damaged"


def test_text_that_is_no_unicode_is_damage():
    """Pyarrow reads the bytes without a word, and fails where the first value is made of them."""
    text = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    with pytest.raises(StorageRefusedError, match="tables/left") as refused:
        read_whole(parquet_of(data_row_id=text, split=["train"]), "tables/left/a.parquet")
    assert refused.value.code == "object_damaged"


@pytest.mark.parametrize("cut", [b"\x00" * 40, b"\x1c" * 40, b"\xff" * 40])
def test_headers_of_pages_that_are_none_are_damage(cut):
    """Nested without end, of numbers without end, or of another kind than any."""
    body = parquet_of(data_row_id=["row"], split=["train"])
    with pytest.raises(StorageRefusedError, match="tables/left") as refused:
        read_whole(body[:4] + cut + body[44:], "tables/left/a.parquet")
    assert refused.value.code == "object_damaged"


@pytest.mark.parametrize("head", [b"", (0x184D2A50).to_bytes(4, "little")], ids=["bare", "with a head"])
def test_a_chunk_that_unpacks_without_end_ends_the_pull(folder_store, tmp_path, monkeypatch, head):
    """Neither the disk nor memory is filled; the chunk is named, and no more is unpacked than a chunk has."""
    monkeypatch.setattr("labelsnap.storage.compression.UNPACKED_BYTES", 4 << 20, raising=False)
    monkeypatch.setattr("labelsnap.storage.lines.LINE_BYTES", 2 << 20, raising=False)
    told = pa.compress(b'{"task":"t","frames":[],"queries":[]}', codec="zstd", asbytes=True) if head else b""
    body = head + (len(told).to_bytes(4, "little") if head else b"") + told
    body += pa.compress(bytes(64 << 20), codec="zstd", asbytes=True)
    publish(folder_store, manifest_of(folder_store, {"raw/result-000-0.ndjson.zst": body}))
    error = refusal(folder_store, tmp_path / "out", "raw")
    assert (error.code, "raw/result-000-0" in error.message) == ("object_too_long", True)


def test_a_chunk_that_is_no_zstandard_is_damage(folder_store, tmp_path):
    """Its bytes are those of the manifest; it is the object that is wrong, and not the folder that is written to."""
    publish(folder_store, manifest_of(folder_store, {"raw/result-000-0.ndjson.zst": b"plain text"}))
    error = refusal(folder_store, tmp_path / "out", "raw")
    assert (error.code, "raw/result-000-0" in error.message) == ("object_damaged", True)
