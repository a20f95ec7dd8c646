"""What became of a version: compared with what was changed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from sample_snapshot import draft_samples

from labelsnap.errors import StorageRefusedError
from labelsnap.records.choices.classes import ClassRegistry
from labelsnap.records.geometry import BoundingBox, Mask, MaskReference, Point, Polygon, Polyline
from labelsnap.records.model import Relationship
from labelsnap.snapshots.reading.diff import AnnotationChanges, ClassChange, NamedClass, RenamedClass, RowChanges, diff
from tests.contracts.memory_store import MemoryStore
from tests.contracts.store_faults import LossyStore
from tests.examples import of_a_hundred
from tests.formats.format_samples import RING_AND_PART, annotation, label, mask, radio, registry, sample, text

NOTHING = AnnotationChanges({}, {}, {}, {}, ())
CLASSES = registry("car", "tree", "road", "light", "lane")
TREE = mask(RING_AND_PART)
ROAD = annotation(Polygon(((0, 4), (8, 4), (8, 6))), name="road", feature_id="f-road")


def street(*more, left=1, colour="red", label_id="label-1"):
    """A street with a car and a tree."""
    car = annotation(BoundingBox(left, 1, 4, 3), name="car", feature_id="f-car", answers=[radio("colour", colour)])
    tree = annotation(TREE, name="tree", feature_id="f-tree")
    return sample(label(car, tree, *more, label_id=label_id, answers=[radio("time of day", "dusk")]))


def side(split="val"):
    """A row of its own."""
    return sample(label(ROAD, label_id="label-2"), name="side", split=split)


def marked(found):
    """The sample as the export would give it after a change."""
    return structs.replace(found, record=structs.replace(found.record, fingerprint="another"))


def compared(before, after, *, classes=(CLASSES, CLASSES), counts=(1, 1), model_run=False):
    """The difference of two versions of these samples."""
    store = MemoryStore()
    manifests = [
        draft_samples(store, samples, classes=own, count=count, model_run=model_run)
        for samples, own, count in zip((before, after), classes, counts, strict=True)
    ]
    return diff(store, *manifests)


@pytest.mark.parametrize("counts", [(1, 1), (2, 2), (1, 4), (4, 1)])
def test_all_kinds_of_change_at_once(counts):
    """A car that moved, another colour, a new lane with a question, a row gone, a row new, a row in another split."""
    lane = annotation(Polyline(((0, 5), (8, 4))), name="lane", feature_id="f-lane", answers=[text("remark", "new")])
    gone = sample(label(annotation(Point(1, 1), name="light", feature_id="f-light")), name="gone")
    new = sample(label(annotation(BoundingBox(0, 0, 1, 1), name="car", feature_id="f-new")), name="new")
    found = compared(
        [street(), side(), gone], [marked(street(lane, left=2, colour="blue")), side("train"), new], counts=counts
    )
    assert found.rows == RowChanges(("row-new",), ("row-gone",), ("row-street",), ("row-side",))
    assert found.annotations == AnnotationChanges(
        added={"bounding_box": 1, "polyline": 1, "text": 1},
        removed={"point": 1},
        changed={"bounding_box": 1, "radio": 1},
        moved={"polygon": 1},
        classes=(
            ClassChange(1, "car", added=1, removed=0, changed=1),
            ClassChange(4, "light", added=0, removed=1, changed=0),
            ClassChange(5, "lane", added=1, removed=0, changed=0),
        ),
    )
    assert found.predictions == NOTHING


@pytest.mark.parametrize("counts", [(1, 1), (1, 4), (4, 2)])
def test_equal_versions_have_no_difference(counts):
    """Not even when their rows lie in other buckets."""
    found = compared([street(), side()], [side(), street()], counts=counts)
    assert found.rows == RowChanges((), (), (), ())
    assert (found.annotations, found.predictions) == (NOTHING, NOTHING)


def test_first_version_against_nothing():
    """Everything is new where there was nothing."""
    found = compared([], [street()], classes=(ClassRegistry(), CLASSES))
    assert found.rows.added == ("row-street",)
    assert found.annotations.added == {"bounding_box": 1, "mask": 1, "radio": 2}
    assert [each.name for each in found.classes.added] == ["car", "tree", "road", "light", "lane"]


def test_address_of_a_mask_is_no_content():
    """The same pixels under another URL are the same annotation, and the row has not changed."""
    elsewhere = Mask(MaskReference("https://api.labelbox.example/mask/2", None, None), TREE.runs)
    one, other = (sample(label(annotation(each, name="tree"))) for each in (TREE, elsewhere))
    assert compared([one], [other]).rows == RowChanges((), (), (), ())


def test_row_whose_export_says_something_else_has_changed():
    """The row is listed though no annotation differs."""
    found = compared([street()], [marked(street())])
    assert (found.rows.changed, found.annotations) == (("row-street",), NOTHING)


def test_another_label_of_the_row_replaces_its_annotations():
    """When a policy selects another label, the one's annotations are removed and the other's added."""
    found = compared([street()], [street(label_id="label-9")])
    everything = {"bounding_box": 1, "mask": 1, "radio": 2}
    assert found.rows.changed == ("row-street",)
    assert (found.annotations.added, found.annotations.removed) == (everything, everything)


def test_relationship_that_points_elsewhere_has_changed():
    """Its ends are what it says."""
    one, other = (
        sample(label(ROAD, relationships=[Relationship("f-tie", None, "near", None, "f-road", end)])) for end in "ab"
    )
    assert compared([one], [other]).annotations.changed == {"relationship": 1}


def test_questions_of_one_name_are_told_apart():
    """Of two equal questions the second was answered anew."""
    one, other = (
        sample(label(ROAD, answers=[text("remark", "first"), text("remark", second)])) for second in ("a", "b")
    )
    assert compared([one], [other]).annotations.changed == {"text": 1}


def test_predictions_are_counted_apart():
    """A model run's predictions have changes of their own."""
    one, other = (
        sample(predictions=[label(annotation(BoundingBox(left, 0, 1, 1)), label_id="prediction-1")]) for left in (0, 1)
    )
    found = compared([one], [other], model_run=True)
    assert found.annotations == NOTHING
    assert found.predictions.changed == {"bounding_box": 1}
    assert found.predictions.classes == (ClassChange(1, "car", added=0, removed=0, changed=1),)


def test_classes_that_came_went_and_were_renamed():
    """Known by their ids: a new name is no new class, and what nobody uses any more is removed."""
    tree, road = CLASSES.classes[1], CLASSES.classes[2]
    later = registry("car", "tree", "road", "light", "lane", "kerb").classes
    renamed = structs.replace(tree, name="plant", previous_names=("tree",))
    classes = ClassRegistry((later[0], renamed, structs.replace(road, removed=True), *later[3:]))
    plant = annotation(TREE, name="plant", feature_id="f-tree")
    plant = structs.replace(plant, feature_schema_id="schema-tree")
    one = sample(label(annotation(TREE, name="tree", feature_id="f-tree")))
    found = compared([one], [marked(sample(label(plant)))], classes=(CLASSES, classes))
    assert found.classes.added == (NamedClass(6, "kerb"),)
    assert found.classes.removed == (NamedClass(3, "road"),)
    assert found.classes.renamed == (RenamedClass(2, "tree", "plant"),)
    assert found.annotations == NOTHING
    assert found.rows.changed == ("row-street",)


def test_object_of_another_class_leaves_the_one_for_the_other():
    """By kind it has changed, by class it went and came."""
    one, other = (sample(label(annotation(TREE, name=name, feature_id="f"))) for name in ("tree", "road"))
    found = compared([one], [other]).annotations
    assert (found.added, found.removed, found.changed) == ({}, {}, {"mask": 1})
    assert found.classes == (ClassChange(2, "tree", 0, 1, 0), ClassChange(3, "road", 1, 0, 0))


def test_unchanged_buckets_are_not_read():
    """Of eight buckets only that of the changed row is read, from both versions."""
    store = MemoryStore()
    rows = [sample(label(ROAD, label_id=f"label-{name}"), name=f"row{name}") for name in range(24)]
    before = draft_samples(store, rows, classes=CLASSES, count=8)
    after = draft_samples(store, [marked(rows[0]), *rows[1:]], classes=CLASSES, count=8)
    watched, steps = LossyStore(store, "", 0, landed=False), []
    found = diff(watched, before, after, on_progress=lambda *step: steps.append(step))
    assert found.rows.changed == ("row-row0",)
    assert steps == [(0, 1), (1, 1)]
    buckets = {key.rpartition("/")[2][:21] for _, key in watched.calls if "/bucket-" in key}
    assert len(buckets) == 1


def test_damaged_table_is_no_difference():
    """A table that cannot be trusted stops the comparison by its key."""
    store = MemoryStore()
    before, after = (draft_samples(store, [street(left=left)], classes=CLASSES) for left in (1, 2))
    (table,) = after.below("tables/annotations/")
    store.put(table.key, store.get(table.key)[:-1])
    with pytest.raises(StorageRefusedError, match=table.key):
        diff(store, before, after)


@settings(max_examples=of_a_hundred(8))
@given(before=st.sets(st.integers(0, 9)), after=st.sets(st.integers(0, 9)), counts=st.sampled_from([1, 2, 4]))
def test_rows_are_those_of_the_sets(before, after, counts):
    """Whatever rows two versions have, in however many buckets, what is added and removed are the sets' differences."""

    def version(numbers):
        return [sample(name=str(number)) for number in sorted(numbers)]

    found = compared(version(before), version(after), counts=(counts, 2)).rows
    assert found.added == tuple(sorted(f"row-{number}" for number in after - before))
    assert found.removed == tuple(sorted(f"row-{number}" for number in before - after))
    assert (found.changed, found.moved) == ((), ())
