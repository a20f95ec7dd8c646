"""Chunks of an export, in frames that versions share."""

from __future__ import annotations

import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.manifest import Manifest
from labelsnap.snapshots.reading.at_hand import AtHandStore, Folder
from labelsnap.snapshots.reading.chunks import chunk_blocks
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.writing.draft import Draft
from labelsnap.snapshots.writing.frames import EarlierFrames, add_chunk
from labelsnap.storage import open_store

LINE = '{"number":%d,"row_data":"https://a/%d.jpg?Signature=%s","url":"https://api/tasks/%s/masks/m%d","x":"%s"}\n'


def export(task, rows=2000, changed=()):
    """An export's bytes: every line names the task, and those of ``changed`` numbers another label."""
    return b"".join(
        (LINE % (i, i, f"{task}{i}", task, i, f"{i * 7919 % 104729:x}" * (30 + (i in changed)))).encode()
        for i in range(rows)
    )


def kept(store, folder, content, task, base=None, *, chunk_bytes=100_000):
    """Bring an export's chunks into the store upon a manifest; give the new one, and the uploads."""
    draft, earlier = Draft(store, base), EarlierFrames(store, base, "raw/result-")
    files, packs = [], []
    for offset in range(0, len(content), chunk_bytes):
        plain = folder / "chunk"
        plain.write_bytes(content[offset : offset + chunk_bytes])
        known = earlier.near(offset / len(content))
        file, of_file = add_chunk(draft, f"raw/result-000-{offset:015}.ndjson.zst", plain, task, known)
        files.append(file)
        packs += of_file
    manifest = Manifest.of(dataset="d", created_at="", config={}, result={}, files=files, packs=packs)
    return manifest, draft.uploads


def restored(store, folder, manifest):
    """The export, from the store."""
    return b"".join(b"".join(chunk_blocks(store, file, folder / "read")) for file in manifest.files)


def test_another_export_of_the_same_rows_uploads_its_heads(folder_store, tmp_path):
    """Task and signatures differ in every line; what goes up is them, and both exports come back byte for byte."""
    one, first = kept(folder_store, tmp_path, export("one"), "one")
    two, second = kept(folder_store, tmp_path, export("another"), "another", one)
    assert second.bytes < first.bytes / 3
    assert restored(folder_store, tmp_path, one) == export("one")
    assert restored(folder_store, tmp_path, two) == export("another")


def test_a_chunk_that_was_joined_is_read_again_without_its_objects(folder_store, tmp_path):
    """What a process added it has at hand; where its copy is damaged the store is read."""
    one, _ = kept(folder_store, tmp_path, export("one"), "one")
    folder = Folder(10_000_000, tmp_path)
    at_hand = AtHandStore(folder_store, folder)
    two, _ = kept(at_hand, tmp_path, export("another"), "another", one)
    for pack in two.packs:
        folder.drop(f"{folder_store.url}/{pack.key}")
        folder_store.delete(pack.key)
    assert restored(at_hand, tmp_path, two) == export("another")
    (copy,) = {path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size == two.files[0].size}
    copy.write_bytes(bytes(two.files[0].size))
    with pytest.raises(StorageRefusedError):
        restored(at_hand, tmp_path, two)
    folder.close()


def test_a_changed_line_uploads_its_frame(folder_store, tmp_path):
    """Of twenty changed rows in two thousand about twenty frames go up, in the fifth version as in the second."""
    manifest, _ = kept(folder_store, tmp_path, export("t0"), "t0")
    unchanged, heads = kept(folder_store, tmp_path, export("t9"), "t9", manifest)
    whole = sum(file.size for file in unchanged.files)
    changed = set()
    for version in range(1, 5):
        changed |= {version + 100 * number for number in range(20)}
        content = export(f"t{version}", changed=changed)
        manifest, uploads = kept(folder_store, tmp_path, content, f"t{version}", manifest)
        assert uploads.bytes - heads.bytes < whole / 3
        assert restored(folder_store, tmp_path, manifest) == content


def test_a_chunk_of_many_nights_is_of_few_objects(folder_store, tmp_path):
    """Whatever was edited before, eight requests read it; what a night sends for that stays a few frames."""
    manifest, first = kept(folder_store, tmp_path, export("t0", rows=200), "t0")
    changed, sent = set(), []
    for night in range(1, 21):
        changed.add(night * 9)
        content = export(f"t{night}", rows=200, changed=changed)
        manifest, uploads = kept(folder_store, tmp_path, content, f"t{night}", manifest)
        (chunk,) = manifest.files
        assert len({part.key for part in chunk.ranges}) <= 8
        sent.append(uploads.bytes)
    assert restored(folder_store, tmp_path, manifest) == content
    assert sum(sent[10:]) / 10 < first.bytes / 3


def test_rows_that_come_and_go_shift_chunks_and_not_frames(folder_store, tmp_path):
    """Chunks of another size, and rows in front of all others, leave most frames where they are."""
    manifest, first = kept(folder_store, tmp_path, export("one"), "one")
    content = b'{"number":-1}\n' * 300 + export("two")[20_000:]
    again, uploads = kept(folder_store, tmp_path, content, "two", manifest, chunk_bytes=130_001)
    assert uploads.bytes < first.bytes / 2
    assert restored(folder_store, tmp_path, again) == content


def test_other_programs_read_a_chunk(folder_store, tmp_path):
    """A joined chunk is a Zstandard file to DuckDB, of rows with an ellipsis where task and signature were."""
    one, _ = kept(folder_store, tmp_path, export("one", rows=100), "one")
    two, _ = kept(folder_store, tmp_path, export("two", rows=100), "two", one)
    (file,) = two.files
    assert file.parts
    path = tmp_path / "chunk.ndjson.zst"
    path.write_bytes(read_file(folder_store, file))
    rows = duckdb.execute("select number, row_data, url from read_json(?)", [str(path)]).fetchall()
    assert rows == [(i, f"https://a/{i}.jpg?…", f"https://api/tasks/…/masks/m{i}") for i in range(100)]


def test_a_chunk_of_before_frames_is_read_as_it_is(folder_store, tmp_path):
    """A chunk without a head is its lines, ellipses and all."""
    content = '{"url":"https://a/tasks/…/masks/1?…"}\n'.encode()
    body = pa.compress(content, codec="zstd", asbytes=True)
    file = Draft(folder_store).add_file("raw/result-000-000000000000000.ndjson.zst", body)
    assert b"".join(chunk_blocks(folder_store, file, tmp_path / "read")) == content


@pytest.mark.parametrize("damage", ["nothing", "few", "garbled"])
def test_a_damaged_head_is_named(folder_store, tmp_path, damage):
    """Too few queries, or a head that is none, is an error that names the chunk, when it is read and as a base."""
    body = {
        "nothing": struct.pack("<II", 0x184D2A50, 0),
        "garbled": struct.pack("<II", 0x184D2A50, 4) + b"none",
        "few": struct.pack("<II", 0x184D2A50, len(FEW)) + FEW,
    }[damage] + pa.compress("?…\n".encode(), codec="zstd", asbytes=True)
    file = Draft(folder_store).add_file("raw/result-000-000000000000000.ndjson.zst", body)
    with pytest.raises(StorageRefusedError, match="result-000"):
        list(chunk_blocks(folder_store, file, tmp_path / "read"))


FEW = pa.compress(b'{"task":"t","frames":[],"queries":[]}', codec="zstd", asbytes=True)


@given(
    st.lists(st.tuples(st.binary(max_size=20), st.integers(1, 4)), max_size=6),
    st.lists(st.tuples(st.binary(max_size=20), st.integers(1, 4)), max_size=6),
    st.integers(20, 200),
)
def test_any_bytes_come_back(one, two, chunk_bytes):
    """Whatever two exports hold, and however they are cut, each comes back byte for byte from a store with both."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        store = open_store(f"file://{folder}/store")
        first, second = (b"\n".join(line * times for line, times in lines) for lines in (one, two))
        before, _ = kept(store, folder, first, "one", chunk_bytes=chunk_bytes)
        after, _ = kept(store, folder, second, "two", before, chunk_bytes=chunk_bytes)
        assert restored(store, folder, before) == first
        assert restored(store, folder, after) == second
