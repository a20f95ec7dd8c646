"""A street scene drawn from a seed: what stands in the picture, from back to front.

Row ``index`` is the same scene whatever the size of the project. Coordinates are as in ``things``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import Literal

from deploy.sandbox.scenes.things import (
    LIGHT_STATES,
    MASKED,
    Colour,
    Item,
    Point,
    Shape,
    View,
    car,
    outlined,
    person,
    shade,
    traffic_light,
    tree,
)

TimeOfDay = Literal["day", "dusk", "night"]

_TIMES: tuple[TimeOfDay, ...] = ("day", "dusk", "night")
_WEATHER = (("clear",), ("cloudy",), ("cloudy", "rain"), ("fog",), ("clear", "wind"))
_FACADES: tuple[Colour, ...] = (
    *((186, 148, 118), (164, 92, 74), (208, 196, 172)),
    *((150, 152, 158), (120, 108, 104), (214, 178, 132)),
)
_WINDOW_LIGHTS: tuple[Colour, ...] = ((250, 220, 140), (255, 236, 180), (236, 188, 104))
_LANE_EDGES = (-0.48, 0.0, 0.48)
_DASHES = tuple(0.7**number for number in range(9))
_SHARE_OF_TREES, _SHARE_OF_LIGHTS, _SHARE_LIT = 0.75, 0.8, 0.45


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole picture; ``items`` stand from back to front, ``lanes`` are the road's edges and its middle."""

    view: View
    time: TimeOfDay
    weather: tuple[str, ...]
    items: tuple[Item, ...]
    lanes: tuple[tuple[Point, ...], ...]
    noise: int


def picture_size(index: int) -> tuple[int, int]:
    """Width and height of row ``index``: mostly 640 × 400, some odd and some smaller."""
    return {3: (601, 397), 8: (480, 360)}.get(index % 11, (640, 400))


@lru_cache(maxsize=32)
def scene(seed: int, index: int) -> Scene:
    """The scene of row ``index``: a pure function of its arguments."""
    random = Random(f"street-scenes:{seed}:{index}")
    width, height = picture_size(index)
    view = View(width, height, height * random.uniform(0.4, 0.48), width * random.uniform(0.42, 0.58))
    time = _TIMES[(index * 7 + index // 3) % 5 // 2]
    standing = sorted(_standing(view, random, night=time != "day"), key=lambda item: item.box[3])
    numbers = iter(range(1, 256))
    numbered = [replace(item, number=next(numbers)) if item.kind in MASKED else item for item in standing]
    skyline, street = _skyline(view, random, lit=time == "night"), _buildings(view, random, lit=time != "day")
    return Scene(
        view=view,
        time=time,
        weather=_WEATHER[(index * 3 + index // 5) % 5],
        items=(skyline, _road(view), *street, *numbered),
        lanes=tuple(tuple(view.ground(x, depth) for depth in (0.98, 0.7, 0.45, 0.25, 0.1, 0.04)) for x in _LANE_EDGES),
        noise=random.randrange(1 << 16),
    )


def _standing(view: View, random: Random, *, night: bool) -> list[Item]:
    """Cars in their lanes, people on the pavements and one crossing the road, trees and traffic lights along it."""
    depths = sorted(random.uniform(0.16, 0.86) for _ in range(random.randint(3, 6)))
    items = [car(view, random, depth, random.choice((-0.36, -0.13, 0.13, 0.36)), night=night) for depth in depths]
    for _ in range(random.randint(1, 3)):
        offset = random.choice((-1, 1)) * random.uniform(0.58, 0.7)
        items.append(person(view, random, random.uniform(0.4, 0.9), offset))
    items.append(person(view, random, random.uniform(0.45, 0.92), random.uniform(-0.4, 0.4)))
    state = random.choice(LIGHT_STATES)
    for side in (-1, 1):
        if random.random() < _SHARE_OF_TREES:
            items.append(tree(view, random, random.uniform(0.24, 0.72), side * random.uniform(0.7, 0.82)))
        if random.random() < _SHARE_OF_LIGHTS:
            items.append(traffic_light(view, random.uniform(0.42, 0.56), side * 0.56, state))
    return items


def road_outline(view: View) -> tuple[Point, ...]:
    """The carriageway clipped to the picture, from the vanishing point clockwise, ring not yet closed."""
    bottom, slope = view.height - view.horizon, 0.5 * view.width
    corners = []
    for side, edge in ((1, float(view.width)), (-1, 0.0)):
        reach = (edge - view.vanishing_x) * side / slope
        meets = (edge, view.horizon + bottom * reach) if reach < 1 else (view.vanishing_x + side * slope, view.height)
        corner = (edge if reach < 1 else meets[0], float(view.height))
        corners += [meets, corner][::side]
    return tuple(dict.fromkeys(((view.vanishing_x, view.horizon), *corners)))


def _road(view: View) -> Item:
    """The grass, the pavements, the kerb, the carriageway and its markings."""

    def wedge(left: float, right: float, fill: Colour) -> Shape:
        return Shape((view.ground(left, 1.0), view.ground(0, 0), view.ground(right, 1.0)), fill)

    def dash(offset: float, near: float) -> Shape:
        corners = ((-0.008, near), (-0.008, near * 0.84), (0.008, near * 0.84), (0.008, near))
        yellow: Colour = (232, 216, 140)
        points = tuple(view.ground(offset + side, depth) for side, depth in corners)
        return Shape(points, yellow if offset == 0 else (222, 222, 216))

    grass = _rectangle(0, view.horizon, view.width, view.height)
    shapes = (
        Shape(grass, (120, 128, 98)),
        wedge(-0.86, 0.86, (168, 164, 158)),
        wedge(-0.53, 0.53, (196, 194, 188)),
        wedge(-0.5, 0.5, (86, 88, 94)),
        wedge(-0.492, -0.468, (226, 226, 220)),
        wedge(0.468, 0.492, (226, 226, 220)),
        *(dash(offset, near) for offset in (-0.245, 0.0, 0.245) for near in _DASHES),
    )
    return outlined("road", shapes)


def _skyline(view: View, random: Random, *, lit: bool) -> Item:
    shapes: list[Shape] = []
    left = -10.0
    while left < view.width:
        wide, tall = random.uniform(24, 58), random.uniform(0.05, 0.19) * view.height
        grey, top = random.randint(132, 168), view.horizon - tall
        shapes.append(Shape(_rectangle(left, top, left + wide, view.horizon + 2), (grey - 12, grey - 4, grey + 8)))
        windows = [
            (left + wide * 0.2 * column, top + 6 * row) for row in range(1, int(tall // 6)) for column in range(1, 5)
        ]
        shapes += [
            Shape(_rectangle(x, y, x + 3, y + 3), (244, 214, 140), lit=True)
            for x, y in windows
            if lit and random.random() < _SHARE_LIT
        ]
        left += wide * 0.9
    return outlined("backdrop", shapes)


def _buildings(view: View, random: Random, *, lit: bool) -> list[Item]:
    """Façades along both pavements, far ones first."""
    items = []
    for side in (-1, 1):
        far = 0.1
        while far < 1:
            near = far * random.uniform(1.5, 2.1)
            items.append(_facade(view, random, side, (far, near), lit=lit))
            far = near * random.uniform(1.0, 1.12)
    return items


def _facade(view: View, random: Random, side: int, depths: tuple[float, float], *, lit: bool) -> Item:
    """A façade with windows and a door; its points are the four corners."""
    (far, near), tall, paint = depths, random.uniform(0.62, 1.05), random.choice(_FACADES)

    def wall(along: float, up: float) -> Point:
        """A spot on it; equal steps ``along`` are equal lengths in the street, so they crowd together far away."""
        depth = 1 / (1 / far + (1 / near - 1 / far) * along)
        return view.ground(side * 0.88, depth, tall * up)

    def quad(left: float, right: float, low: float, high: float) -> tuple[Point, ...]:
        return wall(left, high), wall(right, high), wall(right, low), wall(left, low)

    def window(column: int, floor: int) -> Shape:
        shining = lit and random.random() < _SHARE_LIT
        glass = random.choice(_WINDOW_LIGHTS) if shining else (88, 104, 120)
        left, low = (column + 0.25) / 5, (floor + 0.15) / (floors + 0.3)
        return Shape(quad(left, left + 0.1, low, low + 0.6 / (floors + 0.3)), glass, lit=shining)

    floors = random.randint(4, 6)
    front = Shape(quad(0, 1, 0, 1), paint)
    shapes = (
        front,
        Shape(quad(0, 1, 0, 0.14), shade(paint, 0.7)),
        Shape(quad(0, 1, 0.95, 1), shade(paint, 1.15)),
        *(window(column, floor) for floor in range(1, floors) for column in range(5)),
        Shape(quad(0.42, 0.58, 0, 0.12), (70, 50, 40)),
    )
    return outlined("building", shapes, points=front.points)


def _rectangle(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    return (left, top), (right, top), (right, bottom), (left, bottom)
