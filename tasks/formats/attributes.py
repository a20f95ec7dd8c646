"""Answers as the flat ``attributes`` of CVAT's COCO files, which Datumaro and FiftyOne read too."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tasks.records.model import Answer, ChecklistAnswer, Classification, RadioAnswer, TextAnswer

if TYPE_CHECKING:
    from collections.abc import Iterable

Attribute: TypeAlias = str | list[str]
"""The option of a radio question, the options of a checklist in the export's order, or a text."""


def attributes(classifications: Iterable[Classification], *, below: str = "") -> dict[str, Attribute]:
    """Map each question to its answer by names; a nested question's name is ``QUESTION/NESTED QUESTION``.

    Of questions with the same path the first is kept: the whole answers, with their ids, stand beside the attributes.
    """
    found: dict[str, Attribute] = {}
    for classification in classifications:
        path, answer = below + classification.name, classification.answer
        nested = (question for part in answer.parts for question in part.classifications)
        for key, attribute in {path: _attribute(answer), **attributes(nested, below=f"{path}/")}.items():
            found.setdefault(key, attribute)
    return found


def _attribute(answer: Answer) -> Attribute:
    match answer:
        case RadioAnswer(option):
            return option.name
        case ChecklistAnswer(options):
            return [option.name for option in options]
        case TextAnswer(content):
            return content
