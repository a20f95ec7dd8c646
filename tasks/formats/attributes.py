"""Answers by names: a nested question's is ``QUESTION/NESTED QUESTION``.

Flat ``attributes`` are those of CVAT's COCO files, which Datumaro and FiftyOne read too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tasks.records.model import Answer, ChecklistAnswer, Classification, RadioAnswer, TextAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tasks.records.model import Label

Attribute: TypeAlias = str | list[str]
"""The option of a radio question, the options of a checklist in the export's order, or a text."""


def questions(classifications: Iterable[Classification], *, below: str = "") -> Iterator[tuple[str, Classification]]:
    """Give every answered question, at any depth, with its name; a question comes before those below it."""
    for classification in classifications:
        name = below + classification.name
        yield name, classification
        for part in classification.answer.parts:
            yield from questions(part.classifications, below=f"{name}/")


def attributes(classifications: Iterable[Classification], spelled: Callable[[str], str] = str) -> dict[str, Attribute]:
    """Map each question to its answer; ``spelled`` is how a format can write a question's name.

    Of questions with the same name the first is kept: the whole answers, with their ids, stand beside the attributes.
    """
    found: dict[str, Attribute] = {}
    for name, classification in questions(classifications):
        found.setdefault(spelled(name), _attribute(classification.answer))
    return found


def image_choices(labels: Iterable[Label]) -> dict[str, str | None]:
    """Map each radio question about the image to the option that was chosen; None where two were, by name."""
    found: dict[str, str | None] = {}
    for label in labels:
        for name, classification in questions(label.classifications):
            if isinstance(classification.answer, RadioAnswer):
                option = classification.answer.option.name
                found[name] = option if found.setdefault(name, option) == option else None
    return found


def _attribute(answer: Answer) -> Attribute:
    match answer:
        case RadioAnswer(option):
            return option.name
        case ChecklistAnswer(options):
            return [option.name for option in options]
        case TextAnswer(content):
            return content
