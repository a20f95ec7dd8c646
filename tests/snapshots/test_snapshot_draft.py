"""What a draft uploads, under which keys, and which manifest comes of it."""

from __future__ import annotations

import hashlib
import json
import tarfile

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from publishing import manifest_of, published

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots import Draft, File, Manifest, Pack, download_file, read_file, same_content, work_key, write_tar
from labelsnap.snapshots.layout import data_key, generation_of, without_generation
from labelsnap.snapshots.manifest import decode_manifest, digest, encode
from labelsnap.snapshots.writing.draft import Uploads

SHA = hashlib.sha256(b"content").hexdigest()
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1, max_size=150
)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("tables/labels/bucket-00003.parquet", "data/tables/labels/bucket-00003-ed7002b439e9ac84.parquet"),
        ("raw/result-000000000000.ndjson.zst", "data/raw/result-000000000000-ed7002b439e9ac84.ndjson.zst"),
        ("images/pack-00003.tar", "data/images/pack-00003-ed7002b439e9ac84.tar"),
        ("LICENSE", "data/LICENSE-ed7002b439e9ac84"),
    ],
)  # fmt: skip
def test_keys_are_readable_and_carry_the_hash(path, key):
    """The first 16 digits of the content's sha256 stand before the name's first dot."""
    assert data_key(path, SHA) == key


@pytest.mark.parametrize("path", ["a.tar.gz", "x/a-g7.txt", "LICENSE", "a-0123456789abcdef-g3.b"])
@pytest.mark.parametrize("generation", [0, 7, 120])
def test_keys_tell_their_generation(path, generation):
    """A key written after an epoch of garbage collection names it, and the same content's first key is known."""
    key = data_key(path, SHA, generation)
    assert generation_of(key) == generation
    assert without_generation(key) == data_key(path, SHA)
    assert data_key("a.tar.gz", SHA, 7) == "data/a-ed7002b439e9ac84-g7.tar.gz"


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "..", "a/../b", "a/./b", "a\\b", "a\nb", "c:/a"])
def test_paths_that_leave_the_tree_are_refused(folder_store, path):
    """A path that could lead out of a folder never becomes a key."""
    with pytest.raises(StorageRefusedError) as refused:
        Draft(folder_store).add_file(path, b"content")
    assert refused.value.code == "unsafe_path"
    with pytest.raises(StorageRefusedError):
        work_key("run", path)


def test_scratch_lies_below_work():
    """What a run sets aside is below ``work/`` and the run's name."""
    assert work_key("run-1", "chunks/0.json") == "work/run-1/chunks/0.json"


def test_only_missing_objects_are_uploaded(store, tmp_path):
    """A draft that is repeated sends nothing twice, and both count their bytes."""
    source = tmp_path / "b"
    source.write_bytes(b"bb")
    first, second = Draft(store), Draft(store)
    files = [first.add_file("a.txt", b"a"), first.add_file("b.txt", source)]
    assert [second.add_file("a.txt", b"a"), second.add_file("b.txt", source)] == files
    third = second.add_file("c.txt", b"ccc")
    assert first.uploads == Uploads(objects=2, bytes=3)
    assert second.uploads == Uploads(objects=1, bytes=3, reused_objects=2, reused_bytes=3)
    assert third == File("c.txt", third.key, 3, hashlib.sha256(b"ccc").hexdigest())
    assert [store.get(file.key) for file in [*files, third]] == [b"a", b"bb", b"ccc"]


def test_cut_object_is_uploaded_again(store):
    """An object of another size than its content is put again."""
    file = Draft(store).add_file("a.txt", b"abc")
    store.put(file.key, b"ab")
    again = Draft(store)
    assert again.add_file("a.txt", b"abc") == file
    assert again.uploads.bytes == 3
    assert store.get(file.key) == b"abc"


def test_small_files_share_an_object(store, tmp_path):
    """Many small files go up as one tar, and each is read from its place in it."""
    draft = Draft(store)
    contents = {f"formats/yolo/labels/train/{number}.txt": b"0 " * number for number in range(5)}
    pack, files = draft.add_small_files("formats/yolo/labels.tar", contents.items())
    assert {file.key for file in files} == {pack.key}
    assert pack.size == store.head(pack.key).size == draft.uploads.bytes
    assert {file.path: read_file(store, file) for file in files} == contents
    download_file(store, files[4], tmp_path / "4.txt")
    assert (tmp_path / "4.txt").read_bytes() == b"0 0 0 0 "


def test_damaged_file_is_named(store, tmp_path):
    """A changed, cut or missing object is refused with its key and the file's path."""
    file = Draft(store).add_file("a.txt", b"abc")
    for standing in (b"abd", b"ab", None):
        store.delete(file.key) if standing is None else store.put(file.key, standing)
        with pytest.raises(StorageRefusedError, match=f"{file.key}.*a.txt") as refused:
            read_file(store, file)
        assert refused.value.code == "object_damaged"
        with pytest.raises(StorageRefusedError, match=f"{file.key}.*a.txt"):
            download_file(store, file, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()


@given(members=st.lists(st.tuples(NAMES, st.binary(max_size=1500)), max_size=8))
def test_tar_offsets_are_where_tarfile_finds_the_payload(tmp_path_factory, members):
    """Python's own reader finds each member's name and payload, at the offset that was told."""
    path = tmp_path_factory.mktemp("tar") / "pack.tar"
    written = write_tar(path, members)
    content = path.read_bytes()
    assert [content[member.offset : member.offset + member.size] for member in written] == [body for _, body in members]
    with tarfile.open(path) as tar:
        assert [(info.name, info.offset_data, info.size) for info in tar] == [tuple(member) for member in written]


def test_tar_bytes_are_fixed(tmp_path):
    """Equal members give equal bytes: plain USTAR, time and owner 0, mode 0644."""
    write_tar(tmp_path / "one.tar", [("a.txt", b"a")])
    write_tar(tmp_path / "two.tar", iter([("a.txt", b"a")]))
    content = (tmp_path / "one.tar").read_bytes()
    assert content == (tmp_path / "two.tar").read_bytes()
    assert content[:8] == b"a.txt\0\0\0"
    assert content[100:108] == b"0000644\0"
    assert content[108:124] == b"0000000\x000000000\x00"
    assert content[136:148] == b"00000000000\0"
    assert content[156:157] == b"0"
    assert content[257:263] == b"ustar\0"
    assert content[512:513] == b"a"


def test_manifest_is_canonical(folder_store):
    """Files in any order give the same bytes: sorted JSON that other programs read."""
    contents = {"b.txt": b"b", "a/x.txt": b"x", "a.txt": b"a"}
    one = manifest_of(folder_store, contents)
    other = manifest_of(folder_store, dict(reversed(contents.items())))
    assert encode(one) == encode(other)
    plain = json.loads(encode(one))
    assert encode(one) == json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
    assert [file["path"] for file in plain["files"]] == ["a.txt", "a/x.txt", "b.txt"]
    assert set(plain["files"][0]) == {"path", "key", "size", "sha256"}
    assert plain["format_version"] == 1
    assert msgspec.json.decode(encode(one), type=Manifest) == one


@pytest.mark.parametrize(
    ("outputs", "version"),
    [
        ({"coco": {"panoptic": False}, "yolo": None}, 1),
        ({"small": {"format": "coco"}}, 2),
        ({"coco": {}, "yolo": {"classes": ["car"]}}, 2),
        ({"coco": {"kinds": ["mask"]}}, 2),
    ],
)
def test_what_an_earlier_reader_would_lay_out_wrongly_is_of_a_version_that_it_refuses(outputs, version):
    """It knows no output with a name of its own, and would give that no images."""
    manifest = Manifest.of(
        dataset="a", created_at="2024-01-01T00:00:00Z", config={"formats": outputs}, result={}, files=[], packs=[]
    )
    assert manifest.format_version == version
    body = encode(manifest)
    assert decode_manifest(body, digest(body)) == manifest
    later = encode(msgspec.structs.replace(manifest, format_version=3))
    with pytest.raises(StorageRefusedError, match="found version 3") as refused:
        decode_manifest(later, digest(later))
    assert refused.value.code == "format_version"


def test_pack_used_twice_is_listed_once(folder_store):
    """Packs are sorted by key, each once."""
    one, two = Pack("data/a.tar", 1, SHA), Pack("data/b.tar", 1, SHA)
    assert manifest_of(folder_store, {}, packs=[two, one, two]).packs == (one, two)


@pytest.mark.parametrize("paths", [["a", "a"], ["a", "a/b"], ["a/b/c", "a/b"], ["../a"]])
def test_paths_that_are_no_tree_are_refused(paths):
    """No two files stand at one path, and none is the folder of another."""
    files = [File(path, f"data/{number}", 1, SHA) for number, path in enumerate(paths)]
    with pytest.raises(StorageRefusedError) as refused:
        Manifest.of(dataset="d", created_at="", config={}, result={}, files=files, packs=[])
    assert refused.value.code in {"path_clash", "unsafe_path"}


BASE = {
    "tables/labels/b.parquet": b"1",
    "formats/coco/a.json": b"2",
    "raw/result-0.ndjson.zst": b"3",
    "tables/problems/b.parquet": b"4",
    "formats/coco/croissant.json": b"5",
    "formats/coco/report.html": b"6",
}


@pytest.mark.parametrize(
    "path",
    ["raw/result-0.ndjson.zst", "tables/problems/b.parquet", "formats/coco/croissant.json", "formats/coco/report.html"],
)
def test_what_every_export_changes_does_not_count(folder_store, path):
    """The raw export, problems and descriptions may differ in snapshots of one content."""
    assert same_content(manifest_of(folder_store, BASE), manifest_of(folder_store, BASE | {path: b"other"}))


@pytest.mark.parametrize(
    "change", [{"tables/labels/b.parquet": b"other"}, {"formats/coco/a.json": b"other"}, {"formats/voc/a.xml": b"new"}]
)
def test_tables_and_formats_count(folder_store, change):
    """A changed table, a changed format file or a new file is another content."""
    assert not same_content(manifest_of(folder_store, BASE), manifest_of(folder_store, BASE | change))


def test_configuration_counts(folder_store):
    """The same files under another configuration are another content."""
    assert not same_content(manifest_of(folder_store, BASE), manifest_of(folder_store, BASE, config={"seed": 1}))


def test_unchanged_files_are_the_same_objects(store):
    """Two versions share what did not change."""
    published(store, {"a.txt": b"a", "b.txt": b"1"}, publish_id="one")
    published(store, {"a.txt": b"a", "b.txt": b"2"}, publish_id="two", parent=1)
    assert len(list(store.list("data/"))) == 3
