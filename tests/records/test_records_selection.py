"""Which classes a list of names means, and under which numbers an output has them."""

from __future__ import annotations

from labelsnap.records.choices.classes import Class, ClassRegistry
from labelsnap.records.choices.selection import EVERYTHING, Selection

CAR, SECOND_CAR, TREE = Class(1, "s-1", "car", kinds=("mask",)), Class(4, "s-4", "car"), Class(2, "s-2", "tree")
STREET = ClassRegistry((CAR, TREE, Class(3, "s-3", "auto", ("wagon", "motor")), SECOND_CAR))


def chosen(*names, registry=STREET):
    """The names of a list that stand for each class, by its id."""
    choice = Selection(tuple((name, name.upper()) for name in names)).of(registry)
    named = {each.id: choice.name_of(each.feature_schema_id or "", each.name, "mask") for each in registry.classes}
    return {number: name for number, name in named.items() if name is not None}


def told(*names, registry=STREET):
    """What is said of a list."""
    return list(Selection(tuple((name, name) for name in names)).of(registry).told(repr))


def test_a_class_has_the_number_of_its_place_in_the_list():
    """From 1, all in use, with the kinds that are selected; the id of its feature schema where it is one class."""
    selection = Selection((("tree", "tree"), ("car", "vehicle"), ("auto", "vehicle"), ("bus", "bus")), ("mask",))
    assert selection.of(STREET).registry == ClassRegistry(
        (Class(1, "s-2", "tree"), Class(2, None, "vehicle", kinds=("mask",)), Class(3, None, "bus")),
        ("bus", "tree", "vehicle"),
    )


def test_without_a_list_classes_are_the_datasets():
    """With their ids; of their kinds those that are selected, so that no file waits for points that are not there."""
    assert EVERYTHING.of(STREET).registry is STREET
    with_points = ClassRegistry((Class(7, "s-7", "lamp", kinds=("bounding_box", "point")),))
    narrowed = Selection(kinds=("bounding_box",)).of(with_points).registry
    assert narrowed == ClassRegistry((Class(7, "s-7", "lamp", kinds=("bounding_box",)),))


def test_a_name_means_all_classes_that_are_called_so():
    """Two tools of one name are one class to those who name it; by the name that formats give it one is meant alone."""
    assert chosen("car") == {1: "CAR", 4: "CAR"}
    assert chosen("car_2") == {4: "CAR_2"}
    assert chosen("car_2", "car") == {1: "CAR", 4: "CAR_2"}


def test_a_class_that_was_renamed_stays():
    """By the newest of its earlier names that is listed, unless a class in use is called so now; that it is told."""
    assert chosen("motor") == chosen("wagon", "motor") | {} == {3: "MOTOR"}
    assert told("motor") == ["The class 'motor' of `classes` is called 'auto' now."]
    again = ClassRegistry((*STREET.classes, Class(5, "s-5", "motor")))
    assert chosen("motor", registry=again) == {5: "MOTOR"}
    gone = ClassRegistry((*STREET.classes, Class(5, "s-5", "motor", removed=True)))
    assert chosen("motor", registry=gone) == {3: "MOTOR", 5: "MOTOR"}


def test_a_class_without_an_object_is_told_of_only_where_none_is_called_so():
    """A removed class is known; what nobody ever called so is told, with the nearest name."""
    gone = ClassRegistry((Class(1, "s-1", "bus", removed=True),))
    assert told("bus", registry=gone) == []
    choice = Selection((("bsu", "bsu"), ("bus", "bus"))).of(gone)
    assert choice.unknown == ("bsu",)
    (said,) = choice.told(repr)
    assert "'bsu'" in said
    assert said.endswith("Did you mean 'bus'?")
    (said,) = told("zebra", registry=gone)
    assert "mean" not in said
