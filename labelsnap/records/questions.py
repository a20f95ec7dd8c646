"""Nested answers ↔ a flat list of answered questions, each naming what it hangs on."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec.structs import replace

from labelsnap.records.model import ChecklistAnswer, Classification, RadioAnswer, TextAnswer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from labelsnap.records.model import Answer, Label, Option

Owner = tuple[str, int | None, int | None]
"""What a question is about: ("image", None, None), ("object" or "relationship", its index, None), or ("answer", the
index of the question above, the index of the option)."""

IMAGE: Owner = ("image", None, None)


Question = tuple[str, int | None, int | None, str | None, Classification]
"""What a question hangs on (the three of ``Owner``, then its feature id), and the question with its answer."""


def questions_of(label: Label) -> list[Question]:
    """Return every question of a label, at any depth, after the one that it hangs on; the order of siblings is kept."""
    found: list[Question] = [("image", None, None, None, each) for each in label.classifications]
    found += [
        ("object", index, None, held.feature_id, each)
        for index, held in enumerate(label.annotations)
        for each in held.classifications
    ]
    found += [
        ("relationship", index, None, tie.feature_id, each)
        for index, tie in enumerate(label.relationships)
        for each in tie.classifications
    ]
    for index, (_, _, _, _, asked) in enumerate(found):
        parts: tuple[Option | TextAnswer, ...] = asked.answer.parts
        for place, part in enumerate(parts):
            if part.classifications:
                feature_id = asked.feature_id if isinstance(part, TextAnswer) else part.feature_id
                found += [("answer", index, place, feature_id, each) for each in part.classifications]
    return found


def at_any_depth(classifications: Iterable[Classification]) -> list[Classification]:
    """Return some questions and all that hang below their answers."""
    found = list(classifications)
    for asked in found:
        for part in asked.answer.parts:
            found += part.classifications
    return found


def asked_in(label: Label) -> list[Classification]:
    """Return every question of a label, at any depth: those of ``questions_of`` in another order."""
    found = list(label.classifications)
    for annotation in label.annotations:
        found += annotation.classifications
    for relationship in label.relationships:
        found += relationship.classifications
    return at_any_depth(found)


def nested(owners: Sequence[Owner], questions: Sequence[Classification]) -> Mapping[Owner, tuple[Classification, ...]]:
    """Return the questions of a label by owner, with those below put back: the inverse of ``questions_of``.

    ``questions`` stand in the order of ``questions_of``, their answers without questions below.
    """
    above = {index for kind, index, _ in owners if kind == "answer"}
    below: defaultdict[Owner, list[Classification]] = defaultdict(list)
    for index in range(len(questions) - 1, -1, -1):
        asked = questions[index]
        if index in above:
            options = range(len(asked.answer.parts))
            parts = [tuple(reversed(below.get(("answer", index, option), ()))) for option in options]
            asked = replace(asked, answer=with_parts(asked.answer, parts))
        below[owners[index]].append(asked)
    return {owner: tuple(reversed(found)) for owner, found in below.items()}


def with_parts(answer: Answer, parts: Sequence[tuple[Classification, ...]]) -> Answer:
    """Return an answer with other questions below its parts, which are in their order."""
    if isinstance(answer, TextAnswer):
        return TextAnswer(answer.content, parts[0])
    if isinstance(answer, RadioAnswer):
        return RadioAnswer(replace(answer.option, classifications=parts[0]))
    options = zip(answer.options, parts, strict=True)
    return ChecklistAnswer(tuple([replace(option, classifications=below) for option, below in options]))
