"""The loss report, counted by hand."""

from __future__ import annotations

from format_samples import annotation, count, every_kind, label, mask, radio, sample, samples_of
from msgspec import structs

from labelsnap.formats.coco.writer import Coco
from labelsnap.formats.description.losses import FormatReport, Images, Tally, report
from labelsnap.formats.raw import Raw
from labelsnap.formats.yolo.writer import Yolo
from labelsnap.records.geometry import BoundingBox, Polyline
from labelsnap.records.model import Relationship


def test_coco_loses_polylines_and_what_is_answered_about_them() -> None:
    """Everything is in the files but the line and the radio question about its paint."""
    source = every_kind()
    labels = report(Coco(), count([one for split in source.splits for one in samples_of(source, split)])).labels
    assert labels == Tally(
        held={
            "bounding_box": 1,
            "checklist": 2,
            "mask": 2,
            "point": 1,
            "polygon": 1,
            "radio": 3,
            "relationship": 1,
            "text": 2,
        },
        lost={"polyline": 1, "radio": 1},
    )


def test_coco_results_lose_what_is_predicted_about_the_whole_image() -> None:
    """A list of results has no place for answers about an image."""
    source = every_kind()
    predictions = report(Coco(), count(samples_of(source, "train"))).predictions
    assert predictions == Tally(
        held={"bounding_box": 1, "mask": 1, "radio": 1},
        lost={"polyline": 1, "radio": 1},
    )


def test_raw_lines_have_no_pixels_but_all_answers() -> None:
    """A line has a mask's URL; what was answered about the mask stands in it all the same."""
    seen = label(annotation(mask("#"), answers=[radio("colour", "red")]))
    assert report(Raw(), count([sample(seen)])).labels == Tally(held={"radio": 1}, lost={"mask": 1})


def test_project_has_no_predictions() -> None:
    """Zeros are left out: a project's row counts under labels only, an empty one nowhere."""
    assert report(Coco(), count([sample()])) == FormatReport(Tally({}, {}), Tally({}, {}), Images(1, {}))


def test_images_that_readers_pass_over_are_lost_with_all_about_them() -> None:
    """YOLO's readers take GIF for a film; where the dataset refers to it, it is no file and is held."""
    answered = annotation(BoundingBox(0, 0, 1, 1), answers=[radio("colour", "red")])
    tie = Relationship("f-tie", None, "drives", None, "f-1", "f-2")
    film, photo = (
        structs.replace(found, image=structs.replace(found.image, file_name=f"{name}.{ending}"))
        for found, name, ending in (
            (sample(label(answered, relationships=[tie]), name="a"), "a", "GIF"),
            (sample(label(answered), name="b"), "b", "jpg"),
        )
    )
    found = report(Yolo(), count([film, photo]))
    assert found.labels == Tally(held={"bounding_box": 1}, lost={"bounding_box": 1, "radio": 2, "relationship": 1})
    assert found.images == Images(1, {"gif": 1})
    assert report(Coco(), count([film, photo])).images == Images(2, {})
    referred = structs.replace(film, image=structs.replace(film.image, sha256=None, size=None))
    assert report(Yolo(), count([referred])).images == Images(1, {})


def test_every_answer_at_any_depth_counts_once() -> None:
    """Three questions below each other are three, wherever they hang."""
    deep = radio("a", "1", radio("b", "2", radio("c", "3")))
    tie = Relationship("f-tie", None, "drives", None, "f-1", "f-2", (deep,))
    box = annotation(BoundingBox(0, 0, 1, 1), answers=[deep])
    line = annotation(Polyline(((0, 0), (1, 1))), answers=[deep])
    found = report(Coco(), count([sample(label(box, line, answers=[deep], relationships=[tie]))]))
    assert found.labels.held == {"bounding_box": 1, "radio": 9, "relationship": 1}
    assert found.labels.lost == {"polyline": 1, "radio": 3}
