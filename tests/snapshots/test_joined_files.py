"""A file that is joined with what an earlier version has of it."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.manifest import File, Manifest, Part, decode_manifest, digest, encode
from labelsnap.snapshots.reading.content import download_file, fetch, read_file
from labelsnap.snapshots.values import MAX_PARTS
from labelsnap.snapshots.writing.draft import Draft
from labelsnap.snapshots.writing.joined import MAX_OBJECTS, WORTH, Ranges
from tests.contracts.memory_store import MemoryStore
from tests.contracts.store_faults import LossyStore
from tests.snapshots.revisions import add_revision

PATH = "formats/coco/annotations/instances_train.json"


def document(changes=None, rows=2000):
    """So many lines of 300 bytes; ``changes`` gives other lines by number."""
    lines = {number: b"%d %s\n" % (number, b"x" * 300) for number in range(rows)} | (changes or {})
    return b"".join(lines[number] for number in sorted(lines))


def revised(store, tmp_path, content, base=None, **limits):
    """Add the content on the base; give the manifest that has it, and the uploads."""
    body = tmp_path / "body"
    body.write_bytes(content)
    draft = Draft(store, base)
    file, packs = add_revision(draft, store, PATH, body, base, **limits)
    manifest = Manifest.of(dataset="d", created_at="", config={}, result={}, files=[file], packs=list(packs))
    return manifest, draft.uploads


def content_of(store, manifest):
    """The file's bytes, through the manifest's own JSON."""
    body = encode(manifest)
    (file,) = decode_manifest(body, digest(body)).files
    return read_file(store, file)


def test_first_version_is_one_object_with_its_own_name(folder_store, tmp_path):
    """Without an earlier version the file is an object that any program reads."""
    manifest, _ = revised(folder_store, tmp_path, document())
    (file,) = manifest.files
    assert (file.parts, manifest.packs) == ((), ())
    assert folder_store.get(file.key) == document()


def test_only_new_lines_are_uploaded(folder_store, tmp_path):
    """Twenty of two thousand lines changed, one added and one removed: about twenty lines go up."""
    first, _ = revised(folder_store, tmp_path, document())
    changed = document(
        {number: b"changed %d %s\n" % (number, b"y" * 300) for number in range(0, 2000, 100)} | {555: b""}
    )
    second, uploads = revised(folder_store, tmp_path, changed + b"one more\n", first)
    assert uploads.bytes < len(document()) / 90
    assert uploads.objects == 1
    assert content_of(folder_store, second) == changed + b"one more\n"


def test_every_version_of_many_reads_back(folder_store, tmp_path):
    """Each version is joined from objects of those before it, and stays what it was."""
    manifest, versions = None, []
    changes = {}
    for number in range(12):
        changes[number * 7 % 100] = b"version %d %s\n" % (number, b"z" * 400)
        content = document(changes, rows=100)
        manifest, _ = revised(folder_store, tmp_path, content, manifest)
        versions.append((manifest, content))
    assert any(len(manifest.packs) > 3 for manifest, _ in versions)
    for manifest, content in versions:
        assert content_of(folder_store, manifest) == content


def test_file_of_objects_with_little_of_it_is_written_whole(folder_store, tmp_path):
    """Objects that would be kept for a small part of them are not pointed to: the file is one object again."""
    first, _ = revised(folder_store, tmp_path, document())
    few = b"".join(document().splitlines(keepends=True)[:500])
    second, _ = revised(folder_store, tmp_path, few, first, most=2 * len(few))
    assert second.files[0].parts == ()
    assert content_of(folder_store, second) == few


def test_file_of_too_many_parts_is_written_whole(folder_store, tmp_path):
    """Every other line changed in a long file would be more parts than a manifest should list."""
    rows = MAX_PARTS + 2
    first, _ = revised(folder_store, tmp_path, document(rows=rows))
    changed = document({number: b"short %d\n" % number for number in range(0, rows, 2)}, rows=rows)
    second, _ = revised(folder_store, tmp_path, changed, first)
    assert second.files[0].parts == ()


@pytest.mark.slow
def test_a_file_of_many_nights_is_of_few_objects(folder_store, tmp_path):
    """Each night some lines change: few objects are read side by side, and little is written again for it."""
    manifest, changes, sent = None, {}, 0
    for night in range(60):
        changes |= {(night * 37 + edit * 101) % 2000: b"night %d %s\n" % (night, b"y" * 290) for edit in range(5)}
        manifest, uploads = revised(folder_store, tmp_path, document(changes), manifest, worth=WORTH)
        sent += uploads.bytes if night else 0
        assert len(manifest.packs) <= 6  # each is four times the next, or more, from the lines of a night to the file
    assert content_of(folder_store, manifest) == document(changes)
    assert sent < 10 * 60 * 5 * 300  # the lines that changed, and each of them again some times
    watched = LossyStore(folder_store, "", 0, landed=False)
    assert read_file(watched, manifest.files[0]) == document(changes)
    assert len(watched.calls) <= MAX_OBJECTS


def test_a_file_of_too_many_objects_takes_the_smallest_in(folder_store, tmp_path):
    """However small they are beside what is fresh, no more than MAX_OBJECTS are pointed to."""
    manifest, changes = None, {}
    for night in range(MAX_OBJECTS + 4):
        changes |= {night * 90: b"night %d\n" % night}
        manifest, _ = revised(folder_store, tmp_path, document(changes), manifest)
        assert len(manifest.packs) <= MAX_OBJECTS
    assert content_of(folder_store, manifest) == document(changes)


def test_damaged_part_is_refused(folder_store, tmp_path):
    """A joined file is checked as a whole: a flipped byte in any of its objects, or a missing one, is an error."""
    first, _ = revised(folder_store, tmp_path, document())
    second, _ = revised(folder_store, tmp_path, document({5: b"other\n"}), first)
    (file,) = second.files
    for damage in (lambda key, body: folder_store.put(key, b"?" + body[1:]), lambda key, _: folder_store.delete(key)):
        for pack in second.packs:
            body = folder_store.get(pack.key)
            damage(pack.key, body)
            with pytest.raises(StorageRefusedError, match="instances_train"):
                read_file(folder_store, file)
            with pytest.raises(StorageRefusedError):
                download_file(folder_store, file, tmp_path / "download")
            folder_store.put(pack.key, body)
    assert read_file(folder_store, file)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 9)), max_size=5), st.data())
def test_ranges_are_those_of_each_byte(parts, data):
    """A range of a file, cut at its end, lies where each of its bytes lies, one by one."""
    file = File(PATH, "", sum(size for *_, size in parts), "", parts=tuple(Part(*each) for each in parts))
    lies = [(key, offset + at) for key, offset, size in parts for at in range(size)]
    offset, size = data.draw(st.integers(0, file.size)), data.draw(st.integers(1, 50))
    found = Ranges(file).of(offset, size) if parts else ()
    told = chain.from_iterable([(part.key, part.offset + at) for at in range(part.size)] for part in found)
    assert list(told) == lies[offset : offset + size]


def test_objects_that_a_joined_file_is_most_of_come_by_one_request(tmp_path):
    """A long one by one, not by one a block; of one that it has little of that little is asked for."""
    store = LossyStore(MemoryStore(), "", 0, landed=False)
    long, other, short = bytes(range(256)) * 20_000, b"o" * 9_000_000, b"short"
    for key, content in (("data/a-1", long), ("data/a-2", other), ("data/a-3", short)):
        store.put(key, content)
    parts = (
        Part("data/a-1", 0, 4_000_000),
        Part("data/a-3", 1, 4),
        Part("data/a-2", 100, 50),
        Part("data/a-1", 4_000_000, 9),
    )
    content = long[:4_000_000] + short[1:] + other[100:150] + long[4_000_000:4_000_009]
    store.calls.clear()
    assert fetch(store, File("a", "", len(content), digest(content), parts=parts), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == content
    assert store.calls == [("download", "data/a-1"), ("get", "data/a-3"), ("get", "data/a-2")]
    assert [*tmp_path.iterdir()] == [tmp_path / "a"]
