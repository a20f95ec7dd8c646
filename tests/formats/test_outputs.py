"""Outputs by name: what a dataset file may say, and what each format then has, whatever is selected."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from format_samples import QUESTION, VARIANTS, annotation, count, dataset, label, mask, radio, sample, text, whole_tree
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from labelsnap.errors import ConfigurationError
from labelsnap.formats.coco.writer import Coco
from labelsnap.formats.description.losses import report
from labelsnap.formats.description.narrowing import narrowed
from labelsnap.formats.outputs import Output, output_of, outputs_of, plain, selected
from labelsnap.formats.registry import STANDING, format_of
from labelsnap.formats.voc import Voc
from labelsnap.formats.yolo.writer import Yolo
from labelsnap.records.choices.classes import Class, ClassRegistry
from labelsnap.records.choices.selection import EVERYTHING, Selection
from labelsnap.records.counts import KINDS
from labelsnap.records.geometry import BoundingBox, Point, Polygon, Polyline
from labelsnap.records.model import Relationship
from tests.examples import of_a_hundred

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labelsnap.formats.interface import Dataset
    from labelsnap.records.geometry import Geometry
    from labelsnap.records.model import Classification, Label

WRITTEN = [name for name, (form, _) in VARIANTS.items() if form not in STANDING]
NAMES = ("car", "truck", "person", "tree")
SHAPES: dict[str, Geometry] = {
    "bounding_box": BoundingBox(1, 1, 4, 3),
    "polygon": Polygon(((0, 4), (8, 4), (8, 6), (0, 6))),
    "polyline": Polyline(((0, 5.5), (8, 4.5))),
    "point": Point(6.5, 2.25),
    "mask": mask("..#.....\n" * 6),
}


def test_a_plain_name_is_a_format_and_any_other_names_one() -> None:
    """Options of an output are its format's, but for the three that are the output's own."""
    formats = {
        "yolo-detect": {"format": "yolo", "task": "detect", "classes": ["car", "person"], "kinds": ["mask"]},
        "yolo-segment": {"format": "yolo", "task": "segment"},
        "coco": {},
    }
    assert outputs_of(formats) == {
        "yolo-detect": Output(
            "yolo-detect", Yolo(task="detect"), Selection((("car", "car"), ("person", "person")), ("mask",))
        ),
        "yolo-segment": Output("yolo-segment", Yolo(task="segment")),
        "coco": Output("coco", Coco()),
    }


def test_classes_may_be_renamed_in_the_order_in_which_they_are_numbered() -> None:
    """A mapping, and what it is kept as: a list, since JSON on its way through a database loses the order of keys."""
    written = {"classes": {"truck": "vehicle", "person": "person", "car": "vehicle"}}
    kept = {"classes": [{"truck": "vehicle"}, "person", {"car": "vehicle"}]}
    assert plain(written) == kept
    assert plain(kept) == kept
    expected = Selection((("truck", "vehicle"), ("person", "person"), ("car", "vehicle")))
    assert output_of("coco", written).selection == output_of("coco", kept).selection == expected


@pytest.mark.parametrize(
    ("formats", "code", "said"),
    [
        ({"yolo-detect": {"task": "detect"}}, "unknown_format", "`format: FORMAT`"),
        ({"cocco": {}}, "unknown_format", "Did you mean 'coco'?"),
        ({"tiny": {"format": "cocco"}}, "unknown_format", "Did you mean 'coco'?"),
        ({"tiny": {"format": None}}, "bad_selection", "found None"),
        ({"tiny": {"format": "yolo", "tasks": "detect"}}, "unknown_format_option", "Did you mean 'task'?"),
        ({"voc": {"format": "coco"}}, "bad_output_name", "the name of another format than coco"),
        ({"VOC": {"format": "coco"}}, "bad_output_name", "the name of another format than coco"),
        ({"Tiny": {"format": "coco"}, "tiny": {"format": "coco"}}, "bad_output_name", "where case is ignored"),
        ({"small": {"format": "parquet"}}, "bad_output_name", "there is one, 'parquet'"),
        ({"small": {"format": "raw"}}, "bad_output_name", "there is one, 'raw'"),
        ({"parquet": {"kinds": ["mask"]}}, "bad_selection", "the snapshot's own"),
        *(
            ({name: {"format": "coco"}}, "bad_output_name", "63 letters, digits")
            for name in ("", "a/b", "../a", ".a", "a.b", "a b", "con", "LPT1", "-a", "x" * 64, "é", "maſks", "a\n")
        ),
        ({"coco": {"classes": []}}, "bad_selection", "found a list, where 1 to"),
        ({"coco": {"classes": "car"}}, "bad_selection", "found 'car'"),
        ({"coco": {"classes": {}}}, "bad_selection", "found keys and values"),
        ({"coco": {"classes": ["car", False]}}, "bad_selection", "found False for a name"),
        ({"coco": {"classes": ["car", " "]}}, "bad_selection", "found ' ' for a name"),
        ({"coco": {"classes": {"car": None}}}, "bad_selection", "found keys and values for a name"),
        ({"coco": {"classes": [{"a": "b", "c": "d"}]}}, "bad_selection", "found keys and values for a name"),
        ({"coco": {"classes": ["car", "car"]}}, "bad_selection", "'car' stands there twice"),
        ({"coco": {"kinds": []}}, "bad_selection", "a list of kinds"),
        ({"coco": {"kinds": ["box"]}}, "bad_selection", "'box' is none"),
        ({"coco": {"kinds": ["boundingbox"]}}, "bad_selection", "Did you mean 'bounding_box'?"),
        ({"coco": {"kinds": ["mask", "mask"]}}, "bad_selection", "'mask' stands there twice"),
        ({"coco": {"kinds": ["relationship", "radio"]}}, "bad_selection", "its two objects"),
        ({"coco": {"kinds": ["polyline"]}}, "bad_selection", "coco, as it is set, holds none of polyline"),
        ({"yolo": {"task": "pose", "kinds": ["mask"]}}, "bad_selection", "It holds: point."),
        ({"yolo": {"task": "classify", "question": "q", "kinds": ["mask"]}}, "bad_selection", "It holds: radio."),
    ],
)
def test_what_cannot_be_an_output_is_refused(formats: dict[str, Any], code: str, said: str) -> None:
    """With what was found, what is allowed, and what was meant where that can be told."""
    with pytest.raises(ConfigurationError) as refused:
        outputs_of(formats)
    assert refused.value.code == code
    assert said in f"{refused.value.message} {refused.value.remedy}"


class Answered(NamedTuple):
    """A question with those below its answer."""

    kind: str
    below: tuple[Answered, ...] = ()


class Drawn(NamedTuple):
    """An object: its class, its kind, and what is asked about it."""

    name: str
    kind: str
    answers: tuple[Answered, ...]


class Tie(NamedTuple):
    """A relationship between two objects, by their places."""

    source: int
    target: int
    answers: tuple[Answered, ...]


class Work(NamedTuple):
    """A label."""

    objects: tuple[Drawn, ...]
    ties: tuple[Tie, ...]
    answers: tuple[Answered, ...]


ASKED = Work((), (), (Answered("radio"),))
"""A label without objects that answers the question which images can be laid out by."""
ANSWERED = st.sampled_from(["radio", "text"])
BELOW = st.lists(st.builds(Answered, ANSWERED, st.just(())), max_size=1).map(tuple)
ANSWERS = st.builds(Answered, ANSWERED, BELOW)
SOME_ANSWERS = st.lists(ANSWERS, max_size=2).map(tuple)
DRAWN = st.builds(Drawn, st.sampled_from(NAMES), st.sampled_from(sorted(SHAPES)), SOME_ANSWERS)


@st.composite
def works(draw: Callable[..., Any]) -> Work:
    """Draw a label; relationships are between its objects."""
    objects = draw(st.lists(DRAWN, max_size=5).map(tuple))
    places = st.integers(0, max(0, len(objects) - 1))
    ties = draw(st.lists(st.builds(Tie, places, places, SOME_ANSWERS), max_size=2 if objects else 0).map(tuple))
    return Work(objects, ties, draw(SOME_ANSWERS))


SELECTIONS = st.builds(
    Selection,
    st.none()
    | st.lists(st.sampled_from(NAMES), min_size=1, unique=True).flatmap(
        lambda names: st.tuples(*(st.tuples(st.just(name), st.sampled_from([name, "vehicle"])) for name in names))
    ),
    st.none() | st.sets(st.sampled_from(KINDS), min_size=1).map(lambda kinds: tuple(sorted(kinds))),
)


def question(asked: Answered, kinds: Sequence[str], place: int) -> Classification:
    """Answer a question, and of those below it the ones of these kinds."""
    below = [question(each, kinds, at) for at, each in enumerate(asked.below) if each.kind in kinds]
    name = f"{QUESTION}-{place}" if place else QUESTION
    return radio(name, "red", *below) if asked.kind == "radio" else text(name, "LS 1", *below)


def made(work: Work, selection: Selection) -> Label:
    """Make a label in which only what is selected was ever annotated; other things keep their ids."""
    kinds = selection.kinds or KINDS
    given = dict(selection.classes or [(name, name) for name in NAMES])

    def answers(asked: tuple[Answered, ...]) -> list[Classification]:
        return [question(each, kinds, place) for place, each in enumerate(asked) if each.kind in kinds]

    there = [each.name in given and each.kind in kinds for each in work.objects]
    objects = []
    for place, each in enumerate(work.objects):
        if there[place]:
            drawn = annotation(
                SHAPES[each.kind], name=each.name, feature_id=f"f-{place}", answers=answers(each.answers)
            )
            objects.append(type(drawn)(drawn.feature_id, drawn.feature_schema_id, given[each.name], *drawn_rest(drawn)))
    ties = [
        Relationship(f"t-{at}", None, "before", None, f"f-{tie.source}", f"f-{tie.target}", tuple(answers(tie.answers)))
        for at, tie in enumerate(work.ties)
        if "relationship" in kinds and there[tie.source] and there[tie.target]
    ]
    return label(*objects, answers=answers(work.answers), relationships=ties)


def drawn_rest(drawn: Any) -> tuple[Any, ...]:
    """What of an object comes after its name."""
    return drawn.value, drawn.geometry, drawn.classifications


def classes_of(selection: Selection) -> ClassRegistry:
    """The classes as a dataset would number them that had been made for the output alone."""
    kinds = tuple(kind for kind in sorted(SHAPES) if kind in (selection.kinds or KINDS))
    if selection.classes is None:
        return ClassRegistry(tuple(Class(at, f"schema-{name}", name, kinds=kinds) for at, name in enumerate(NAMES, 1)))
    own: dict[str, list[str]] = {}
    for name, given_name in selection.classes:
        own.setdefault(given_name, []).append(f"schema-{name}")
    found = [
        Class(at, schemas[0] if len(schemas) == 1 else None, name, kinds=kinds)
        for at, (name, schemas) in enumerate(own.items(), 1)
    ]
    return ClassRegistry(tuple(found), tuple(sorted(own)))


def trees(work: Work, predicted: Work, selection: Selection) -> tuple[Dataset, Dataset]:
    """A dataset of two rows, and the one in which only what is selected was ever annotated."""

    def rows(of: Selection) -> Dataset:
        row = sample(made(work, of), predictions=[made(predicted, of)])
        asked = sample(made(ASKED, of), name="asked", split="val", predictions=[])
        return dataset(row, asked, classes=classes_of(of), model_run=True)

    return rows(EVERYTHING), rows(selection)


@pytest.mark.parametrize("variant", WRITTEN)
@settings(max_examples=of_a_hundred(20))
@given(work=works(), predicted=works(), selection=SELECTIONS)
def test_an_output_is_its_format_of_what_is_selected(
    variant: str, work: Work, predicted: Work, selection: Selection
) -> None:
    """Byte for byte: as if nothing else had ever been annotated, and no other class been there."""
    each = format_of(*VARIANTS[variant])
    assume(variant != "yolo-classify" or "radio" in (selection.kinds or KINDS))  # without them it is refused
    whole, expected = trees(work, predicted, selection)
    assert whole_tree(each, selected(whole, selection.of(whole.registry))) == whole_tree(each, expected)


@given(variant=st.sampled_from(WRITTEN), work=works(), predicted=works(), selection=SELECTIONS)
def test_held_lost_and_not_selected_are_what_was_annotated(
    variant: str, work: Work, predicted: Work, selection: Selection
) -> None:
    """Held and lost are those of the format where nothing else is there; all others count once as not selected."""
    each = format_of(*VARIANTS[variant])
    whole, expected = ([row.sample for row in source.rows("train")] for source in trees(work, predicted, selection))
    everything = classes_of(EVERYTHING)
    found = report(each, narrowed(count(whole), selection.of(everything)))
    alone = report(each, count(expected))
    for tally, of_selected, annotated in (
        (found.labels, alone.labels, count(whole).kinds()),
        (found.predictions, alone.predictions, count(whole).kinds(predicted=True)),
    ):
        assert (tally.held, tally.lost) == (of_selected.held, of_selected.lost)
        assert Counter(tally.held) + Counter(tally.lost) + Counter(tally.not_selected) == Counter(annotated)


@given(work=works(), selection=SELECTIONS)
def test_classes_count_what_the_output_has_of_them(work: Work, selection: Selection) -> None:
    """Under their names there, those of labels and of predictions."""
    whole, expected = trees(work, work, selection)
    counted, alone = (count(row.sample for row in source.rows("train")) for source in (whole, expected))
    members: Counter[tuple[str, bool, str, str]] = Counter()
    for member, number in narrowed(counted, selection.of(whole.registry)).members:
        members[member.name, member.predicted, member.kind, member.feature_schema_id] += number
    assert members == {
        (member.name, member.predicted, member.kind, member.feature_schema_id): number
        for member, number in alone.members
    }


def test_a_sample_of_which_all_is_selected_is_itself() -> None:
    """So that what is painted of it is painted once for all outputs that have it whole."""
    row = sample(label(annotation(SHAPES["mask"]), answers=[radio("a", "b", text("c", "d"))]))
    for selection in (EVERYTHING, Selection((("car", "car"),)), Selection(kinds=("mask", "radio", "text"))):
        assert selection.of(classes_of(EVERYTHING)).sample(row) is row


def test_images_with_many_objects_are_told_as_the_most_that_there_can_be() -> None:
    """Which of them are over 254 objects is known for all objects only."""
    rows = [sample(label(*[annotation(SHAPES["mask"])] * 255))]
    *_, whole = Voc().advice(count(rows), classes_of(EVERYTHING))
    *_, some = Voc().advice(
        narrowed(count(rows), Selection((("car", "car"),)).of(classes_of(EVERYTHING))), ClassRegistry()
    )
    assert whole.startswith("1 images have more than 254 objects")
    assert some == f"Up to {whole}"
