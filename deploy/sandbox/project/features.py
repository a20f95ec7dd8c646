"""The features of an export line (objects, classifications, answers), in the shape of Labelbox's reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from deploy.sandbox.project.identifiers import cuid
from deploy.sandbox.project.labels import Label, Style, feature_id
from deploy.sandbox.project.ontology import schema_id, slug

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from deploy.sandbox.scenes.things import Box, Colour, Item, Point

Json = dict[str, Any]

_FIRST_PART = 300  # of the ids within a label; those below are the masks'


@dataclass(frozen=True, slots=True)
class Urls:
    """Where an export's masks are: ``owner`` is ``projects/ID`` or ``models/ID``, ``task`` the export's own id."""

    rest: str
    owner: str
    task: str


@dataclass(frozen=True, slots=True)
class Features:
    """Writes the features of one label, giving each the next id; geometry is the picture's, shifted and clamped.

    ``size`` is the picture's width and height; ``rename`` maps a class name to the one it has now.
    """

    label: Label
    style: Style
    urls: Urls
    size: tuple[int, int]
    rename: Callable[[str], str]
    model_run: bool
    parts: Iterator[int] = field(default_factory=lambda: count(_FIRST_PART))

    def box(self, name: str, box: Box, *answers: Json) -> Json:
        """A bounding box of whole numbers, written as floats."""
        left, top = (round(value) for value in self._moved(box[:2]))
        right, bottom = (round(value) for value in self._moved(box[2:]))
        sides = {"top": float(top), "left": float(left), "height": float(bottom - top), "width": float(right - left)}
        return self._object("rectangle", name, "BoundingBox", answers, bounding_box=sides)

    def polygon(self, name: str, ring: Iterable[Point]) -> Json:
        """A polygon, its first point repeated last unless the style leaves rings open."""
        points = [self._point(point) for point in ring]
        return self._object(
            "polygon", name, "Polygon", polygon=points if self.style.open_rings else [*points, points[0]]
        )

    def polyline(self, name: str, points: Iterable[Point]) -> Json:
        """An open line."""
        return self._object("line", name, "Polyline", line=[self._point(point) for point in points])

    def point(self, name: str, point: Point) -> Json:
        """A single point."""
        return self._object("point", name, "Point", point=self._point(point))

    def mask(self, item: Item, colour: Colour, *answers: Json) -> Json:
        """An instance: its own mask's URL, its colour in the label's composite, or both."""
        written = self._object("raster-segmentation", item.kind, "SegmentationMask", answers, part=item.number)
        urls, label, style = self.urls, self.label, self.style
        if style.instance:
            url = f"{urls.rest}/{urls.owner}/annotations/{written['feature_id']}{style.instance_suffix}"
            written["mask"] = {"url": url}
        if style.composite:
            identifier = cuid(label.seed, "composite", label.index, label.composite_part)
            url = f"{urls.rest}/tasks/{urls.task}/masks/{identifier}{style.composite_suffix}"
            written["composite_mask"] = {"url": url, "color_rgb": list(colour)}
        return written

    def relationship(self, name: str, source: Json, target: Json) -> Json:
        """A directed relationship between two objects."""
        ends = {"source": source["feature_id"], "target": target["feature_id"]}
        return self._object("edge", name, "UnidirectionalRelationship", unidirectional_relationship=ends)

    def radio(self, question: str, answer: Json) -> Json:
        """A question with one answer."""
        return {**self._feature("radio", question), "radio_answer": answer}

    def checklist(self, question: str, *answers: Json) -> Json:
        """A question with several answers."""
        return {**self._feature("checklist", question), "checklist_answers": list(answers)}

    def text(self, question: str, content: str) -> Json:
        """A question answered in free text; old exports give the answer a list of classifications of its own."""
        answer: Json = {"content": content, "classifications": []} if self.style.old else {"content": content}
        return {**self._feature("text", question), "text_answer": answer}

    def answer(self, name: str, *nested: Json) -> Json:
        """One answer of a radio or a checklist, with the questions nested under it."""
        return {**self._feature("answer", name), "classifications": list(nested)}

    def _feature(self, tool: str, name: str, part: int | None = None) -> Json:
        """The keys that every feature begins with; old exports leave some out."""
        number = next(self.parts) if part is None else part
        keys: Json = {"feature_id": feature_id(self.label, number, model_run=self.model_run)}
        if not (self.style.old and tool == "answer"):
            keys["feature_schema_id"] = schema_id(self.label.seed, tool, name)
        keys["name"] = self.rename(name)
        return keys if self.style.old else {**keys, "value": slug(name)}

    def _object(
        self, tool: str, name: str, kind: str, answers: Iterable[Json] = (), *, part: int | None = None, **geometry: Any
    ) -> Json:
        keys = {"annotation_kind": f"Image{kind}", "classifications": list(answers)}
        return {**self._feature(tool, name, part), **keys, **geometry}

    def _moved(self, point: tuple[float, ...]) -> Iterator[float]:
        for value, by, limit in zip(point, self.label.shift, self.size, strict=True):
            yield min(float(limit), max(0.0, value + by))

    def _point(self, point: Point) -> Json:
        digits = None if self.style.whole_numbers else 3
        x, y = (round(value, digits) for value in self._moved(point))
        return {"x": x, "y": y}
