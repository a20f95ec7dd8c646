"""A project's ontology: read from Labelbox's normalized form within bounds, kept as a table, compared."""

from __future__ import annotations

from typing import Any

import pytest

from labelsnap.records.choices.classes import ClassRegistry, OfferedClass, SeenClass, offered_classes, update
from labelsnap.records.ontology import Changed, Feature, Named, Ontology, OntologyChanges, compare, union
from labelsnap.records.parsing.ontology import DEPTH, LONGEST, MOST, ROOM, parse_ontology
from labelsnap.records.tables.tables import ontology_of, ontology_table

STATE = {
    "type": "radio",
    "name": "state",
    "instructions": "What state is it in?",
    "featureSchemaId": "Q1",
    "required": True,
    "options": [
        {"label": "parked", "value": "parked_car", "featureSchemaId": "O1", "options": []},
        {
            "label": "moving",
            "value": "moving",
            "featureSchemaId": "O2",
            "options": [{"type": "text", "name": "where to", "featureSchemaId": "Q2", "options": []}],
        },
    ],
}
NORMALIZED = {
    "tools": [
        {"tool": "rectangle", "name": "car", "color": "#FF00aa", "featureSchemaId": "T1", "classifications": [STATE]},
        {"tool": "superpixel", "name": "sky", "color": None, "featureSchemaId": "T2", "archived": 1},
        {"tool": "edge", "name": "drives", "featureSchemaId": "T3"},
    ],
    "classifications": [{"type": "checklist", "name": "weather", "featureSchemaId": "Q3", "options": []}],
}
FEATURES = (
    Feature("bounding_box", ("car",), "T1", colour="#ff00aa"),
    Feature("radio", ("car", "state"), "Q1", 0, instructions="What state is it in?", required=True),
    Feature("option", ("car", "state", "parked"), "O1", 1, value="parked_car"),
    Feature("option", ("car", "state", "moving"), "O2", 1, value="moving"),
    Feature("text", ("car", "state", "moving", "where to"), "Q2", 3),
    Feature("mask", ("sky",), "T2", archived=True),
    Feature("relationship", ("drives",), "T3"),
    Feature("checklist", ("weather",), "Q3"),
)


def tool(name: Any, schema: Any = "T", **more: Any) -> Any:
    """A box's tool."""
    return {"tool": "rectangle", "name": name, "featureSchemaId": schema, **more}


def question(name: str, kind: str, *options: Any) -> Any:
    """A question with what it offers."""
    return {"type": kind, "name": name, "featureSchemaId": f"Q-{name}", "options": list(options)}


def option(name: str, *below: Any) -> Any:
    """An option with the questions that hang on it."""
    return {"label": name, "value": name, "featureSchemaId": f"O-{name}", "options": list(below)}


def ontology(*names: str, kind: str = "bounding_box") -> Ontology:
    """Tools of these names, whose first letters are their schemas."""
    return Ontology(tuple(Feature(kind, (name,), name[0]) for name in names))


def test_tools_questions_and_options_at_any_depth() -> None:
    """Each stands behind what it hangs on, in the editor's order; an archived tool makes no class."""
    found = parse_ontology(NORMALIZED)
    assert found == Ontology(FEATURES)
    assert [each.name for each in found.classes] == ["car"]
    assert found.questions == 3
    assert ontology_of(ontology_table(found)) == found


@pytest.mark.parametrize(
    ("tools", "names", "unreadable"),
    [
        (None, [], 0),
        ("car", [], 1),
        ([None, 7, [], "car"], [], 4),
        ([tool("car"), {"tool": "named-entity", "name": "word", "featureSchemaId": "W"}], ["car"], 1),
        ([tool("car", tool=["rectangle"]), tool("van", None), tool(""), tool(7)], [], 4),
        ([tool("x" * LONGEST), tool("x" * (LONGEST + 1)), tool("bus", "i" * (LONGEST + 1))], ["x" * LONGEST], 2),
        ([tool("car", color="red"), tool("bus", color="#12345"), tool("van", color={})], ["car", "bus", "van"], 3),
        ([tool("half \ud83d")], ["half \ufffd"], 0),
        ([tool(f"{number}") for number in range(MOST + 2)], [f"{number}" for number in range(MOST)], 2),
    ],
)
def test_what_cannot_be_read_is_left_out_and_counted(tools: Any, names: Any, unreadable: int) -> None:
    """Other media, other types, names and ids that are missing or too long, and more than there can be."""
    found = parse_ontology({"tools": tools})
    assert [each.name for each in found.features] == names
    assert found.unreadable == unreadable
    assert ontology_of(ontology_table(found)).features == found.features


@pytest.mark.parametrize("normalized", [None, [], "{}", 7])
def test_what_is_no_ontology_has_no_features(normalized: Any) -> None:
    """Nothing is raised; it is counted."""
    assert parse_ontology(normalized) == Ontology((), 1)


def test_features_hang_so_deep_and_no_deeper() -> None:
    """What hangs deeper is left out, with all below it."""
    question: Any = None
    for _ in range(DEPTH):
        options = [{"label": "o", "featureSchemaId": "O", "options": [question] if question else []}]
        question = {"type": "radio", "name": "q", "featureSchemaId": "Q", "options": options}
    found = parse_ontology({"classifications": [question]})
    assert (len(found.features), found.unreadable) == (DEPTH, 1)


def test_paths_have_no_more_room_than_there_is() -> None:
    """Long names that hang below each other would fill the memory by their paths."""
    option = {"label": "o" * LONGEST, "featureSchemaId": "O"}
    question = {"type": "radio", "name": "q" * LONGEST, "featureSchemaId": "Q", "options": [option] * (MOST - 1)}
    found = parse_ontology({"classifications": [question]})
    assert sum(len(name) for each in found.features for name in each.path) <= ROOM
    assert found.unreadable == MOST - len(found.features) > 0


@pytest.mark.parametrize("features", [[Feature("text", ("a",), "A", 0)], [Feature("text", ("a",), "A", -1)]])
def test_a_table_whose_features_hang_on_none_before_is_refused(features: Any) -> None:
    """It is not what was written."""
    table = ontology_table(Ontology(tuple(features)))
    with pytest.raises(ValueError, match="later"):
        ontology_of(table)


def test_classes_are_offered_as_the_dataset_names_them() -> None:
    """Renamed and merged names are one class, a dropped one is none, and what makes no class is left out."""
    found = offered_classes(
        Ontology((*ontology("van", "bus", "car", "dog").features, *ontology("edge", kind="relationship").features)),
        {"van": "car", "dog": None},
    )
    assert found == (
        OfferedClass("v", "car", ("bounding_box",)),
        OfferedClass("b", "bus", ("bounding_box",)),
        OfferedClass("c", "car", ("bounding_box",)),
    )
    classes = update(ClassRegistry(), [], {"van": "car", "dog": None}, found).classes
    assert [(each.id, each.name, each.removed) for each in classes] == [(1, "car", False), (2, "bus", False)]


def test_a_class_keeps_the_last_colour_that_the_ontology_gave_it() -> None:
    """Where it gives none any more, or none that can be read, pictures stay as they are."""
    registry = ClassRegistry()
    for colour in ("#ff0000", "#00ff00", None, None):
        registry = update(registry, [], {}, [OfferedClass("c", "car", ("mask",), colour)])
    assert [each.colour for each in registry.classes] == ["#00ff00"]


def test_over_four_ontologies_ids_stay() -> None:
    """New ids in the ontology's order, behind those that were given; its names count; what it drops is a tombstone."""
    registry = ClassRegistry()
    seen = [SeenClass("c", "car", ("polygon",)), SeenClass(None, "attic"), SeenClass("u", "unlisted")]
    states = []
    for names in (("van", "car"), ("automobile", "bus", "van"), ("car", "bus")):
        offered = [OfferedClass("c" if name == "automobile" else name[0], name, ("mask",)) for name in names]
        registry = update(registry, seen, {}, offered)
        states.append([(each.name, each.removed) for each in registry.classes])
    rows = [("unlisted", False), ("attic", False)]
    assert states == [
        [("van", False), ("car", False), *rows],
        [("van", False), ("automobile", False), *rows, ("bus", False)],
        [("van", True), ("car", False), *rows, ("bus", False)],
    ]
    assert registry.classes[1].kinds == ("mask", "polygon")
    assert registry.classes[1].previous_names == ("automobile",)


def test_options_are_those_of_questions_about_images_by_path() -> None:
    """At any depth; not those of checklists, of objects, or of what is offered no more."""
    read = parse_ontology(
        {
            "tools": [tool("car", classifications=[question("colour", "radio", option("red"))])],
            "classifications": [
                question(
                    "weather", "radio", option("rain", question("how much", "radio", option("a lot"))), option("sun")
                ),
                question("hazards", "checklist", option("ice", question("where", "radio", option("bridge")))),
                question("old", "radio", option("gone")) | {"archived": 1},
                question("light", "radio", option("lamp") | {"archived": 1}, option("none")),
            ],
        }
    )
    assert read.options == {
        ("weather",): ("rain", "sun"),
        ("weather", "how much"): ("a lot",),
        ("hazards", "where"): ("bridge",),
        ("light",): ("none",),
    }


def test_every_change_is_named() -> None:
    """A feature is known by its schema under what it hangs on: an option of two questions is two."""
    before, after = (
        parse_ontology(NORMALIZED),
        parse_ontology(
            {
                "tools": [
                    {**NORMALIZED["tools"][2], "name": "steers"},
                    {**NORMALIZED["tools"][0], "color": "#000000", "classifications": [{**STATE, "required": False}]},
                    {"tool": "line", "name": "lane", "featureSchemaId": "T9"},
                ],
                "classifications": NORMALIZED["classifications"],
            }
        ),
    )
    assert compare(before, after) == OntologyChanges(
        added=(Named("polyline", ("lane",)),),
        removed=(Named("mask", ("sky",)),),
        renamed=(Changed("relationship", ("steers",), "drives", "steers"),),
        recoloured=(Changed("bounding_box", ("car",), "#ff00aa", "#000000"),),
        moved=(Named("relationship", ("steers",)),),
        changed=(Named("radio", ("car", "state")),),
    )
    assert compare(after, after) == OntologyChanges()


@pytest.mark.parametrize(
    ("after", "moved"),
    [("abcd", ""), ("bcda", "a"), ("dabc", "d"), ("acbd", "c"), ("dcba", "dcb"), ("xaybzcd", ""), ("bd", "")],
)
def test_as_few_as_can_be_are_moved(after: str, moved: str) -> None:
    """What was put in between or taken away moves nothing."""
    found = compare(ontology(*"abcd"), ontology(*after)).moved
    assert "".join(each.path[0] for each in found) == moved


def test_ontologies_of_several_projects_are_one_in_turn():
    """What an earlier one has is not repeated, with what hangs on it; classes go by the names that they are given."""
    first, second = (
        Ontology(FEATURES, unreadable=1),
        Ontology(
            (
                FEATURES[0],
                FEATURES[1],
                Feature("mask", ("automobile",), "T9"),
                Feature("text", ("automobile", "plate"), "Q9", 2),
                Feature("polygon", ("pavement",), "T8"),
                Feature("radio", ("pavement", "wet"), "Q8", 4),
                Feature("text", ("remarks",), "Q7"),
            ),
            unreadable=2,
        ),
    )
    assert union([(first, {})]) == first
    found = union([(first, {}), (second, {"automobile": "truck", "pavement": None, "remarks": "no class"})])
    assert found.features[: len(FEATURES)] == FEATURES
    assert found.features[len(FEATURES) :] == (
        Feature("mask", ("truck",), "T9"),
        Feature("text", ("truck", "plate"), "Q9", len(FEATURES)),
        Feature("text", ("remarks",), "Q7"),
    )
    assert found.unreadable == 3
    assert ontology_of(ontology_table(found)).features == found.features


def test_classes_of_several_projects_are_known_by_name():
    """Whatever their feature schemas: one that has an id keeps it, and one that is called otherwise is another."""
    one = update(ClassRegistry(), [SeenClass("s1", "car", ("mask",))], {})
    seen = [SeenClass("s1", "car", ("mask",)), SeenClass("s2", "car", ("bounding_box",)), SeenClass("s2", "dog")]
    both = update(one, seen, {}, by_name=True)
    assert [(each.id, each.name, each.kinds) for each in both.classes] == [
        (1, "car", ("bounding_box", "mask")),
        (2, "dog", ()),
    ]
    assert both.class_named("s2", "car").id == both.class_named("s1", "car").id == 1
    assert both.unique_names() == {1: "car", 2: "dog"}
