"""Questions that the export names without an answer: set apart from those that are annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from msgspec import UNSET, UnsetType

from labelsnap.records.lines import wire
from labelsnap.records.model import Unanswered
from labelsnap.records.parsing.annotations import RELATIONSHIP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ANSWERS: Final = {"radio": "radio_answer", "checklist": "checklist_answers", "text": "text_answer"}
_Told: TypeAlias = tuple[str | None, str | None, str | None, str | None, str | None]
"""The last five fields of ``Unanswered``."""


class _Holder(NamedTuple):
    """What questions stand on; the first three fields are those of ``Unanswered``."""

    owner: str
    feature_id: str | None
    about: str | None
    questions: Sequence[wire.Classification]


def set_apart(label: wire.Annotations) -> tuple[Unanswered, ...]:
    """Return the questions of a label that have no answer; in ``label`` they are blanked, and passed over from then on.

    A question is unanswered where all of its answers are missing or null, where its text is null, or where its option
    has neither name, value nor id. One that answered questions hang on is left as it is.
    """
    holders = [_Holder("image", None, None, label.classifications or ()), *_about(label)]
    for holder in holders:
        holders += [below for question in holder.questions for below in _below(question, holder.about)]
    unanswered = [
        Unanswered(holder.owner, holder.feature_id, holder.about, *told)
        for holder in reversed(holders)
        for question in reversed(holder.questions)
        if (told := _blanked(question))
    ]
    return tuple(reversed(unanswered))


def _about(label: wire.Annotations) -> Iterator[_Holder]:
    """Give what the objects and relationships of a label hold; a relationship that stands twice holds it once."""
    ties = {tie.feature_id: tie for tie in (*(label.objects or ()), *(label.relationships or ())) if _is_tie(tie)}
    objects = [found for found in label.objects or () if not _is_tie(found)]
    for owner, holders in (("object", objects), ("relationship", ties.values())):
        for found in holders:
            yield _Holder(owner, found.feature_id, found.feature_id, found.classifications or ())


def _is_tie(found: wire.Object) -> bool:
    return found.annotation_kind == RELATIONSHIP


def _below(question: wire.Classification, about: str | None) -> Iterator[_Holder]:
    """Give what hangs on the answers of a question."""
    radio, checklist, text = question.radio_answer, question.checklist_answers, question.text_answer
    for option in (*([radio] if radio else ()), *(checklist or ())):
        yield _Holder("answer", option.feature_id, about, option.classifications or ())
    if text:
        yield _Holder("answer", question.feature_id, about, text.classifications or ())


def _blanked(question: wire.Classification) -> _Told | None:
    """Blank a question without an answer, and return what the export tells of it; None for any other."""
    kinds = [kind for kind, member in _ANSWERS.items() if getattr(question, member) is not UNSET]
    for member in _ANSWERS.values():
        if _is_blank(getattr(question, member)):
            setattr(question, member, None)
    if any(getattr(question, member) is not None for member in _ANSWERS.values()):
        return None
    kind = kinds[0] if len(kinds) == 1 else None
    told = question.feature_id, question.feature_schema_id, question.name, question.value, kind
    question.name = wire.LEFT_OUT
    return told


def _is_blank(answer: wire.Option | wire.Text | list[wire.Option] | UnsetType | None) -> bool:
    """Whether an answer says nothing, and no answered question hangs on it."""
    if isinstance(answer, wire.Option | wire.Text):
        return answer.is_empty and all(below.name == wire.LEFT_OUT for below in answer.classifications or ())
    return answer is UNSET
