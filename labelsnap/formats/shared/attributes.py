"""Answers by names: a nested question's is ``QUESTION/NESTED QUESTION``.

A question whose own name has a slash is told from a nested one by digits of a sha256. Flat ``attributes`` are those of
CVAT's COCO files, which Datumaro and FiftyOne read too.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeAlias

from labelsnap.records.model import Answer, ChecklistAnswer, Classification, RadioAnswer, TextAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from labelsnap.records.model import Label

Attribute: TypeAlias = str | list[str]
"""The option of a radio question, the options of a checklist in the export's order, or a text."""
Path: TypeAlias = tuple[str, ...]
"""The own names of a question and of those above it, the uppermost first."""
_DIGITS: Final = 6
_SUFFIXED: Final = re.compile(r".*_[0-9a-f]{6}", re.DOTALL)
"""A name that could be one with digits at its end."""


def questions(classifications: Iterable[Classification], *, below: Path = ()) -> Iterator[tuple[Path, Classification]]:
    """Give every answered question, at any depth, with its path; a question comes before those below it."""
    for classification in classifications:
        path = (*below, classification.name)
        yield path, classification
        for part in classification.answer.parts:
            yield from questions(part.classifications, below=path)


def joined(path: Path) -> str:
    """Return the names of a path with slashes between them."""
    return "/".join(path)


def distinct_name(path: Path) -> str:
    """Return a question's name that no question of another path has: its names with slashes between them.

    Where a name has a slash of its own, and where a nested question's name could be such a one's, it has digits.
    """
    name = joined(path)
    return with_digits(name, path) if is_ambiguous(path) or (len(path) > 1 and is_suffixed(name)) else name


def is_ambiguous(path: Path) -> bool:
    """Tell whether a slash stands in a name of a path, so that the joined names are those of another path too."""
    return any("/" in name for name in path)


def is_suffixed(name: str) -> bool:
    """Tell whether a name ends as ``with_digits`` ends one."""
    return _SUFFIXED.fullmatch(name) is not None


def with_digits(name: str, path: Path) -> str:
    """Put six digits of the sha256 of a question's path at the end of its name."""
    text = json.dumps(path) if is_ambiguous(path) else joined(path)
    return f"{name}_{sha256(text.encode()).hexdigest()[:_DIGITS]}"


def attributes(
    classifications: Iterable[Classification], spelled: Callable[[Path], str] = distinct_name
) -> dict[str, Attribute]:
    """Map each question to its answer; ``spelled`` is how a format can write the name of a question.

    Of questions of the same path the first is kept: the whole answers, with their ids, stand beside the attributes.
    """
    found: dict[str, Attribute] = {}
    for path, classification in questions(classifications):
        found.setdefault(spelled(path), _attribute(classification.answer))
    return found


def image_choices(labels: Iterable[Label]) -> dict[str, str | None]:
    """Map each radio question about the image to the option that was chosen; None where two were, by name."""
    found: dict[str, str | None] = {}
    for label in labels:
        for path, classification in questions(label.classifications):
            if isinstance(classification.answer, RadioAnswer):
                name, option = joined(path), classification.answer.option.name
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
