"""Lines that are not quite of the wire types: what they say is read, and of what cannot be read the field is empty.

A value of another JSON type that says the same is taken as it is meant: a number for text, text that is a number as a
whole, a whole float for an integer, "true" for true, an author who is an object as canonical JSON. Of what says nothing
about the labels (``_TRIVIAL``), what cannot be read is left empty and noted. All else stays as it stands: whether the
row can be used without it is for the strict reading to say.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Raw, inspect

from labelsnap.records import model
from labelsnap.records.geometry import BoundingBox, Point
from labelsnap.records.lines import wire
from labelsnap.records.model import Unreadable
from labelsnap.records.parsing import scalars
from labelsnap.records.parsing.annotations import MASK, RELATIONSHIP
from labelsnap.records.parsing.media import medium_of_kind
from labelsnap.records.parsing.refusal import canonical_json, step
from labelsnap.records.parsing.scalars import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from msgspec import Struct

_Values: TypeAlias = "dict[str, Any]"
_State: TypeAlias = "tuple[str, str] | None"
"""What is the matter with one of the two images of a mask: where, and a code; None where the export has it not."""

_KINDS: Final = {kind: inspect.type_info(kind) for kind in (wire.Line, wire.LineWithEmbeddings)}
_TRIVIAL: Final[Mapping[type[Struct], frozenset[str]]] = {
    wire.Line: frozenset({"media_attributes", "metadata_fields", "attachments"}),
    wire.LineWithEmbeddings: frozenset({"media_attributes", "metadata_fields", "attachments", "embeddings"}),
    wire.DataRow: frozenset({"global_key", "external_id", "details"}),
    wire.Project: frozenset({"name", "project_details"}),
    wire.ProjectDetails: frozenset(wire.ProjectDetails.__struct_fields__)
    - {"selected_label_id", "benchmark_reference_label"},
    wire.Experiment: frozenset({"name"}),
    wire.Run: frozenset({"name", "run_data_row_id", "split"}),
    wire.Label: frozenset(
        {"label_kind", "version", "label_details", "performance_details", "z_order", "benchmark_score"}
    ),
    wire.PerformanceDetails: frozenset(wire.PerformanceDetails.__struct_fields__)
    - {"skipped", "benchmark_reference_label"},
    wire.Annotations: frozenset({"z_order"}),
    wire.Object: frozenset({"value", "confidence"}),
    wire.Classification: frozenset({"value"}),
    wire.Option: frozenset({"value"}),
    **{
        block: frozenset(block.__struct_fields__)
        for block in (
            model.DataRowDetails,
            model.WorkflowMove,
            wire.LabelDetails,
            wire.MediaAttributes,
            wire.MetadataField,
            wire.Attachment,
            wire.Embedding,
            wire.Vector,
        )
    },
}
"""The fields that say nothing about the labels, by the block that they are of."""
_ENTRIES: Final = (wire.MetadataField, wire.Attachment, wire.Embedding, wire.Vector, model.WorkflowMove)
"""What is left out of a list where it cannot be read."""
_READERS: Final[Mapping[tuple[type[Struct], str], Callable[[Any], Any]]] = {
    (wire.DataRow, "row_data"): scalars.text_alone,
    (wire.InstanceMask, "url"): scalars.text_alone,
    (wire.CompositeMask, "url"): scalars.text_alone,
    (wire.CompositeMask, "color_rgb"): scalars.colour,
    (wire.MediaAttributes, "height"): scalars.pixels,
    (wire.MediaAttributes, "width"): scalars.pixels,
    (wire.MediaAttributes, "exif_rotation"): scalars.rotation,
    (wire.Label, "benchmark_reference_label"): scalars.reference,
    (wire.PerformanceDetails, "benchmark_reference_label"): scalars.reference,
    (model.DataRowDetails, "created_by"): scalars.author,
    (model.WorkflowMove, "created_by"): scalars.author,
    (wire.LabelDetails, "created_by"): scalars.author,
}
"""How a field is read that differs from others of its type."""
_GEOMETRIES: Final = (BoundingBox, Point)
_LEFT_OUT: Final = object()
_GOOD: Final = ("", "")


def mend(line: _Values, kind: type[wire.Line]) -> tuple[_Values, tuple[Unreadable, ...]]:
    """Return a line's JSON values as the wire type ``kind`` wants them, and which fields were left empty."""
    walk = _Walk()
    mended = walk.value(line, _KINDS[kind], "$")
    while walk.ahead:
        walk.block(*walk.ahead.popleft())
    return mended, tuple(walk.unreadable)


class _Walk:
    """Goes over a line's values beside the wire types, block after block; geometry is left as it is.

    ``ahead`` are the blocks to come: values, type, path, and the object to fill.
    """

    def __init__(self) -> None:
        self.unreadable: list[Unreadable] = []
        self.ahead: deque[tuple[_Values, inspect.StructType, str, _Values]] = deque()

    def block(self, found: _Values, kind: inspect.StructType, path: str, made: _Values) -> None:
        """Mend the fields of a block; keys that its type does not have are left out."""
        if kind.cls is wire.Object:
            found = self._object(found, path)
        trivial = _TRIVIAL.get(kind.cls, frozenset())
        for field in kind.fields:
            if field.name not in found:
                continue
            value, place = found[field.name], f"{path}.{field.name}"
            try:
                made[field.name] = self._field(value, kind.cls, field, place)
            except UnreadableError as error:
                made[field.name] = value
                if field.name in trivial:
                    made[field.name] = None
                    self._note(place, error.code)

    def _note(self, path: str, code: str) -> None:
        self.unreadable.append(Unreadable(path, code))

    def _field(self, found: Any, block: type[Struct], field: inspect.Field, path: str) -> Any:
        if found is not None:
            if read := _READERS.get((block, field.name)):
                return read(found)
            if field.name == "z_order":
                return [self._place(each, f"{path}[{index}]") for index, each in enumerate(_a_list(found))]
            if block is wire.Embedding and field.name == "values":
                found = _vectors(_a_list(found))
        return self.value(found, field.type, path)

    def _place(self, found: Any, path: str) -> str:
        """Read an entry of ``z_order``; one that cannot be read keeps its place, so that others keep theirs."""
        try:
            return scalars.text(found)
        except UnreadableError as error:
            self._note(path, error.code)
            return ""

    def value(self, found: Any, kind: inspect.Type, path: str) -> Any:
        """Mend a value. Raises ``UnreadableError`` where it cannot be read; blocks in it are filled later."""
        match kind:
            case inspect.UnionType():
                return None if found is None else self.value(found, kind.types[0], path)
            case inspect.StructType() if kind.cls in _GEOMETRIES:
                return found
            case inspect.StructType():
                made: _Values = {}
                self.ahead.append((_an_object(found), kind, path, made))
                return made
            case inspect.DictType():
                parts = _an_object(found).items()
                return {key: self._part(part, kind.value_type, f"{path}.{step(key)}") for key, part in parts}
            case inspect.ListType():
                listed = enumerate(_a_list(found))
                made_of = [self._part(part, kind.item_type, f"{path}[{index}]") for index, part in listed]
                return [part for part in made_of if part is not _LEFT_OUT]
            case _:
                return _scalar(found, kind)

    def _part(self, found: Any, kind: inspect.Type, path: str) -> Any:
        """Mend an entry of a list, or a value of an object that is keyed by ids."""
        try:
            return self.value(found, kind, path)
        except UnreadableError as error:
            if isinstance(kind, inspect.StructType) and kind.cls in _ENTRIES:
                self._note(path, error.code)
                return _LEFT_OUT
            if isinstance(kind, inspect.StructType | inspect.UnionType):
                return found
            raise

    def _object(self, found: _Values, path: str) -> _Values:
        """Leave a relationship of a kind that is not known out, and of a mask's two images one that cannot be had."""
        kind = found.get("annotation_kind")
        if not isinstance(kind, str):
            return found
        if kind != RELATIONSHIP and "relationship" in kind.lower() and not medium_of_kind(kind):
            self._note(f"{path}.annotation_kind", "unknown_annotation_kind")
            return {"annotation_kind": wire.LEFT_OUT}
        if kind != MASK:
            return found
        mask, composite = _of_mask(found.get("mask")), _of_composite(found.get("composite_mask"))
        for member, state, other in (("composite_mask", composite, mask), ("mask", mask, composite)):
            if state not in (None, _GOOD) and other == _GOOD:
                where, code = state
                self._note(f"{path}.{member}{where}", code)
                return found | {member: None}
        return found


def _of_mask(found: Any) -> _State:
    if found in (None, []) or (isinstance(found, dict) and not found.get("url")):
        return None
    if not isinstance(found, dict):
        return "", "wrong_type"
    return _GOOD if isinstance(found["url"], str) else (".url", "wrong_type")


def _of_composite(found: Any) -> _State:
    if found in (None, []) or (isinstance(found, dict) and not found.get("url") and not found.get("color_rgb")):
        return None
    if not isinstance(found, dict):
        return "", "wrong_type"
    try:
        scalars.colour(found.get("color_rgb"))
    except UnreadableError as error:
        return ".color_rgb", error.code
    url = found.get("url")
    return _GOOD if url and isinstance(url, str) else (".url", "missing_geometry")


def _vectors(found: list[Any]) -> list[Any]:
    """Return the vectors of an embedding as the export has them, where they are bare lists or one bare list."""
    if found and not any(isinstance(each, dict | list) for each in found):
        return [{"value": found}]
    return [{"value": each} if isinstance(each, list) else each for each in found]


def _an_object(found: Any) -> _Values:
    """Return an object; an empty list is an empty one, as some programs write it."""
    if isinstance(found, dict):
        return found
    if found == []:
        return {}
    raise UnreadableError


def _a_list(found: Any) -> list[Any]:
    """Return a list; an empty object is an empty one."""
    if isinstance(found, list):
        return found
    if found == {}:
        return []
    raise UnreadableError


def _scalar(found: Any, kind: inspect.Type) -> Any:
    match kind:
        case inspect.StrType():
            return scalars.text(found)
        case inspect.IntType():
            return scalars.integer(found, kind.ge or -(2**63), kind.le or 2**63 - 1)
        case inspect.FloatType():
            return scalars.real(found)
        case inspect.BoolType():
            return scalars.truth(found)
        case inspect.RawType():
            return Raw(canonical_json(found).encode())
        case _:
            return found
