"""Class ids over snapshots: fixed for ever, whatever comes, goes or is renamed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records_lines import box, label, published, row, shape

from labelsnap.records.choices.classes import Class, ClassRegistry, SeenClass, inherited, seen_classes, update
from labelsnap.records.choices.policy import Policy
from labelsnap.records.geometry import Point
from labelsnap.records.image import Image
from labelsnap.records.model import Annotation, Sample, Source
from labelsnap.records.tables.tables import to_tables

NOTHING = ClassRegistry()


def seen(*pairs: Any) -> Any:
    """Classes as (schema id, name) pairs."""
    return [SeenClass(*pair) for pair in pairs]


def an_object(schema_id: Any, name: Any) -> Any:
    """An object of a class."""
    return Annotation("f", schema_id, name, None, Point(0, 0))


def state(registry: Any) -> Any:
    """Ids, names and tombstones."""
    return [(each.id, each.name, each.removed) for each in registry.classes]


def test_three_snapshots() -> None:
    """A rename keeps the id, a removal leaves a tombstone, what is new is appended, what returns is itself again."""
    first = update(NOTHING, seen(("A", "car"), ("B", "bus")), {})
    assert state(first) == [(1, "bus", False), (2, "car", False)]
    second = update(first, seen(("A", "automobile"), ("C", "bicycle")), {})
    assert state(second) == [(1, "bus", True), (2, "automobile", False), (3, "bicycle", False)]
    assert second.classes[1].previous_names == ("car",)
    third = update(second, seen(("A", "car"), ("B", "bus"), ("D", "ant")), {})
    assert state(third) == [(1, "bus", False), (2, "car", False), (3, "bicycle", True), (4, "ant", False)]
    assert third.classes[1].previous_names == ("automobile",)
    assert third.class_of(an_object("B", "bus")).id == 1


pairs = st.tuples(st.none() | st.sampled_from("ABCD"), st.sampled_from(["car", "bus", "van"]))


@given(st.lists(st.lists(pairs, max_size=6), max_size=4), st.sampled_from([{}, {"van": "car"}]), st.randoms())
def test_ids_never_change(snapshots: Any, renames: Any, random: Any) -> None:
    """Over any snapshots in any order of rows, ids count from 1, stay with their class, and serve every object."""
    registry = other = NOTHING
    for snapshot in snapshots:
        shuffled = list(snapshot)
        random.shuffle(shuffled)
        before = registry
        registry, other = update(registry, seen(*snapshot), renames), update(other, seen(*shuffled), renames)
        assert registry == other
        assert [each.id for each in registry.classes] == list(range(1, len(registry.classes) + 1))
        for old, new in zip(before.classes, registry.classes, strict=False):
            assert old.feature_schema_id in {None, new.feature_schema_id}
        for schema_id, name in snapshot:
            assert not registry.class_of(an_object(schema_id, name)).removed
        assert len(set(registry.unique_names().values())) == len(registry.classes)


def test_what_others_gave_away_is_given_to_nobody_else() -> None:
    """A registry that goes on from an older one has the ids of those that went on from it too, as tombstones."""
    old = update(NOTHING, seen(("A", "car")), {})
    other = update(old, seen(("A", "automobile"), ("B", "bus")), {})
    third = update(inherited(old, [other]), seen(("A", "car"), ("C", "dog")), {})
    assert state(third) == [(1, "car", False), (2, "bus", True), (3, "dog", False)]
    assert state(update(third, seen(("B", "bus")), {})) == [(1, "car", True), (2, "bus", False), (3, "dog", True)]


def test_an_id_that_was_given_twice_stays_with_the_registry_that_goes_on() -> None:
    """The other class has a new id when it comes back; what neither gave twice is as it was."""
    old = update(NOTHING, seen(("A", "car")), {})
    one = update(old, seen(("A", "car"), ("C", "dog")), {})
    other = update(old, seen(("A", "car"), ("B", "bus"), ("D", "tree")), {})
    both = inherited(one, [other, old])
    assert state(both) == [(1, "car", False), (2, "dog", False), (3, "tree", True)]
    classes = seen(("A", "car"), ("B", "bus"), ("C", "dog"), ("D", "tree"))
    assert [(each.id, each.name) for each in update(both, classes, {}).classes] == [
        (1, "car"), (2, "dog"), (3, "tree"), (4, "bus"),
    ]  # fmt: skip


def test_a_new_id_is_higher_than_any() -> None:
    """Also where a registry has a gap."""
    registry = ClassRegistry((Class(1, "A", "car"), Class(3, "C", "dog")))
    assert state(update(registry, seen(("A", "car"), ("B", "bus")), {})) == [
        (1, "car", False), (3, "dog", True), (4, "bus", False),
    ]  # fmt: skip


def test_names_where_the_schema_is_missing() -> None:
    """An object without a schema id is of the class of its name, also when the schema becomes known later."""
    first = update(NOTHING, seen((None, "car")), {})
    second = update(first, seen(("A", "car"), (None, "car")), {})
    assert state(second) == [(1, "car", False)]
    assert second.classes[0].feature_schema_id == "A"
    assert second.class_of(an_object(None, "car")).id == second.class_of(an_object("A", "car")).id == 1


def test_two_schemas_of_one_name() -> None:
    """Two schemas of one name are two classes; the later one's unique name has a suffix that nothing else has."""
    registry = update(NOTHING, seen(("A", "car"), ("B", "car"), ("C", "car_2")), {})
    assert state(registry) == [(1, "car", False), (2, "car", False), (3, "car_2", False)]
    assert registry.unique_names() == {1: "car", 2: "car_3", 3: "car_2"}


def test_tombstones_do_not_take_names() -> None:
    """A class in use keeps its plain name beside a removed one of the same name."""
    registry = ClassRegistry((Class(1, "A", "car", removed=True), Class(2, "B", "car")))
    assert registry.unique_names() == {1: "car_2", 2: "car"}


def test_names_that_a_format_spells_alike_stay_apart() -> None:
    """Of two names that are one as a format spells them, the later has a suffix that nothing else has."""
    registry = update(NOTHING, seen(("A", "car"), ("B", "car "), ("C", "car_2")), {})
    assert registry.unique_names(str.strip) == {1: "car", 2: "car_3", 3: "car_2"}


def test_merged_classes_and_back() -> None:
    """Names merged by the dataset are one class, the one that had the name; unmerged, each has its own again."""
    first = update(NOTHING, seen(("A", "car"), ("B", "van")), {})
    second = update(first, seen(("A", "car"), ("B", "car")), {"van": "car"})
    assert state(second) == [(1, "car", False), (2, "van", True)]
    assert second.class_of(an_object("B", "car")).id == 1
    third = update(second, seen(("A", "car"), ("B", "van")), {})
    assert state(third) == [(1, "car", False), (2, "van", False)]
    assert third.class_of(an_object("B", "van")).id == 2


def test_a_rename_by_the_dataset_keeps_the_id() -> None:
    """A name that no class has yet is a new name of the class whose schema it is."""
    first = update(NOTHING, seen(("A", "car"), ("B", "bus")), {})
    second = update(first, seen(("A", "vehicle"), ("B", "bus")), {"car": "vehicle"})
    assert state(second) == [(1, "bus", False), (2, "vehicle", False)]


def test_merged_from_the_first_snapshot() -> None:
    """Two schemas merged from the start are one class without a schema of its own."""
    registry = update(NOTHING, seen(("A", "car"), ("B", "car")), {"van": "car", "old": None})
    assert registry.classes == (Class(1, None, "car"),)
    assert registry.merged == ("car",)
    assert registry.class_of(an_object("B", "car")).id == 1


def test_unknown_class() -> None:
    """A class that the registry was not told of is an error, not a guess."""
    with pytest.raises(KeyError):
        NOTHING.class_of(an_object("A", "car"))


def test_registry_as_json() -> None:
    """A registry is the same after JSON."""
    registry = update(NOTHING, seen(("A", "car"), (None, "bus")), {"van": "car"})
    assert registry.class_of(an_object("A", "car")).name == "car"
    assert msgspec.json.decode(msgspec.json.encode(registry), type=ClassRegistry) == registry


def test_seen_classes_of_tables() -> None:
    """Tables give their classes, predicted ones too, with the kinds of their objects; they sort without schema ids."""
    point = shape("ImagePoint", point={"x": 1, "y": 2})
    run = {"labels": [label(box(), point | {"feature_id": "f2"})], "predictions": [label(box(feature_schema_id=None))]}
    values = row() | {"experiments": {"m": {"runs": {"r": run}}}}
    tables = to_tables(
        [
            Sample(
                published(values, Policy(Source("model_run", "r"))),
                Image("a.jpg", 8, 8, "image/jpeg", None, None),
                "train",
            )
        ]
    )
    assert seen_classes(tables) == [
        SeenClass(None, "car", ("bounding_box",)),
        SeenClass("s-car", "car", ("bounding_box", "point")),
    ]
    kinds = ("bounding_box", "point")
    assert update(NOTHING, seen_classes(tables), {}).classes == (Class(1, "s-car", "car", kinds=kinds),)
