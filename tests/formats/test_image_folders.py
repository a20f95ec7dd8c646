"""Images in folders by class, file by file; other people's readers are in ``tests/readers``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from format_samples import (
    annotation,
    checklist,
    count,
    dataset,
    label,
    picture,
    radio,
    sample,
    text,
    whole_tree,
)
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.errors import ConfigurationError
from labelsnap.formats.description.losses import Tally, report
from labelsnap.formats.interface import written
from labelsnap.formats.registry import format_of
from labelsnap.formats.shared.attributes import image_choices
from labelsnap.formats.yolo.image_folders import folder_names
from labelsnap.formats.yolo.writer import Yolo
from labelsnap.records.geometry import BoundingBox

if TYPE_CHECKING:
    from labelsnap.formats.interface import Dataset
    from labelsnap.records.model import Sample

WEATHER = Yolo(task="classify", question="weather")


def answered(name: str, *answers: str, split: str = "train") -> Sample:
    """Make a row with a label for each answer to the question about the weather."""
    labels = [label(answers=[radio("weather", answer)], label_id=f"label-{answer}") for answer in answers]
    return sample(*labels, name=name, split=split)


def laid_out(source: Dataset, each: Yolo = WEATHER) -> dict[str, bytes]:
    """Write all splits."""
    return whole_tree(each, source)


def test_images_lie_by_split_and_answer() -> None:
    """Each is there byte for byte; a class of one split has its folder in the other, where its name keeps it."""
    rows = answered("a", "rain"), answered("b", "light snow"), answered("c", "rain", split="val")
    files = laid_out(dataset(*rows))
    assert files == {
        "classes.json": files["classes.json"],
        "train/light_snow/.class.txt": b"light snow\n",
        "train/light_snow/b.png": picture(rows[1]),
        "train/rain/.class.txt": b"rain\n",
        "train/rain/a.png": picture(rows[0]),
        "val/light_snow/.class.txt": b"light snow\n",
        "val/rain/.class.txt": b"rain\n",
        "val/rain/c.png": picture(rows[2]),
    }
    assert json.loads(files["classes.json"]) == {
        "question": "weather",
        "classes": [
            {"index": 0, "folder": "light_snow", "name": "light snow"},
            {"index": 1, "folder": "rain", "name": "rain"},
        ],
    }


def test_images_are_told_apart_from_what_is_written() -> None:
    """Whoever has stored an image need not read it again: each file says whose image it is, and no other does."""
    rows = answered("a", "rain"), answered("b"), answered("c", "rain", split="val")
    source = dataset(*rows)
    told = {each.path: each.image for split in source.splits for each in written(WEATHER, source, split)}
    images = {path: image for path, image in told.items() if image is not None}
    assert images == {"train/rain/a.png": rows[0], "unanswered/b.png": rows[1], "val/rain/c.png": rows[2]}
    assert told.keys() - images.keys() == {"classes.json", "train/rain/.class.txt", "val/rain/.class.txt"}


def test_images_without_one_answer_are_set_apart() -> None:
    """Nobody answered, or two labels disagree: the image is in no class, and still in the tree."""
    files = laid_out(dataset(answered("none"), answered("two", "rain", "snow"), answered("agreed", "rain", "rain")))
    images = sorted(path for path in files if path.endswith(".png"))
    assert images == ["train/rain/agreed.png", "unanswered/none.png", "unanswered/two.png"]
    assert not any(path.startswith("train/snow") for path in files)


def test_nested_question_is_named_by_its_path() -> None:
    """A question below an answer, whatever kind that is, is ``QUESTION/NESTED``."""
    row = sample(
        label(answers=[radio("weather", "wet", radio("fall", "hail")), text("note", "x", radio("fall", "no"))])
    )
    assert "train/hail/street.png" in laid_out(dataset(row), Yolo(task="classify", question="weather/fall"))


def test_other_kinds_of_questions_and_of_objects_are_no_choice() -> None:
    """A checklist, a text, and a radio question about an object classify no image."""
    box = annotation(BoundingBox(0, 0, 1, 1), answers=[radio("colour", "red")])
    assert image_choices([label(box, answers=[checklist("seen", "a"), text("note", "x")])]) == {}


@pytest.mark.parametrize(("question", "remedy"), [("wether", "Did you mean 'weather'?"), ("x", "There are: weather.")])
def test_question_that_nobody_asked_is_refused(question: str, remedy: str) -> None:
    """A name with a slip is told with the nearest one, whichever split its answers are in."""
    with pytest.raises(ConfigurationError, match=question) as refused:
        laid_out(dataset(answered("a", "rain", split="val")), Yolo(task="classify", question=question))
    assert (refused.value.code, refused.value.remedy) == ("unknown_question", remedy)


def test_dataset_without_any_answer_has_no_classes() -> None:
    """Where nothing has been answered yet there is no slip to see: all images are unanswered."""
    files = laid_out(dataset(sample()))
    assert json.loads(files["classes.json"])["classes"] == []
    assert files.keys() == {"classes.json", "unanswered/street.png"}


def test_images_that_are_not_copied_are_refused() -> None:
    """What would lie in the folders is not there."""
    with pytest.raises(ConfigurationError, match=r"street\.png") as refused:
        laid_out(dataset(sample(copied=False)))
    assert refused.value.code == "images_not_copied"


@pytest.mark.parametrize("options", [{"task": "classify"}, {"task": "detect", "question": "weather"}])
def test_question_and_task_belong_together(options: dict[str, str]) -> None:
    """One without the other is refused before anything starts."""
    with pytest.raises(ConfigurationError, match="question") as refused:
        format_of("yolo", options)
    assert refused.value.code == "bad_format_option"


def test_only_the_answers_that_classify_are_held() -> None:
    """Other questions are lost, and so are both answers of a row whose labels disagree."""
    other = sample(label(answers=[radio("weather", "rain"), radio("light", "dusk", radio("lamps", "on"))]), name="b")
    counted = count([answered("a", "rain", "rain"), answered("two", "rain", "snow"), other])
    assert report(WEATHER, counted).labels == Tally(held={"radio": 3}, lost={"radio": 4})


def test_folder_names_by_hand() -> None:
    """Plain answers are their own names; the others are ASCII, and never the same, empty, or a device's."""
    names = folder_names(["Rain", "rain", "rain / storm", "rain_storm", "Übung", "雨", "CON", "../up", "-"])
    assert names == {
        "CON": "CON-a3dbc4b6",  # `printf %s CON | sha256sum`, and so on
        "Rain": "Rain",
        "Übung": "Ubung",
        "-": "class-3973e022",
        "雨": "class-124d6058",
        "rain": "rain-319b44c5",
        "rain / storm": "rain_storm",
        "rain_storm": "rain_storm-ac70eaeb",
        "../up": "up",
    }


def test_a_folder_name_that_another_answer_took_gets_more_digits() -> None:
    """The name that ``rain`` would get, because ``Rain`` has its own, is taken by an answer that spells it out."""
    names = folder_names(["Rain", "rain", "RAIN-319B44C5"])
    assert names["rain"].startswith("rain-319b44c5")
    assert len(names["rain"]) == len("rain-") + 64


@given(st.sets(st.text(max_size=80), max_size=8))
def test_folder_names_are_safe_and_different(answers: set[str]) -> None:
    """Whatever is answered, each has a folder of its own, on every file system, in the order that numbers classes."""
    names = folder_names(answers)
    assert names.keys() == answers
    assert len({name.lower() for name in names.values()}) == len(answers)
    assert all(name.isascii() and name.replace("_", "").replace("-", "").isalnum() for name in names.values())
    assert list(names.values()) == sorted(names.values())
