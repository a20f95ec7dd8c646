"""Formats made bucket by bucket: the bytes of one pass over all rows, whatever stood before and in whatever order."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from converting import FORMATS, SHAPES, Converting, Row
from hypothesis import Phase, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from msgspec import structs

from labelsnap.buckets.grouping import bucket_of
from labelsnap.buckets.parts import index, making
from labelsnap.buckets.parts.index import PARTS
from labelsnap.errors import StorageRefusedError
from labelsnap.records.choices.splits import SPLITS
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.writing import small
from labelsnap.snapshots.writing.draft import Draft
from tasks.formats import given
from tests.examples import of_a_hundred

NAMES = [f"row{number:02}" for number in range(12)]
OF_ROWS = set(FORMATS) - {"huggingface", "webdataset"}
"""The formats that have documents or files of single rows."""
ROWS = st.dictionaries(
    st.sampled_from(NAMES), st.builds(Row, st.integers(0, len(SHAPES) - 1), st.sampled_from(SPLITS)), max_size=12
)


@pytest.fixture
def asked(monkeypatch):
    """Counts how often formats are asked what they make of rows: by format and row id."""
    counts = Counter()
    made = making._SplitMaking._made

    def counted(self, number, sample):
        counts[self.way.form.name, sample.record.data_row.id] += 1
        return made(self, number, sample)

    monkeypatch.setattr(making._SplitMaking, "_made", counted)
    return counts


def street(**others):
    """Forty rows of all kinds in all splits; ``others`` are other rows by name, None: it is not there."""
    rows = {f"row{number:02}": Row(number % len(SHAPES), SPLITS[number % 5 % 3]) for number in range(40)}
    return {name: row for name, row in (rows | others).items() if row is not None}


@pytest.fixture(scope="module")
def beginning(tmp_path_factory):
    """The street in four buckets and all formats, and the folder that it is in."""
    folder = tmp_path_factory.mktemp("street")
    return folder, Converting(folder, buckets=4).convert(street())


@pytest.fixture
def begun(beginning, tmp_path):
    """A version of the street, and what makes others upon it."""
    folder, first = beginning
    copytree(folder, tmp_path, dirs_exist_ok=True)
    return Converting(tmp_path, buckets=4), first


@settings(max_examples=of_a_hundred(20), phases=(Phase.generate,))
@drawn(st.lists(st.tuples(ROWS, st.booleans(), st.integers(0, 9)), min_size=1, max_size=3))
def test_versions_upon_others_have_the_bytes_of_one_pass(versions):
    """Rows added, changed, moved and removed, by the same code or by another, in buckets made in any order."""
    with TemporaryDirectory() as folder:
        converting = Converting(Path(folder))
        base = None
        for rows, alike, order in versions:
            base = converting.convert(rows, base, alike=alike, shuffled=order)
            assert converting.tree(base) == converting.expected(base)


OUTPUTS = {
    "whole": {"format": "coco"},
    "boxes": {"format": "yolo", "classes": ["lane", "car"]},
    "turned": {"format": "yolo", "classes": ["car", "lane"]},
    "cars": {"format": "coco", "classes": {"car": "vehicle"}, "kinds": ["mask", "bounding_box"]},
    "shards": {"format": "webdataset", "kinds": ["mask"]},
    "maps": {"format": "voc", "classes": ["car"]},
}
"""Several of a format, which select otherwise."""
CHOSEN = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(sorted(OUTPUTS)))


@pytest.mark.slow
@settings(max_examples=of_a_hundred(10), phases=(Phase.generate,))
@drawn(st.lists(st.tuples(ROWS, CHOSEN), min_size=2, max_size=4))
def test_versions_of_other_outputs_have_the_bytes_of_one_pass(versions):
    """Outputs that come, go, or have another's options, beside rows that change, in versions upon each other."""
    with TemporaryDirectory() as folder:
        converting = Converting(Path(folder))
        base = None
        for rows, chosen in versions:
            converting.write({"coco": {}} | {name: OUTPUTS[each] for name, each in chosen.items()})
            base = converting.convert(rows, base)
            assert converting.tree(base) == converting.expected(base)
            told = [index.read_index(converting.store, file) for file in base.manifest.below(PARTS)]
            assert {name for found in told for name, _ in found} <= {"", "coco", *chosen}


@pytest.mark.slow
def test_other_options_of_one_output_ask_no_other_for_a_row(tmp_path, asked):
    """Rows of the others are taken over; those of the changed one are made, and of one that is new."""
    first = Converting(tmp_path, {"a": {"format": "coco"}, "b": OUTPUTS["boxes"]}, buckets=4)
    version = first.convert(street())
    asked.clear()
    first.write({"a": {"format": "coco"}, "b": OUTPUTS["turned"]})
    second = first.convert(street(), version)
    assert {form for form, _ in asked} == {"yolo"}
    assert len(asked) == 40
    asked.clear()
    first.write({"a": {"format": "coco"}, "b": OUTPUTS["turned"], "c": {"format": "labelme"}})
    third = first.convert(street(), second)
    assert {form for form, _ in asked} == {"labelme"}
    asked.clear()
    first.write({"a": {"format": "coco"}, "c": {"format": "labelme"}})
    fourth = first.convert(street(), third)
    assert asked == {}
    for each in (second, third, fourth):
        assert verified(first, each)


def verified(converting, version):
    """Whether every object of a version is there."""
    keys = {part.key for file in version.manifest.files for part in file.ranges}
    return all(converting.store.head(key) is not None for key in keys)


def test_of_rows_that_stand_no_format_is_asked(tmp_path, asked):
    """One row changed, one removed, one moved and one added: each format is asked for these three, once."""
    converting = Converting(tmp_path, buckets=4)
    first = converting.convert(street())
    assert asked == {(name, row_id): 1 for name in OF_ROWS for row_id in first.samples}
    asked.clear()
    rows = street(row03=Row(1, "train"), row07=None, row11=Row(3, "test"), other=Row(2, "train"))
    assert street()["row03"] != rows["row03"]
    assert street()["row11"].split != "test"
    second = converting.convert(rows, first)
    assert asked == {(name, f"row-{each}"): 1 for name in OF_ROWS for each in ("row03", "row11", "other")}
    assert converting.tree(second) == converting.expected(second)
    asked.clear()
    third = converting.convert(rows, second)
    assert (third.manifest, third.uploads.objects, third.made, asked) == (second.manifest, 0, (), {})


@pytest.mark.slow
def test_what_other_code_makes_alike_is_pointed_to(begun, asked, monkeypatch):
    """All rows are made again, and what goes up is what one row changed, with packs that are not too small to stand."""
    monkeypatch.setattr(small, "SMALL_PACK", 0)
    converting, first = begun
    second = converting.convert(street(row03=Row(1, "train")), first, alike=False)
    assert len(asked) == 40 * len(OF_ROWS)
    assert converting.tree(second) == converting.expected(second)
    before = {file.path: file for file in first.manifest.files}
    packed = [file.path for file in second.manifest.files if file.offset is not None and before[file.path] != file]
    assert {Path(path).stem for path in packed} == {"row03"}
    (document,) = (file for file in second.manifest.files if file.path.endswith("/instances_train.json"))
    assert before[document.path].key in {part.key for part in document.parts}


def test_items_of_documents_are_packed_as_rows_give_them(tmp_path, monkeypatch):
    """No more of a list is held unpacked than the bound and what one row gave, and documents are those of one pass."""
    bound, held = 1000, []
    press = making._SplitMaking._press

    def pressed(self, place):
        held.append(len(self._fresh[place]))
        press(self, place)

    monkeypatch.setattr(making, "PRESSED", bound)
    monkeypatch.setattr(making._SplitMaking, "_press", pressed)
    converting = Converting(tmp_path, {"coco": {}}, buckets=1)
    version = converting.convert(street())
    assert converting.tree(version) == converting.expected(version)
    parts = index.read_index(converting.store, version.made[0].file).values()
    of_a_row = max(size for part in parts for row in part.rows for size in row.sizes)
    assert bound < max(held) < bound + of_a_row
    assert len(held) > 10


@pytest.mark.slow
def test_another_number_of_buckets_begins_anew(tmp_path):
    """Documents are in the order of buckets: nothing of them stands, and the bytes are those of one pass."""
    first = Converting(tmp_path, buckets=2).convert(street())
    converting = Converting(tmp_path, buckets=4)
    second = converting.convert(street(), first)
    assert converting.tree(second) == converting.expected(second)


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["data/formats/coco/annotations/", "data/packs/coco/", "data/parts/"])
def test_what_is_lost_is_made_anew(begun, asked, prefix):
    """A document or a pack of a format: that format; an index: all."""
    converting, first = begun
    converting.store.delete(next(info.key for info in converting.store.list(prefix)))
    second = converting.convert(street(row03=Row(1, "train")), first)
    assert converting.tree(second) == converting.expected(second)
    anew = {name for name, row_id in asked if row_id == "row-row05"}
    assert anew == ({"coco"} if "coco" in prefix else OF_ROWS)


@pytest.mark.slow
def test_shards_of_which_no_row_changed_stand(tmp_path, monkeypatch):
    """A row that changed, came or went costs the shard that it is in, or was in; the others are the files of before."""
    monkeypatch.setattr(given, "shard_count", lambda *_: 4)
    converting = Converting(tmp_path, {"webdataset": {}, "huggingface": {}})
    first = converting.convert(street())
    assert len(first.shards) == 24
    rows = street(row03=Row(1, "train"), row07=None, row11=Row(3, "test"), other=Row(2, "train"))
    second = converting.convert(rows, first)
    concerned = {
        f"{split}-{bucket_of(f'row-{name}'.encode(), 4):06}.tar"
        for name in ("row03", "row07", "row11", "other")
        for split in {all_rows[name].split for all_rows in (street(), rows) if name in all_rows}
    }
    made = {path.removeprefix("webdataset/") for path in second.shards if path.startswith("webdataset/")}
    assert made == concerned
    assert sum(path.startswith("huggingface/") for path in second.shards) == len(concerned) < 12
    anew = Converting(tmp_path / "anew", {"webdataset": {}, "huggingface": {}})
    (tmp_path / "anew").mkdir()
    assert converting.tree(second) == anew.tree(anew.convert(rows))


@pytest.mark.slow
def test_another_number_of_shards_is_made_whole(tmp_path, monkeypatch):
    """A shard of the same name has other rows then."""
    converting = Converting(tmp_path, {"webdataset": {}})
    version = None
    for number, count in enumerate((2, 4, 1)):
        monkeypatch.setattr(given, "shard_count", lambda *_, count=count: count)
        version = converting.convert(street(row03=Row(number, "train")), version)
        assert len(version.shards) == 3 * count


@pytest.mark.parametrize("how", ["gone", "cut", "other bytes", "longer"])
def test_items_that_are_not_as_they_were_made_are_refused(tmp_path, how):
    """Their object is named, and no document is joined of less, or of more."""
    converting = Converting(tmp_path, {"coco": {}})
    store = converting.store

    def spoil(made):
        body = store.get(made.key)
        if how == "gone":
            store.delete(made.key)
        elif how == "cut":
            store.put(made.key, body[: len(body) // 2])
        elif how == "longer":
            (segment, *_) = made.segments
            items = pa.decompress(body[: segment.size], 1 << 20, "zstd") if segment.offset else b""
            store.put(made.key, pa.compress(items + b"x" * 99_999, "zstd", asbytes=True)[: segment.size])
        else:
            store.put(made.key, b"x" * len(body))

    with pytest.raises(StorageRefusedError) as refused:
        converting.convert(street(), between=spoil)
    assert refused.value.code == "object_damaged"


def indexed(converting, version, change):
    """The version with another index of its first bucket: ``change`` is given its lines as JSON values."""
    manifest = version.manifest
    (file, *_) = manifest.below(PARTS)
    with pa.CompressedInputStream(pa.BufferReader(read_file(converting.store, file)), "zstd") as stream:
        lines = [json.loads(line) for line in stream.read().splitlines()]
    change(lines)
    content = pa.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines), codec="zstd", asbytes=True)
    other = Draft(converting.store).add_file(file.path, content)
    files = [other if each.path == file.path else each for each in manifest.files]
    return version._replace(manifest=structs.replace(manifest, files=tuple(files)))


@pytest.mark.slow
def test_a_part_is_looked_at_by_its_own_format_and_split_alone(tmp_path, monkeypatch):
    """Joining takes each part of an index once a version, and not all parts for each of seven formats' three splits."""
    converting = Converting(tmp_path)
    first = converting.convert(street())
    looked_at = Counter()
    checked = index.check_places

    def counted(files, packs, name):
        looked_at[name] += 1
        checked(files, packs, name)

    monkeypatch.setattr(index, "check_places", counted)
    second = converting.convert(street(row03=Row(1, "train")), first)
    assert converting.tree(second) == converting.expected(second)
    parts = 3 + 3 * len(OF_ROWS)  # of rows alone, and of the formats that have something of single rows
    once_now_and_before, to_make_a_bucket = 2 * parts, parts
    assert len(looked_at) == converting.buckets
    assert max(looked_at.values()) <= once_now_and_before + to_make_a_bucket


def of_list(lines):
    """The first line of a format and split with lists."""
    return next(line for line in lines if line["lists"])


LIES = {
    "a row's items are longer": lambda lines: of_list(lines)["rows"][0][1].__setitem__(0, 999),
    "a row is missing": lambda lines: of_list(lines)["rows"].pop(),
    "a format is missing": lambda lines: [line.update(format="other") for line in lines],
    "a negative size": lambda lines: lines[-1]["rows"][0].__setitem__(1, [-1]),
    "no sizes": lambda lines: lines[-1]["rows"][0].__setitem__(1, []),
    "no digest": lambda lines: lines[-1]["rows"][0].__setitem__(2, ["0"]),
    "a path that leads out": lambda lines: lines[-1]["rows"][0][3][0].update(path="../../etc/passwd"),
    "a key of no object": lambda lines: lines[-1]["rows"][0][3][0].update(key="commits/00000000000000000001.json"),
    "an offset beyond any": lambda lines: lines[-1]["rows"][0][3][0].update(offset=1 << 60),
    "no packs": lambda lines: [line.update(packs=[]) for line in lines],
    "no rows": lambda lines: lines[-1].update(rows=7),
}
"""What an index may say that no bucket bears out: each changes its lines, as JSON values."""


@pytest.mark.parametrize("lie", LIES)
def test_an_index_that_its_version_does_not_bear_out_is_damage(tmp_path, lie):
    """Whoever may write to the store is not trusted: nothing is joined by it, and it becomes no path and no request."""
    converting = Converting(tmp_path, {"coco": {}})
    first = indexed(converting, converting.convert(street()), LIES[lie])
    with pytest.raises(StorageRefusedError) as refused:
        converting.convert(street(row03=Row(1, "train"), row07=None, row11=None, row20=Row(0, "val")), first)
    assert refused.value.code in {"object_damaged", "unsafe_path"}
