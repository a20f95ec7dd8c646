"""One label's annotations: what a labeller draws on a scene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.sandbox.project.features import Features, Json, Urls
from deploy.sandbox.project.labels import MARGIN, Label, Style, label_colours
from deploy.sandbox.scenes.scene import Scene, road_outline, scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deploy.sandbox.scenes.things import Item

Masks = dict[int, Json]

_BUILDINGS = 4


def annotate(
    label: Label,
    style: Style,
    urls: Urls,
    *,
    rename: Callable[[str], str] = str,
    empty: bool = False,
    model_run: bool = False,
) -> Json:
    """The ``annotations`` block of one label: objects, image-level classifications and relationships.

    ``empty`` leaves the objects out; ``rename`` maps a class name to the one it has now.
    """
    street = scene(label.seed, label.index)
    write = Features(label, style, urls, (street.view.width, street.view.height), rename, model_run)
    objects: list[Json] = []
    relationships: list[Json] = []
    if not empty:
        masks = _masks(write, street)
        points, drives = _points(write, street, masks)
        lanes = [write.polyline("lane marking", lane) for lane in street.lanes]
        objects = [*_boxes(write, street, masks), *_polygons(write, street), *lanes, *points, *masks.values()]
        relationships = [*_overlaps(write, street, masks), *drives]
    block: Json = {
        "objects": objects + relationships * style.old,
        "classifications": _image_answers(write, street),
        "relationships": relationships,
    }
    if style.z_order:
        block["z_order"] = [feature["feature_id"] for feature in (*objects, *relationships)]
    return block


def _masks(write: Features, street: Scene) -> Masks:
    """The masks by instance number; a car has a text, a person a checklist of its own."""
    palette = label_colours(write.label, write.style)

    def answers(item: Item) -> tuple[Json, ...]:
        if item.kind == "car":
            return (write.text("paint & plate", f"ZÜ-{write.label.index:04d}-{item.number:02d}"),)
        if item.kind == "person":
            return (write.checklist("attributes", write.answer(item.state), write.answer("adult")),)
        return ()

    seen = (item for item in street.items if item.number in palette)
    return {item.number: write.mask(item, palette[item.number], *answers(item)) for item in seen}


def _boxes(write: Features, street: Scene, masks: Masks) -> Iterator[Json]:
    """Boxes around whole cars, hidden parts included, and around traffic lights with their state."""
    for item in street.items:
        if item.kind == "car" and item.number in masks:
            yield write.box("vehicle", item.box)
        elif item.kind == "traffic light":
            yield write.box("traffic light", item.box, write.radio("state", write.answer(item.state)))


def _polygons(write: Features, street: Scene) -> Iterator[Json]:
    """The nearest façades, clamped to the picture's edge, and the road."""
    inside = (MARGIN, street.view.width - MARGIN)
    fronts = [item for item in street.items if item.kind == "building"]
    seen = [item for item in fronts if item.box[0] < inside[1] and item.box[2] > inside[0]]
    for item in seen[-_BUILDINGS:]:
        yield write.polygon("building / façade", item.points)
    yield write.polygon("road", road_outline(street.view))


def _points(write: Features, street: Scene, masks: Masks) -> tuple[list[Json], list[Json]]:
    """Points on people and on cars seen from the front, and which driver ``drives`` which car."""
    points: list[Json] = []
    drives: list[Json] = []
    for item in street.items:
        if item.number in masks and item.kind == "person":
            points.append(write.point("head (pedestrian)", item.points[0]))
        elif item.number in masks and item.kind == "car" and item.state == "front":
            left, right, seat = item.points
            driver = write.point("driver", seat)
            points += [write.point("headlight", left), write.point("headlight", right), driver]
            drives.append(write.relationship("drives", driver, masks[item.number]))
    return points, drives


def _overlaps(write: Features, street: Scene, masks: Masks) -> Iterator[Json]:
    """``in front of``: from each person to the farthest car that their boxes overlap."""
    people = [item for item in street.items if item.kind == "person" and item.number in masks]
    cars = [item for item in street.items if item.kind == "car" and item.number in masks]
    for person in people:
        behind = [car for car in cars if car.number < person.number and _overlap(car, person)]
        if behind:
            yield write.relationship("in front of", masks[person.number], masks[behind[0].number])


def _overlap(one: Item, other: Item) -> bool:
    (left, top, right, bottom), (other_left, other_top, other_right, other_bottom) = one.box, other.box
    return left < other_right and other_left < right and top < other_bottom and other_top < bottom


def _image_answers(write: Features, street: Scene) -> list[Json]:
    """The questions about the whole picture: every kind, two of them nested."""
    index, revision = write.label.index, write.label.revision
    edits = f" – edited {revision}×" if revision else ""
    limit = write.radio("speed limit", write.answer("30 km/h"))
    where = write.checklist("where", write.answer("on the road"), write.answer("on the pavement"))
    return [
        write.radio("time of day", write.answer(street.time)),
        write.checklist("weather", *(write.answer(name) for name in street.weather)),
        write.text("remarks", f"Straße Nr. {index} – „ruhig“ 🚦{edits}"),
        write.radio("road type", write.answer("crossing", limit) if index % 2 else write.answer("avenue")),
        write.checklist("hazards", write.answer("pedestrians", where), write.answer("parked cars")),
    ]
