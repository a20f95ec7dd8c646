"""What every format of the registry keeps to."""

from __future__ import annotations

import pickle
import time
from collections import Counter
from dataclasses import fields, replace
from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from format_samples import (
    QUESTION,
    RING_AND_PART,
    annotation,
    checklist,
    contents,
    count,
    dataset,
    every_kind,
    files_of,
    label,
    mask,
    numbered,
    radio,
    registry,
    sample,
    samples_of,
    text,
    whole_tree,
)
from msgspec import structs

from labelsnap.errors import ConfigurationError
from labelsnap.formats.description.losses import report
from labelsnap.formats.interface import Holdings, Shard, written
from labelsnap.formats.registry import STANDING, format_of
from labelsnap.formats.yolo.writer import Yolo
from labelsnap.records.counts import KINDS, kind_of
from labelsnap.records.geometry import BoundingBox, Point, Polygon, Polyline
from labelsnap.records.model import Relationship

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelsnap.formats.interface import Format
    from labelsnap.records.geometry import Geometry
    from labelsnap.records.model import Annotation, Classification, Label, Sample

LABELLED = {
    "bounding_box": 1,
    "polygon": 1,
    "polyline": 1,
    "point": 1,
    "mask": 2,
    "relationship": 1,
    "radio": 4,
    "checklist": 2,
    "text": 2,
}
"""What ``every_kind`` holds, counted by hand in its source: nested questions count each."""

PREDICTED = {"bounding_box": 1, "polyline": 1, "mask": 1, "radio": 2}
OBJECTS = ("bounding_box", "polygon", "polyline", "point", "mask", "relationship")
KINDS_AND_ABOUT = [
    *((kind, kind) for kind in OBJECTS),
    *((kind, about) for kind in ("radio", "checklist", "text") for about in (*OBJECTS, "image")),
]
OF_ANY_KIND = registry("car", points=["car"])
"""A class that may have points, as that of a project in which some were drawn."""

ODD_NAMES = ["naïve 🚗", 'say "car"', "../car", "a/b", "line\nbreak", "C:\\car", "null", " ", "x" * 300]


@pytest.mark.parametrize("name", STANDING)
def test_standing_formats_write_nothing(name: str) -> None:
    """Their files are the snapshot's own, whatever the dataset file says."""
    assert whole_tree(format_of(name), every_kind()) == {}


def test_same_samples_give_the_same_bytes(each: Format) -> None:
    """Nothing but the samples decides the bytes: no clock, no order of a set, no first time."""
    assert whole_tree(each, every_kind()) == whole_tree(each, every_kind())


def test_another_day_gives_the_same_bytes(each: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time gets into a file: ten years later it has the same bytes."""
    today = whole_tree(each, every_kind())
    later = time.time() + 10 * 365 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.setattr(time, "time_ns", lambda: int(later * 1e9))
    assert whole_tree(each, every_kind()) == today


def test_every_split_has_files_without_samples(each: Format) -> None:
    """A dataset without rows is a tree that a reader can open, with the same names as any other."""
    empty = files_of(each, dataset(), "train")
    assert any(empty.values())


def test_image_without_objects_changes_the_files(each: Format) -> None:
    """An image that nobody drew on is not left out."""
    assert whole_tree(each, dataset(sample())) != whole_tree(each, dataset())


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_stay_inside_the_tree(each: Format, name: str) -> None:
    """Names from the export end up in files, never in paths."""
    odd = label(annotation(BoundingBox(0, 0, 1, 1), name=name, answers=[text(name, name)]))
    for path in whole_tree(each, dataset(sample(odd), classes=registry(name))):
        parts = PurePosixPath(path).parts
        assert parts
        assert not {"/", "..", "."} & set(parts)
        assert path.isascii()


@pytest.mark.parametrize(
    "geometry",
    [
        pytest.param(mask("........\n" * 5 + ".......#"), id="mask of one pixel"),
        pytest.param(mask("########\n" * 6), id="mask of the whole image"),
        pytest.param(mask(RING_AND_PART), id="mask with a hole and two parts"),
        pytest.param(BoundingBox(0, 0, 8, 6), id="box of the whole image"),
        pytest.param(Point(8, 6), id="point in the corner"),
        pytest.param(Polygon(((0, 0), (8, 0), (8, 6), (0, 6), (0, 0))), id="polygon of the whole image"),
    ],
)
def test_shapes_on_the_border_are_written(each: Format, geometry: Geometry) -> None:
    """One-pixel masks and shapes that touch the image's border stop no format, alone or above another object."""
    drawn, below = annotation(geometry), annotation(mask("........\n" * 4 + ".##.....\n" * 2))
    alone, above, without = (
        whole_tree(each, dataset(sample(label(*objects)), classes=OF_ANY_KIND))
        for objects in ([drawn], [below, drawn], [below])
    )
    kind = kind_of(geometry)
    assert alone
    assert (above != without) == each.holds.holds(kind, kind)


@pytest.mark.parametrize(
    "geometry",
    [
        pytest.param(mask("........\n" * 6), id="mask without a pixel"),
        pytest.param(BoundingBox(8, 6, 0, 0), id="box without an area"),
        pytest.param(BoundingBox(9, 1, 3, 3), id="box outside"),
        pytest.param(Polygon(((8, 6),)), id="polygon of one vertex"),
        pytest.param(Polygon(((1, 1), (3, 3), (2, 2))), id="polygon on a line"),
    ],
)
def test_what_has_no_area_is_in_the_files_where_that_is_declared(each: Format, geometry: Geometry) -> None:
    """A format that needs an area writes an image without objects, and counts the object and its answers as lost."""
    odd = sample(label(annotation(geometry, answers=[radio("colour", "red")])))
    kind, answered = kind_of(geometry), each.holds.radio in {"objects", "everywhere"}
    held = each.holds.flat
    assert (whole_tree(each, dataset(odd)) != whole_tree(each, dataset(sample()))) == held
    found = report(each, count([odd])).labels
    assert (found.held.get(kind, 0), found.held.get("radio", 0)) == (held, held and answered)
    assert (found.lost.get(kind, 0), found.lost.get("radio", 0)) == (not held, not (held and answered))


@pytest.mark.parametrize("count", [260, pytest.param(1000, marks=pytest.mark.slow)])
def test_many_classes_are_told_apart(each: Format, count: int) -> None:
    """Swapping the classes of two objects changes the files, however many classes there are."""
    names = [f"class-{number}" for number in range(count)]

    def two(first: str, second: str) -> dict[str, bytes]:
        pixels = (mask("#.......\n" + "........\n" * 5), mask(".#......\n" + "........\n" * 5))
        objects = [
            annotation(geometry, name=name)
            for at, name in enumerate((first, second))
            for geometry in (BoundingBox(at, 0, 1, 1), Point(at, 0), pixels[at])
        ]
        answered = label(*objects, answers=[radio(QUESTION, first)])
        return whole_tree(each, dataset(sample(answered), classes=registry(*names)))

    assert two(names[0], names[-1]) != two(names[-1], names[0])


def test_bytes_are_made_while_they_are_read(each: Format) -> None:
    """No file waits for all samples: some bytes come in the middle of a pass."""
    place = 0

    def samples(_: str) -> Iterator[Sample]:
        nonlocal place
        for place in range(1, 1001):
            yield sample(name=f"street-{place}")

    def shards(split: str, _: int) -> Iterator[Shard]:
        yield Shard(0, 1, lambda: samples(split))

    passes = replace(dataset(), shards=shards, rows=lambda split: numbered(samples(split)))
    artifacts = written(each, passes, "train")
    assert any(0 < place < 1000 for artifact in artifacts for _ in artifact.chunks)


def test_every_kind_is_declared() -> None:
    """What a format holds has a field for each kind of annotation, one for objects without an area, and no other."""
    assert [field.name for field in fields(Holdings)] == [*KINDS, "flat"]


def full_label() -> Label:
    """Make a label with every kind of question about every kind of object, about a relationship and about the image."""
    answers = [radio(QUESTION, "red"), checklist("wear", "rust"), text("plate", "LS 1")]
    shapes = [
        BoundingBox(1, 1, 4, 3),
        Polygon(((0, 4), (8, 4), (8, 6), (0, 6))),
        Polyline(((0, 5.5), (8, 4.5))),
        Point(6.5, 2.25),
        mask("..#.....\n" * 6),
    ]
    objects = [annotation(shape, feature_id=f"f-{at}", answers=answers) for at, shape in enumerate(shapes)]
    tie = Relationship("f-tie", None, "before", None, "f-0", "f-4", tuple(answers))
    return label(*objects, answers=answers, relationships=[tie])


def without(kind: str, about: str, whole: Label) -> Label:
    """Leave out what is of a kind: objects, relationships, or the answers about one kind of them or about the image."""

    def kept(part: Annotation | Relationship, own: str) -> tuple[Classification, ...]:
        return tuple(each for each in part.classifications if own != about or kind_of(each.answer) != kind)

    annotations = [(each, kind_of(each.geometry)) for each in whole.annotations]
    return structs.replace(
        whole,
        annotations=tuple(
            structs.replace(each, classifications=kept(each, own)) for each, own in annotations if own != kind
        ),
        relationships=tuple(
            structs.replace(each, classifications=kept(each, "relationship"))
            for each in whole.relationships
            if kind != "relationship"
        ),
        classifications=tuple(
            each for each in whole.classifications if about != "image" or kind_of(each.answer) != kind
        ),
    )


@pytest.mark.parametrize("predicted", [False, True], ids=["labels", "predictions"])
def test_what_is_held_is_in_the_files_and_what_is_lost_is_not(each: Format, *, predicted: bool) -> None:
    """Leaving something out changes the files where it is declared as held, and changes nothing where it is not."""

    def files(of: Label) -> dict[str, bytes]:
        row = sample(predictions=[of]) if predicted else sample(of, predictions=[])
        return whole_tree(each, dataset(row, classes=OF_ANY_KIND, model_run=True))

    whole = full_label()
    holdings = each.holds_of_predictions if predicted else each.holds
    of_all = files(whole)
    in_the_files = {(kind, about) for kind, about in KINDS_AND_ABOUT if files(without(kind, about, whole)) != of_all}
    assert in_the_files == {
        (kind, about)
        for kind, about in KINDS_AND_ABOUT
        if holdings.holds(kind, about, QUESTION if about == "image" else "")
    }


def test_held_and_lost_are_all_there_is(each: Format) -> None:
    """For every kind, held + lost is what was annotated; of a kind that is not declared as held, all is lost."""
    source = every_kind()
    found = report(each, count([one for split in source.splits for one in samples_of(source, split)]))
    for tally, expected, holds in (
        (found.labels, LABELLED, each.holds),
        (found.predictions, PREDICTED, each.holds_of_predictions),
    ):
        assert Counter(tally.held) + Counter(tally.lost) == Counter(expected)
        assert all(getattr(holds, kind) not in {False, "nowhere"} for kind in tally.held)
        assert all((*tally.held.values(), *tally.lost.values()))


def test_dataset_that_refers_to_images_is_written(each: Format) -> None:
    """Where images are not copied, every format has its files, but one that is nothing but images, which says so."""
    copied, referred = (dataset(sample(full_label(), copied=copied)) for copied in (True, False))
    if each == Yolo(task="classify", question=QUESTION):
        with pytest.raises(ConfigurationError, match="images: copy"):
            whole_tree(each, referred)
    else:
        assert whole_tree(each, referred).keys() == whole_tree(each, copied).keys()


def test_images_lie_at_a_relative_path_of_their_own(each: Format) -> None:
    """Two images are never laid at one path, and none outside the tree."""
    names = {"train": ("a.jpg", "b.jpg"), "val": ("c.jpg", "d.jpg")}
    paths = {each.image_path(split, name) for split, of_split in names.items() for name in of_split}
    assert paths == {None} or len(paths - {None}) == 4
    assert not any(PurePosixPath(path).is_absolute() for path in paths if path)


def test_format_is_a_value(each: Format) -> None:
    """A format can be sent to another process and compared."""
    assert pickle.loads(pickle.dumps(each)) == each  # noqa: S301 -- made two words before


def test_a_format_says_whether_images_may_be_elsewhere(each: Format) -> None:
    """Of a dataset that refers to its images it writes its files, or says beforehand that it cannot."""
    referring = dataset(sample(copied=False))
    files = chain.from_iterable(written(each, referring, split) for split in referring.splits)
    if each.takes_references:
        assert contents(files)
        return
    with pytest.raises(ConfigurationError) as refused:
        contents(files)
    assert refused.value.code == "images_not_copied"
