"""An ontology in Labelbox's normalized form → an ``Ontology``: bounded; what cannot be read is left out and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from labelsnap.records.lines.text import whole
from labelsnap.records.ontology import OPTION, QUESTIONS, Feature, Ontology, is_colour

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST: Final = 10_000
"""Features of an ontology."""
DEPTH: Final = 16
"""Features that hang below each other."""
LONGEST: Final = 1000
"""Characters of a name, a value, an id, or of instructions."""
ROOM: Final = 1 << 24
"""Characters of all paths together."""

_TOOLS: Final = {
    "rectangle": "bounding_box",
    "polygon": "polygon",
    "line": "polyline",
    "point": "point",
    "raster-segmentation": "mask",
    "superpixel": "mask",
    "edge": "relationship",
}
_KindOf: TypeAlias = "Callable[[Mapping[str, Any]], str | None]"
"""Tells the kind of a feature in Labelbox's form; None: it has none that an image's annotations have."""


def parse_ontology(normalized: Any) -> Ontology:
    """Return the features of an ontology in Labelbox's normalized form, decoded from JSON; nothing is raised.

    Tools of other media than images, and questions of kinds that no annotation has, are among what is left out.
    """
    reading = _Reading()
    if isinstance(normalized, dict):
        reading.add(normalized.get("tools"), _tool)
        reading.add(normalized.get("classifications"), _question)
    else:
        reading.unreadable += 1
    return Ontology(tuple(reading.features), reading.unreadable)


class _Reading:
    """An ontology on the way."""

    def __init__(self) -> None:
        self.features: list[Feature] = []
        self.unreadable = 0
        self._room = ROOM

    def add(self, found: Any, kind_of: _KindOf, parent: int | None = None) -> None:
        """Take the features of a list, and what hangs on them."""
        for one in found if isinstance(found, list) else () if found is None else (found,):
            feature = self._feature(one, kind_of, parent)
            if feature is None:
                self.unreadable += 1
                continue
            place = len(self.features)
            self.features.append(feature)
            if kind_of is _tool:
                self.add(one.get("classifications"), _question, place)
            elif feature.kind != "text":
                self.add(one.get("options"), _question if feature.kind == OPTION else _option, place)

    def _feature(self, one: Any, kind_of: _KindOf, parent: int | None) -> Feature | None:
        """Return a feature; None where it has no kind, name or id, or is one too many."""
        if not isinstance(one, dict) or (kind := kind_of(one)) is None:
            return None
        schema_id = _text(one.get("featureSchemaId"))
        keys = ("label", "value") if kind == OPTION else ("name", "instructions")
        name = next(filter(None, (_text(one.get(key)) for key in keys)), None)
        above = () if parent is None else self.features[parent].path
        room = self._room - sum(map(len, above)) - len(name or "")
        if not (name and schema_id) or len(above) >= DEPTH or len(self.features) >= MOST or room < 0:
            return None
        self._room = room
        return Feature(
            kind=kind,
            path=(*above, name),
            feature_schema_id=schema_id,
            parent=parent,
            value=_text(one.get("value")) if kind == OPTION else None,
            instructions=_text(one.get("instructions")) if kind in QUESTIONS else None,
            colour=self._colour(one.get("color")),
            required=one.get("required") is True,
            archived=one.get("archived") in (True, 1),
        )

    def _colour(self, found: Any) -> str | None:
        if found in (None, ""):
            return None
        spelled = found.lower() if isinstance(found, str) else ""
        if is_colour(spelled):
            return str(spelled)
        self.unreadable += 1
        return None


def _tool(one: Mapping[str, Any]) -> str | None:
    named = one.get("tool")
    return _TOOLS.get(named) if isinstance(named, str) else None


def _question(one: Mapping[str, Any]) -> str | None:
    named = one.get("type")
    return named if isinstance(named, str) and named in QUESTIONS else None


def _option(_: Mapping[str, Any]) -> str:
    return OPTION


def _text(found: Any) -> str | None:
    """Return text in whole characters; None where it is none, or too long."""
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST:
        return None
    text, _ = whole(found, found)
    return str(text)
