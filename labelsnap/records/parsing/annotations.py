"""What a label holds, from the line's shapes to the model's: objects, relationships, answered questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TypeAlias, TypeVar

from msgspec import UNSET

from labelsnap.records.geometry import BoundingBox, Geometry, MaskReference, Point, Polygon, Polyline, Vertices
from labelsnap.records.lines import wire
from labelsnap.records.model import (
    Annotation,
    Answer,
    ChecklistAnswer,
    Classification,
    Option,
    RadioAnswer,
    Relationship,
    TextAnswer,
)
from labelsnap.records.parsing.media import medium_of_kind, other_medium
from labelsnap.records.parsing.refusal import RefusedError, each, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAX_DEPTH = 100
"""Questions nested deeper than this are refused (``too_deep``)."""

RELATIONSHIP = "ImageUnidirectionalRelationship"
MASK = "ImageSegmentationMask"
_TIES = (RELATIONSHIP, wire.LEFT_OUT)
"""What stands among the objects of a label and is none."""

Identified = TypeVar("Identified", Annotation, Relationship)

_Names: TypeAlias = tuple[str | None, str, str | None]
"""``feature_schema_id``, ``name``, ``value``."""


class UnansweredError(RefusedError):
    """A question has no answer, or an empty one. Such questions can be set apart (``unanswered.py``)."""


_MOST_NAMES = 4096
_names: dict[str | None, _Names] = {}


def _shared(found: wire.Classification | wire.Option | wire.Object) -> _Names:
    """Return the names of a feature; where they are equal to those of the last such feature, these same ones.

    A row then holds but its own texts: a quarter less memory, and less to fetch from it when tables are written. A
    feature without a name takes its value as one.
    """
    schema_id = found.feature_schema_id
    known = _names.get(schema_id)
    if known is None or known[1] != found.name or known[2] != found.value:
        if len(_names) >= _MOST_NAMES:
            _names.clear()
        known = _names[schema_id] = (schema_id, found.name or found.value or missing("name"), found.value)
    return known


def classifications(questions: Sequence[wire.Classification] | None, depth: int = 1) -> tuple[Classification, ...]:
    """Return answered questions, and those nested below their answers."""
    if not questions:
        return ()
    if depth > MAX_DEPTH:
        raise RefusedError("too_deep", f"Expected at most {MAX_DEPTH} questions below each other, found more.")
    return each(questions, _classification, depth, "classifications")


def _classification(question: wire.Classification, depth: int) -> Classification | None:
    answer = _answer(question, depth)
    if answer is None:
        return None
    schema_id, name, value = _shared(question)
    return Classification(question.feature_id, schema_id, name, value, answer)


def _answer(question: wire.Classification, depth: int) -> Answer | None:
    radio, text = question.radio_answer or None, question.text_answer or None
    checklist = None if question.checklist_answers is UNSET else question.checklist_answers
    if radio is not None and checklist is None and text is None:
        try:
            return RadioAnswer(_option(radio, depth))
        except RefusedError as refused:
            if radio.is_empty:
                raise UnansweredError("missing_answer", "Expected an option, found none.", "radio_answer") from None
            raise refused.below("radio_answer") from None
    if checklist is not None and radio is None and text is None:
        return ChecklistAnswer(each(checklist, _option, depth, "checklist_answers"))
    if text is not None and radio is None and checklist is None:
        if text.content is None:
            raise UnansweredError("missing_answer", "Expected text, found none.", "text_answer.content")
        try:
            return TextAnswer(text.content, classifications(text.classifications, depth + 1))
        except RefusedError as refused:
            raise refused.below("text_answer") from None
    if radio is None and checklist is None and text is None:
        if question.name == wire.LEFT_OUT:
            return None
        raise UnansweredError("missing_answer", "Expected one of radio_answer, checklist_answers and text_answer.")
    raise UnansweredError(
        "ambiguous_answer", "Expected at most one of radio_answer, checklist_answers and text_answer, found more."
    )


def _option(option: wire.Option, depth: int) -> Option:
    schema_id, name, value = _shared(option)
    below = classifications(option.classifications, depth + 1) if option.classifications else ()
    return Option(option.feature_id, schema_id, name, value, below)


def objects(found: Sequence[wire.Object] | None, z_order: Sequence[str] | None) -> tuple[Annotation, ...]:
    """Return the objects of a label; relationships among them (as in exports of 2023) are left to ``relationships``."""
    positions = {feature_id: position for position, feature_id in enumerate(z_order or ())}
    return _once(each(found, _annotation, positions, "objects"), "objects")


def _once(found: tuple[Identified, ...], name: str) -> tuple[Identified, ...]:
    """Return what stands in a list, equal entries once; two that differ must not carry one feature id."""
    if len(found) == len({each.feature_id for each in found}):
        return found
    alone = tuple(dict.fromkeys(found))
    if len({each.feature_id for each in alone}) < len(alone):
        raise RefusedError("duplicate_feature_id", "Expected each feature_id once, found two that differ.", name)
    return alone


def _annotation(found: wire.Object, positions: Mapping[str, int]) -> Annotation | None:
    make = _GEOMETRIES.get(found.annotation_kind or "")
    if make is None and found.annotation_kind in _TIES:
        return None
    feature_id = found.feature_id or missing("feature_id")
    schema_id, name, value = _shared(found)
    return Annotation(
        feature_id,
        schema_id,
        name,
        value,
        make(found) if make else _unknown_kind(found.annotation_kind),
        classifications(found.classifications) if found.classifications else (),
        positions.get(feature_id),
        found.confidence,
    )


def _unknown_kind(kind: str | None) -> NoReturn:
    code = medium_of_kind(kind)
    if code:
        raise other_medium(code, "annotation_kind")
    known = ", ".join([*_GEOMETRIES, RELATIONSHIP])
    raise RefusedError("unknown_annotation_kind", f"Expected one of {known}; found another.", "annotation_kind")


def _absent(name: str) -> RefusedError:
    return RefusedError("missing_geometry", f"Expected the object's {name}, found none.", name)


def _box(found: wire.Object) -> BoundingBox:
    if found.bounding_box is None:
        raise _absent("bounding_box")
    return found.bounding_box


def _polygon(found: wire.Object) -> Polygon:
    if not found.polygon:
        raise _absent("polygon")
    return Polygon(_vertices(found.polygon))


def _polyline(found: wire.Object) -> Polyline:
    if not found.line:
        raise _absent("line")
    return Polyline(_vertices(found.line))


def _vertices(points: Sequence[Point]) -> Vertices:
    return Vertices.packed([point.x for point in points], [point.y for point in points])


def _point(found: wire.Object) -> Point:
    if found.point is None:
        raise _absent("point")
    return found.point


def _mask(found: wire.Object) -> MaskReference:
    url = (found.mask and found.mask.url) or None
    composite = found.composite_mask
    if composite is None or not (composite.url or composite.color_rgb):
        if url is None:
            raise _absent("mask")
        return MaskReference(url, None, None)
    colour = composite.color_rgb
    if colour is None:
        raise RefusedError("bad_color", "Expected three integers from 0 to 255.", "composite_mask.color_rgb")
    return MaskReference(url, composite.url or missing("url", "missing_geometry"), colour)


_GEOMETRIES: Mapping[str, Callable[[wire.Object], Geometry]] = {
    "ImageBoundingBox": _box,
    "ImagePolygon": _polygon,
    "ImagePolyline": _polyline,
    "ImagePoint": _point,
    MASK: _mask,
}


def relationships(label: wire.Annotations) -> tuple[Relationship, ...]:
    """Return the relationships of a label, each once: exports of 2023 list them among ``objects`` as well."""
    listed = _once(each(label.relationships, _relationship, None, "relationships"), "relationships")
    if RELATIONSHIP not in [found.annotation_kind for found in label.objects or ()]:
        return listed
    known = {relationship.feature_id: relationship for relationship in listed}
    return (*listed, *_once(each(label.objects, _second_standing, known, "objects"), "objects"))


def _second_standing(found: wire.Object, known: Mapping[str, Relationship]) -> Relationship | None:
    """Return a relationship that stands among the objects only; None for an object or a copy of a known one."""
    if found.annotation_kind != RELATIONSHIP:
        return None
    ends, first = found.unidirectional_relationship, known.get(found.feature_id or "")
    if first is None:
        return _relationship(found, None)
    if ends is not None and (ends.source, ends.target) != (first.source, first.target):
        raise RefusedError(
            "duplicate_feature_id", "Expected one relationship of this feature_id, found two that differ."
        )
    return None


def _relationship(found: wire.Object, _: None) -> Relationship | None:
    if found.annotation_kind == wire.LEFT_OUT:
        return None
    if found.annotation_kind != RELATIONSHIP:
        raise RefusedError("unknown_annotation_kind", f"Expected {RELATIONSHIP}, found another.", "annotation_kind")
    ends = found.unidirectional_relationship
    if ends is None or not ends.source or not ends.target:
        raise _absent("unidirectional_relationship")
    feature_id = found.feature_id or missing("feature_id")
    schema_id, name, value = _shared(found)
    questions = classifications(found.classifications)
    return Relationship(feature_id, schema_id, name, value, ends.source, ends.target, questions)


def check_unique(annotations: Sequence[Annotation], ties: Sequence[Relationship]) -> None:
    """Refuse a label in which an object and a relationship carry one feature id."""
    if ties and not {annotation.feature_id for annotation in annotations}.isdisjoint([tie.feature_id for tie in ties]):
        raise RefusedError(
            "duplicate_feature_id", "Expected each feature_id once in a label, found one twice.", "objects"
        )
