"""The publish gate: whatever differs between the records and what lies in the store is named before it is a version."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from pyarrow import parquet
from sample_snapshot import draft_samples

from labelsnap.buckets.grouping import bucket_of
from labelsnap.formats.coco.writer import Coco
from labelsnap.formats.outputs import selected
from labelsnap.records.choices.selection import EVERYTHING, Selection
from labelsnap.records.geometry import BoundingBox, Point, Polygon, Polyline
from labelsnap.records.tables.tables import to_tables, write_table
from labelsnap.snapshots import Draft
from labelsnap.snapshots.checking.decoding import UndecodableError, decode_file
from labelsnap.snapshots.checking.gate import inspect
from labelsnap.snapshots.checking.measures import Group, Measure, measure
from labelsnap.snapshots.checking.of_coco import measure_coco
from labelsnap.snapshots.checking.of_tables import MEASURED, TableTotals, measure_tables
from labelsnap.snapshots.reading.at_hand import AtHandStore, Folder
from tests.contracts.memory_store import MemoryStore
from tests.contracts.store_faults import LossyStore
from tests.examples import of_a_hundred
from tests.formats.format_samples import (
    annotation,
    dataset,
    every_kind,
    files_of,
    label,
    mask_of,
    registry,
    sample,
    samples_of,
)
from tests.snapshots.revisions import add_revision

SOURCE = every_kind()
SAMPLES = [*samples_of(SOURCE, "train"), *samples_of(SOURCE, "val")]
BUCKETS = 2
COCO = {"coco": EVERYTHING.of(SOURCE.registry)}


def expected(samples=SAMPLES):
    """What the records come to, bucket by bucket."""
    rows = [(bucket_of(each.record.data_row.id.encode(), BUCKETS), each) for each in samples]
    return {index: measure(each for bucket, each in rows if bucket == index) for index in range(BUCKETS)}


def draft(store):
    """Write the samples."""
    return draft_samples(store, SAMPLES, classes=SOURCE.registry, count=BUCKETS, model_run=True)


def inspected(store, manifest, base=None):
    """Pass the manifest through the gate."""
    return inspect(store, manifest, base, expected(), COCO)


def test_measures_are_those_counted_by_hand():
    """One group of each kind, as ``every_kind`` draws them: a box of 4 × 3 at (1, 1), a mask of 10 pixels."""
    found = {each.group: each.amounts for each in measure(SAMPLES)}
    train = {
        ("bounding_box", "car"): (1, 12, 1, 1, 4, 3),
        ("polygon", "road"): (1, 16, 0, 4, 8, 2),
        ("polyline", "lane"): (1, 0, 0, 4.5, 8, 1),
        ("point", "light"): (1, 0, 6.5, 2.25, 0, 0),
        ("mask", "tree"): (1, 10, 1, 1, 6, 3),
    }
    for (kind, name), amounts in train.items():
        assert (
            found[Group("train", predicted=False, kind=kind, name=name, feature_schema_id=f"schema-{name}")] == amounts
        )
    assert found[Group("val", predicted=False, kind="mask", name="tree", feature_schema_id="schema-tree")] == (
        1,
        1,
        2,
        1,
        1,
        1,
    )
    assert found[Group("train", predicted=True, kind="bounding_box", name="car", feature_schema_id="schema-car")] == (
        1,
        12,
        1.5,
        1,
        4,
        3,
    )
    rows = {group.split: amounts[0] for group, amounts in found.items() if group.kind == "row"}
    assert rows == {"train": 2, "val": 1}


def test_sound_draft_passes(folder_store):
    """Nothing is found, and every object was read."""
    manifest = draft(folder_store)
    outcome = inspected(folder_store, manifest)
    assert outcome.faults == ()
    objects = {file.key for file in manifest.files} | {pack.key for pack in manifest.packs}
    assert (outcome.objects, outcome.reused) == (len(objects), 0)


def test_what_the_base_has_is_not_read_again():
    """Of a draft that shares all but one bucket's rows with its base, that bucket and what is new are read."""
    store = MemoryStore()
    base = draft(store)
    changed = structs.replace(SAMPLES[0], record=structs.replace(SAMPLES[0].record, fingerprint="another"))
    manifest = draft_samples(store, [changed, *SAMPLES[1:]], classes=SOURCE.registry, count=BUCKETS, model_run=True)
    watched = LossyStore(store, "", 0, landed=False)
    outcome = inspect(watched, manifest, base, expected([changed, *SAMPLES[1:]]), COCO)
    assert (outcome.objects, outcome.faults) == (1, ())
    bucket = bucket_of(changed.record.data_row.id.encode(), BUCKETS)
    tables = Counter(key.split("/")[2] for _, key in watched.calls)
    assert tables == dict.fromkeys(
        ("data_rows", "labels", "annotations", "predictions", "relationships", "classifications"), 1
    )
    assert all(f"bucket-{bucket:05}-of" in key for _, key in watched.calls)
    assert inspected(store, base, base).objects == 0


def test_joined_file_that_the_base_has_is_not_read_again(tmp_path):
    """Neither the file nor what it is joined from; without the base both are."""
    store = MemoryStore()
    manifest = joined_upon(
        store, draft(store), tmp_path, lambda items: [items[0] | {"feature_id": "another"}, *items[1:]]
    )
    watched = LossyStore(store, "", 0, landed=False)
    outcome = inspected(watched, manifest, manifest)
    assert (outcome.objects, outcome.bytes, outcome.faults, watched.calls) == (0, 0, (), [])
    assert inspected(watched, manifest).objects == outcome.reused


def test_objects_without_an_area_are_in_no_file_of_coco():
    """A box without a width is in the tables, and neither written nor missed in COCO."""
    store, samples = MemoryStore(), [sample(label(annotation(BoundingBox(1, 1, 0, 3), name="car")))]
    classes = registry("car")
    manifest = draft_samples(store, samples, classes=classes)
    assert inspect(store, manifest, None, {0: measure(samples)}, {"coco": EVERYTHING.of(classes)}).faults == ()


SELECTED = Selection((("tree", "plant"), ("car", "vehicle"), ("light", "light")), ("mask", "point"))


def with_output(store, selection, name="boxes"):
    """The draft with a second output in COCO, which has what is ``selection``."""
    manifest, drafted = draft(store), Draft(store)
    pictured = dataset(*SAMPLES, classes=SOURCE.registry, model_run=True)
    source = selected(pictured, selection.of(SOURCE.registry))
    written = {path: body for split in source.splits for path, body in files_of(Coco(), source, split).items()}
    files = [drafted.add_file(f"formats/{name}/{path}", body) for path, body in written.items()]
    return structs.replace(manifest, files=tuple(sorted((*manifest.files, *files), key=lambda file: file.path)))


def test_an_output_in_coco_is_measured_by_what_it_selects():
    """Under the numbers of its list: of a box and masks of two classes, of labels and predictions, only the masks."""
    store = MemoryStore()
    manifest = with_output(store, SELECTED)
    whole, boxes = EVERYTHING.of(SOURCE.registry), SELECTED.of(SOURCE.registry)
    assert inspect(store, manifest, None, expected(), {"coco": whole, "boxes": boxes}).faults == ()
    assert inspect(store, manifest, None, expected(), {"coco": whole}).faults == ()
    faults = inspect(store, manifest, None, expected(), {"coco": whole, "boxes": whole}).faults
    wrong = {fault.path for fault in faults}
    assert wrong >= {f"formats/boxes/annotations/{what}_train.json" for what in ("instances", "predictions")}
    assert all(path.startswith("formats/boxes/") for path in wrong)
    swapped = Selection((SELECTED.classes[1], SELECTED.classes[0], SELECTED.classes[2]), SELECTED.kinds)
    faults = inspect(store, manifest, None, expected(), {"coco": whole, "boxes": swapped.of(SOURCE.registry)}).faults
    assert {fault.path for fault in faults if fault.damage == "counts"} == {fault.path for fault in faults} > set()


DAMAGES = [
    (lambda body: body[:-1], "size"),
    (lambda body: bytes([body[0] ^ 1]) + body[1:], "bytes"),
    (lambda _: None, "missing"),
    (lambda body: body, None),
]


@pytest.mark.parametrize("turn", range(len(DAMAGES)))
def test_damaged_writes_and_no_others_are_named(turn):
    """Objects are stored cut, flipped, not at all or as sent, in turn each in every way: just those are named."""
    store = MemoryStore()
    manifest = draft(store)
    keys = sorted({file.key for file in manifest.files} | {pack.key for pack in manifest.packs})
    wrong = {}
    for place, key in enumerate(keys):
        change, damage = DAMAGES[(place + turn) % len(DAMAGES)]
        body = change(store.get(key))
        store.delete(key) if body is None else store.put(key, body)
        if damage:
            wrong[key] = damage
    assert {fault.key: fault.damage for fault in inspected(store, manifest).faults} == wrong


def miswritten(path, change):
    """What the gate says when one file was written otherwise, and hashed as it was written."""
    store = MemoryStore()
    manifest = draft(store)
    (file,) = (
        file for file in manifest.files if file.path.startswith(path) and change(store.get(file.key)) is not None
    )
    other = Draft(store).add_file(file.path, change(store.get(file.key)))
    files = tuple(other if each.path == file.path else each for each in manifest.files)
    return file.path, inspected(store, structs.replace(manifest, files=files)).faults


def rows_of(change):
    """Return what changes a table's rows, None when that changes nothing."""

    def rewritten(body):
        table = parquet.read_table(io.BytesIO(body))
        rows = change(table.to_pylist())
        if rows == table.to_pylist():
            return None
        sink = io.BytesIO()
        parquet.write_table(pa.Table.from_pylist(rows, table.schema), sink)
        return sink.getvalue()

    return rewritten


def where(name, change):
    """Change the row of one class or question."""
    return rows_of(lambda rows: [row | change(row) if row["name"] == name else row for row in rows])


def without(name):
    """Leave the rows of one class out."""
    return rows_of(lambda rows: [row for row in rows if row["name"] != name])


def moved(row):
    """Move a box by a thousandth of a pixel."""
    return {"bounding_box": row["bounding_box"] | {"left": row["bounding_box"]["left"] + 0.001}}


def smaller(row):
    """Cut a vertex off."""
    return {"vertices": row["vertices"][:2] + row["vertices"][3:]}


TABLES = [
    ("tables/annotations/", without("car"), "bounding_box 'car' in 'train': 1 with", "none"),
    ("tables/annotations/", where("car", moved), "boxes of 1, 1, 4, 3", "boxes of 1.001, 1, 4, 3"),
    ("tables/annotations/", where("road", smaller), "polygon 'road' in 'train': 1 with areas of 16", "areas of 8 "),
    ("tables/annotations/", where("light", lambda _: {"point": {"x": 6.5, "y": 2.5}}), "6.5, 2.25, 0", "6.5, 2.5, 0"),
    ("tables/annotations/", where("lane", lambda _: {"kind": "polygon"}), "polyline 'lane' in 'train': 1", "none"),
    ("tables/predictions/", without("tree"), "predicted mask 'tree' in 'train': 1", "none"),
    ("tables/classifications/", where("weather", lambda _: {"kind": "radio"}), "checklist 'weather'", "none"),
    ("tables/relationships/", rows_of(lambda rows: rows * 2), "relationship 'in front of' in 'train': 1", "2 with"),
    ("tables/labels/", rows_of(lambda rows: rows[:0] if len(rows) == 1 else rows), "label in 'val': 1", "none"),
    ("tables/data_rows/", rows_of(lambda rows: [row | {"split": "test"} for row in rows] if len(rows) == 1 else rows),
     "row in 'val': 1", "none"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "change", "was", "found"), TABLES)
def test_table_that_says_something_else_is_named(path, change, was, found):
    """The file, the class and the split are named, with what was to be there and what is."""
    file, faults = miswritten(path, change)
    assert {(fault.path, fault.damage) for fault in faults} <= {(file, "counts")} or "data_rows" in file
    assert any(was in fault.expected and found in fault.found for fault in faults), faults


def test_table_that_is_missing_whole_is_named():
    """A bucket without its table of annotations: what they come to is missed, in a table that is there."""
    store = MemoryStore()
    manifest = draft(store)
    files = tuple(each for each in manifest.files if not each.path.startswith("tables/annotations/"))
    faults = inspected(store, structs.replace(manifest, files=files)).faults
    assert {(fault.damage, fault.found, fault.path.split("/")[1]) for fault in faults} == {
        ("counts", "none", "data_rows")
    }
    assert any("bounding_box 'car' in 'train'" in fault.expected for fault in faults)


def test_mask_with_other_pixels_is_named():
    """Even where its area and box are stated to be what they should be."""

    def other(row):
        return {"mask": row["mask"] | {"counts": mask_of(np.ones((6, 8), bool)).runs.counts.decode()}}

    _, faults = miswritten(
        "tables/annotations/", where("tree", lambda row: other(row) if row["mask"]["area"] == 10 else {})
    )
    assert [fault.damage for fault in faults] == ["content"]


def test_mask_of_another_size_than_its_image_is_named():
    """Though its runs, its area and its box are right."""
    widened = rows_of(lambda rows: [row | {"width": 9} for row in rows] if len(rows) == 1 else rows)
    _, (fault,) = miswritten("tables/data_rows/", widened)
    assert (fault.damage, fault.expected) == ("content", "masks of their images' sizes")
    assert fault.found.endswith(" has a mask of 3×2 pixels on an image of 9×2")


def coco(change):
    """Return what changes the annotations of a COCO file."""

    def rewritten(body):
        document = json.loads(body)
        found = document["annotations"] if isinstance(document, dict) else document
        found[:] = change(found)
        lines = b"[\n" + b",\n".join(json.dumps(each, separators=(",", ":")).encode() for each in found) + b"\n]"
        if isinstance(document, list):
            return lines
        head = body[: body.index(b'"annotations":')]
        return head + b'"annotations":' + lines + b"}\n"

    return rewritten


def shifted(found):
    """Move the first box and its outline one pixel to the right."""
    first = found[0]
    ring = [at + (index % 2 == 0) for index, at in enumerate(first["segmentation"][0])]
    return [first | {"bbox": [first["bbox"][0] + 1, *first["bbox"][1:]], "segmentation": [ring]}, *found[1:]]


@pytest.mark.parametrize(
    ("name", "change", "was", "found"),
    [
        ("instances_train", lambda found: found[1:], "object '1' in 'train': 1", "none"),
        ("instances_train", lambda found: [*found, found[1] | {"id": 9}], "object '2' in 'train': 1", "2 with"),
        ("instances_train", shifted, "boxes of 1, 1, 4, 3", "boxes of 2, 1, 4, 3"),
        ("instances_train", lambda found: [each | {"category_id": 2} for each in found], "object '2' in", "3 with"),
        ("person_keypoints_train", lambda _: [], "point '4' in 'train': 1", "none"),
        ("person_keypoints_train", lambda found: [found[0] | {"keypoints": [6, 1.25, 2]}],
         "6.5, 2.25, 0", "6.5, 1.75, 0"),
        ("person_keypoints_train", lambda found: [found[0] | {"keypoints": []}], "none", "1 with areas of 1 "),
        ("instances_val", lambda _: [], "object '5' in 'val': 1", "none"),
        ("predictions_train", lambda found: found[:1], "predicted object '5' in 'train': 1", "none"),
    ],
)  # fmt: skip
def test_coco_that_says_something_else_is_named(name, change, was, found):
    """Annotations left out, doubled, moved, or of another category are named with file, class and split."""
    file, faults = miswritten(f"formats/coco/annotations/{name}.json", coco(change))
    assert {(fault.path, fault.damage) for fault in faults} == {(file, "counts")}
    assert any(was in fault.expected and found in fault.found for fault in faults), faults


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"area": 13}, "its outline has"),
        ({"bbox": None}, "no item"),
        ({"segmentation": []}, "its outline has"),
        ({"segmentation": [], "area": 0, "bbox": [0, 0, 0, 0]}, "nothing that can be drawn"),
        ({"segmentation": [[1, 1, 5, 1, 5]]}, "half a vertex"),
        ({"segmentation": [[]]}, "without vertices"),
        ({"segmentation": {"size": [6, 8], "counts": "1"}}, "do not fill"),
        ({"segmentation": {"size": [6, 8], "counts": [7, 12, 28]}}, "do not fill"),
        ({"segmentation": {"size": [6, 8], "counts": [7, -12, 53]}}, "no item"),
        ({"segmentation": {"size": [6, 8], "counts": [7, 12, 29]}}, "its outline has"),
        ({"keypoints": ["left", 1, 2]}, "no point"),
    ],
)
def test_coco_whose_boxes_are_not_those_of_its_outlines_is_named(change, found):
    """The area and box beside an outline must be its own, and the outline must be one."""
    _, faults = miswritten(
        "formats/coco/annotations/instances_train.json", coco(lambda items: [items[0] | change, *items[1:]])
    )
    assert [(fault.damage, found in fault.found) for fault in faults] == [("content", True)], faults


@pytest.mark.parametrize("value", [b'"\xff"', b"[" * 100_000 + b"]" * 100_000], ids=["no UTF-8", "too deep"])
def test_coco_that_no_reader_decodes_is_named(value):
    """Bytes that are no text, and values nested without end, are content that the file cannot have."""
    path = "formats/coco/annotations/instances_train.json"
    _, faults = miswritten(path, lambda body: body.replace(b'"bbox":', b'"feature_id":' + value + b',"bbox":', 1))
    assert [(fault.path, fault.damage) for fault in faults] == [(path, "content")]


def joined_upon(store, base, tmp_path, change):
    """A version whose instances differ from its base's by these annotations, and point to the base's lines."""
    path, body = "formats/coco/annotations/instances_train.json", tmp_path / "body"
    body.write_bytes(coco(change)(store.get(base.file(path).key)))
    other, packs = add_revision(Draft(store), store, path, body, base)
    assert base.file(path).key in {part.key for part in other.parts}
    files = tuple(other if each.path == path else each for each in base.files)
    return structs.replace(base, files=files, packs=(*base.packs, *packs))


@pytest.mark.parametrize(
    ("change", "damage", "found"),
    [
        (lambda items: [items[0] | {"feature_id": "another"}, *items[1:]], None, ""),
        (lambda items: [items[0] | {"area": 13}, *items[1:]], "content", "its outline has"),
        (lambda items: items[1:], "counts", "none"),
        (lambda items: [*items, items[1]], "counts", "2 with"),
        (shifted, "counts", "boxes of 2, 1, 4, 3"),
    ],
)
def test_coco_that_is_joined_with_its_base_is_added_up_whole(tmp_path, change, damage, found):
    """Lines of the base count as new ones do, and new ones are compared with their outlines."""
    store = MemoryStore()
    base = draft(store)
    outcome = inspected(store, joined_upon(store, base, tmp_path, change), base)
    assert [fault.damage for fault in outcome.faults] == [damage] * (damage is not None)
    assert all(found in fault.found for fault in outcome.faults), outcome.faults


def test_outline_in_a_line_of_the_base_is_compared_too(tmp_path):
    """A joined file is looked at whole: an area that the base states wrongly is found where its line is pointed to."""
    store = MemoryStore()
    sound, path = draft(store), "formats/coco/annotations/instances_train.json"
    wrong = coco(lambda items: [items[0] | {"area": 13}, *items[1:]])
    bad = Draft(store).add_file(path, wrong(store.get(sound.file(path).key)))
    base = structs.replace(sound, files=tuple(bad if each.path == path else each for each in sound.files))
    manifest = joined_upon(store, base, tmp_path, lambda items: [*items[:-1], items[-1] | {"feature_id": "another"}])
    (fault,) = inspected(store, manifest, base).faults
    assert (fault.path, fault.damage) == (path, "content")
    assert "its outline has" in fault.found


LINE = b'{"id":1,"image_id":1,"category_id":3,"bbox":[0,0,1,1],"area":%d,"segmentation":[[0,0,1,0,1,1,0,1]]}\n'


def test_area_is_added_up_where_it_is_that_of_its_outline(tmp_path):
    """A square of one pixel: its area counts, and another one is found."""
    path = tmp_path / "coco"
    path.write_bytes(LINE % 1)
    (whole,) = measure_coco(path, "train", predicted=False)
    assert whole == Measure(Group("train", predicted=False, kind="object", name="3"), (1, 1, 0, 0, 1, 1))
    path.write_bytes(LINE % 2)
    with pytest.raises(UndecodableError, match="its outline has"):
        measure_coco(path, "train", predicted=False)


eighths = st.integers(-80, 800).map(lambda number: number / 8)
positions = st.tuples(eighths, eighths)
sides = st.integers(0, 400).map(lambda number: number / 8)
shapes = st.one_of(
    st.builds(BoundingBox, eighths, eighths, sides, sides),
    st.lists(positions, min_size=1, max_size=6).map(lambda found: Polygon((*found, found[0]))),
    st.lists(positions, min_size=1, max_size=6).map(lambda found: Polyline(tuple(found))),
    st.builds(Point, eighths, eighths),
    st.lists(st.booleans(), min_size=48, max_size=48).map(lambda found: mask_of(np.reshape(found, (6, 8)))),
)
FORMS = ["rle", "polygons", "rle_lists"]
objects = st.lists(st.tuples(shapes, st.sampled_from(["car", "tree"])), max_size=4)


@settings(max_examples=of_a_hundred(25))
@given(drawn=st.lists(st.tuples(objects, st.sampled_from(["train", "val"])), max_size=4), form=st.sampled_from(FORMS))
def test_files_come_to_what_the_records_do(drawn, form):
    """Whatever is drawn, tables and COCO measure as the records did, each by code of its own."""
    samples = [
        sample(label(*(annotation(shape, name=name) for shape, name in found)), name=str(number), split=split)
        for number, (found, split) in enumerate(drawn)
    ]
    classes = registry("car", "tree", points=["car", "tree"])
    coco = Coco(segmentation=form, panoptic=False)
    with TemporaryDirectory() as folder:
        totals = TableTotals()
        for name in MEASURED:
            Path(folder, name).write_bytes(write_table(to_tables(samples)[name]))
            decode_file(Path(folder, name), f"tables/{name}/bucket-00000-of-00001.parquet", totals.add)
        close(totals.measures, measure(samples))
        close(measure_tables(to_tables(samples)), measure(samples))
        for split in ("train", "val"):
            files = files_of(coco, dataset(*samples, classes=classes), split)
            held = [each for each in measure(samples) if each.group.split == split]
            for what, is_of_points in (("instances", False), ("person_keypoints", True)):
                Path(folder, "coco").write_bytes(files[f"annotations/{what}_{split}.json"])
                measured = measure_coco(Path(folder, "coco"), split, predicted=False)
                close(measured, in_coco(held, classes, is_of_points=is_of_points))


def in_coco(measures, classes, *, is_of_points):
    """Add up by class what a file of COCO holds: points, or objects of all other shapes."""
    ids = {each.name: each.id for each in classes.classes}
    sums = {}
    for each in measures:
        is_row = each.group.kind == "row"
        if each.group.kind in {"label", "polyline"} or each.group.flat:
            continue
        if not is_row and (each.group.kind == "point") != is_of_points:
            continue
        kind = "point" if is_of_points else "object"
        group = (
            each.group
            if is_row
            else Group(each.group.split, predicted=False, kind=kind, name=str(ids[each.group.name]))
        )
        sums[group] = np.add(sums.get(group, np.zeros(6)), each.amounts)
    return [Measure(group, tuple(sums[group])) for group in sorted(sums)]


def close(found, wanted):
    """The same groups with the same amounts but for rounding."""
    assert [each.group for each in found] == [each.group for each in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert np.allclose(one.amounts, other.amounts, rtol=0, atol=1e-9)


def test_what_is_new_is_read_from_the_store_whatever_is_at_hand(tmp_path):
    """A sound copy of what was written hides no damage in the store, and of the base's objects a copy will do."""
    store = MemoryStore()
    folder = Folder(1 << 20, tmp_path)
    base = draft(AtHandStore(store, folder))
    changed = structs.replace(SAMPLES[0], record=structs.replace(SAMPLES[0].record, fingerprint="another"))
    rows = [changed, *SAMPLES[1:]]
    near = AtHandStore(store, folder)
    manifest = draft_samples(near, rows, classes=SOURCE.registry, count=BUCKETS, model_run=True)
    (new,) = {file.key for file in manifest.files} - {file.key for file in base.files}
    watched = LossyStore(store, "", 0, landed=False)
    near.store = watched
    assert inspect(near, manifest, base, expected(rows), COCO).faults == ()
    assert watched.calls == [("download", new)]
    store.put(new, store.get(new)[:-1] + b"?")
    (fault,) = inspect(near, manifest, base, expected(rows), COCO).faults
    assert (fault.key, fault.damage) == (new, "bytes")
    folder.close()
