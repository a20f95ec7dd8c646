"""Questions that are called like something that COCO's readers use themselves."""

from __future__ import annotations

import json
from itertools import chain, product
from typing import TYPE_CHECKING, Any

import pytest
from format_samples import annotation, count, dataset, describing, files_of, label, radio, registry, sample, text
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.formats.coco.reserved import RESERVED, attribute_name
from labelsnap.formats.coco.writer import Coco
from labelsnap.formats.description.advice import advice_of
from labelsnap.formats.description.card import card
from labelsnap.formats.huggingface import HuggingFace
from labelsnap.formats.labelme import LabelMe
from labelsnap.formats.shared.attributes import attributes, distinct_name
from labelsnap.formats.webdataset import WebDataset
from labelsnap.records.geometry import BoundingBox, Polyline
from labelsnap.records.model import Relationship, Sample
from labelsnap.shown import line

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelsnap.formats.interface import Format
    from labelsnap.formats.shared.attributes import Path

BOX = BoundingBox(1, 1, 4, 3)
names = st.text("._$ab", max_size=4) | st.builds(
    "{}{}".format, st.sampled_from(sorted(RESERVED)), st.text("_/2", max_size=3)
)


def asked(*questions: str) -> Sample:
    """Draw a box with an answer to each question, which is the question's own name."""
    return sample(label(annotation(BOX, answers=[radio(each, each) for each in questions])))


def written(row: Sample) -> dict[str, Any]:
    """Write a row's only object and give its annotation."""
    body = files_of(Coco(panoptic=False), dataset(row), "train")["annotations/instances_train.json"]
    (found,) = json.loads(body)["annotations"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("question", "attribute"),
    [
        ("bbox", "bbox_"),
        ("bbox_", "bbox__"),
        ("attributes", "attributes_"),
        ("category_id", "category_id_"),
        ("occluded", "occluded_"),
        ("to_dict", "to_dict_"),
        ("pk", "pk_"),
        ("No. of wheels", "No_ of wheels_3c98fa"),
        ("_id", "id_b6f746"),
        ("$", "question_09fc96"),
        ("colour", "colour"),
        ("Bbox", "Bbox"),
        ("bbox/seen", "bbox/seen_99edab"),
        ("id_b6f746", "id_b6f746_6d9189"),
        ("to_1234567", "to_1234567"),
    ],
)
def test_a_name_that_readers_use_gets_a_suffix(question: str, attribute: str) -> None:
    """A key of COCO's, a field or method of FiftyOne's, a flag of Datumaro's, and what FiftyOne takes in no form."""
    found = written(asked(question))
    assert found["attributes"] == {attribute: question}
    assert [each["name"] for each in found["classifications"]] == [question]


@given(questions=st.lists(names, unique=True, max_size=8))
def test_no_two_questions_share_an_attribute(questions: list[str]) -> None:
    """Whatever else was asked, each has its own answer under the same name, and none under a name of readers."""
    found = written(asked(*questions))["attributes"]
    assert found == {attribute_name((each,)): each for each in questions}
    assert len(found) == len(questions)
    assert not found.keys() & RESERVED
    assert not any("." in each or "\0" in each or each.startswith(("_", "$")) for each in found)


OWN_NAMES = (
    "", "a", "b", "a/b", "a/", "/b", "/", "_", "a.b", "a_b", "_id", "id", "id_", "id__", "id_b6f746", "b_1693b0",
)  # fmt: skip
"""Of questions: names of readers, slashes, and digits that are those of ``_id`` and of ``a/b``."""


@pytest.mark.parametrize("spelled", [attribute_name, distinct_name])
def test_no_two_paths_of_questions_have_one_name(spelled: Callable[[Path], str]) -> None:
    """A name's own slash parts no questions, and no digits that a name ends with are taken for those of another."""
    paths = [path for length in (1, 2, 3) for path in product(OWN_NAMES, repeat=length)]
    assert len({spelled(path) for path in paths}) == len(paths)


@pytest.mark.parametrize("each", [Coco(), WebDataset(), HuggingFace(), LabelMe()], ids=lambda each: str(each.name))
def test_answers_that_had_one_name_are_both_there_and_told(each: Format) -> None:
    """A question with a slash in its name beside one below another's answer."""
    both = [radio("colour", "red", radio("shade", "dark")), radio("colour/shade", "light")]
    row = sample(label(annotation(BOX, answers=both)))
    assert len(attributes(both, distinct_name)) == len(attributes(both, attribute_name)) == 3
    (note,) = advice_of(each, count([row]), registry(), line)
    assert "could be the same: colour/shade as colour/shade_2c3f04." in note
    files = files_of(each, dataset(row), "train")
    assert any(b"colour/shade_2c3f04" in body for body in files.values())


@given(questions=st.lists(names, unique=True, max_size=8))
def test_attributes_laid_over_an_annotation_change_nothing_of_it(questions: list[str]) -> None:
    """As FiftyOne does: ``d.update(d.pop("attributes"))``."""
    found = written(asked(*questions))
    laid = {**found, **found["attributes"]}
    assert {key: laid[key] for key in found} == found


def test_the_result_and_the_card_say_so() -> None:
    """Once a name, where its answers are in the format: those about lines and relationships are not."""
    of_line = annotation(Polyline(((0, 0), (8, 6))), answers=[radio("mask", "yes")])
    tie = Relationship("f-tie", None, "before", None, "f-1", "f-2", (radio("label", "yes"),))
    nested = radio("colour", "red", text("id", "1"))
    box = annotation(BOX, answers=[radio("bbox", "yes"), radio("bbox_", "no"), text("*No.* `1`", "x"), nested])
    rows = [sample(label(box, of_line, relationships=[tie], answers=[radio("tags", "x")])), sample(name="empty")]
    (note,) = advice_of(Coco(), count(rows), registry(), line)
    assert note == (
        "The answers to some questions stand in `attributes` under other names, because readers use their own for "
        "something else, or another question's could be the same: "
        "&#42;No.&#42; &#96;1&#96; as &#42;No&#95;&#42; &#96;1&#96;&#95;e154b5, `bbox` as `bbox_`, `bbox_` as "
        "`bbox__`. In `classifications`, and in the tables, they have their own."
    )
    assert note in card(describing(dataset(*rows)), Coco(), []).decode()
    assert advice_of(WebDataset(), count(rows), registry(), line) == ()


def test_of_many_names_the_first_are_told() -> None:
    """A sentence has ten, and says how many more there are."""
    (note,) = advice_of(Coco(), count([asked(*sorted(RESERVED))]), registry(), line)
    assert note.count("` as `") == 10
    assert f", and {len(RESERVED) - 10} more." in note


def test_nothing_is_said_where_nothing_is_renamed() -> None:
    """Names that readers do not use stand as they are."""
    assert advice_of(Coco(), count(chain([asked("colour", "wear")])), registry(), line) == ()
