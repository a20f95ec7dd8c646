"""Answers as flat attributes."""

from __future__ import annotations

from format_samples import checklist, radio, text

from labelsnap.formats.shared.attributes import attributes


def test_nested_questions_are_named_by_their_path() -> None:
    """A question below an answer carries the questions above it in its name, whatever kind they are."""
    colour = radio("colour", "red", text("shade", "dark", checklist("seen", "day", "night")))
    assert attributes([colour]) == {
        "colour": "red",
        "colour/shade": "dark",
        "colour/shade/seen": ["day", "night"],
    }


def test_first_of_two_questions_of_one_name_is_kept() -> None:
    """Attributes are a view by names; the whole answers stand beside them."""
    assert attributes([radio("colour", "red"), radio("colour", "blue")]) == {"colour": "red"}


def test_a_slash_in_a_name_parts_no_questions() -> None:
    """Two questions that would have one name have each its answer: digits are of ``["colour/shade"]``."""
    nested, plain = radio("colour", "red", text("shade", "dark")), text("colour/shade", "light")
    assert attributes([nested, plain]) == {"colour": "red", "colour/shade": "dark", "colour/shade_2c3f04": "light"}


def test_no_answers_are_no_attributes() -> None:
    """An object about which nothing was asked has an empty mapping; an empty checklist has an empty answer."""
    assert attributes([]) == {}
    assert attributes([checklist("wear")]) == {"wear": []}
