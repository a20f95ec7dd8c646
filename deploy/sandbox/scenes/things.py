"""What can stand in a street: cars, people, trees and traffic lights, each a few filled outlines.

Coordinates are pixels of the final picture, x to the right and y down, with the origin at the top-left corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin, tau
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

Colour = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]
Kind = Literal["car", "person", "tree", "traffic light", "building", "road", "backdrop"]

LIGHT_STATES = ("red", "yellow", "green")
MASKED: frozenset[Kind] = frozenset({"car", "person", "tree"})

_PAINTS: tuple[Colour, ...] = (
    *((178, 34, 38), (36, 78, 140), (206, 208, 210), (44, 46, 50)),
    *((222, 178, 48), (58, 112, 84), (138, 142, 150), (240, 240, 236)),
)
_COATS: tuple[Colour, ...] = (
    *((196, 72, 58), (58, 92, 150), (230, 196, 92)),
    *((86, 120, 78), (140, 84, 138), (70, 70, 78)),
)
_TROUSERS: tuple[Colour, ...] = ((44, 48, 66), (70, 62, 54), (34, 34, 36))
_SKINS: tuple[Colour, ...] = ((238, 200, 170), (206, 158, 122), (142, 98, 70), (92, 62, 46))
_LEAVES: tuple[Colour, ...] = ((62, 122, 54), (84, 142, 62), (106, 156, 70), (48, 100, 50))
_BARK: Colour = (94, 70, 52)
_LAMPS: dict[str, Colour] = {"red": (255, 62, 48), "yellow": (255, 206, 64), "green": (70, 240, 120)}


@dataclass(frozen=True, slots=True)
class Shape:
    """One filled outline; an ellipse has its box's corners as points.

    ``lit`` shapes keep their colour at night; ``glow`` is the radius of the light around them.
    """

    points: tuple[Point, ...]
    fill: Colour
    ellipse: bool = False
    lit: bool = False
    glow: float = 0.0


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in the picture; ``box`` is (left, top, right, bottom).

    ``number`` (from 1) is its value in the instance map, 0 for what has no mask.
    """

    kind: Kind
    shapes: tuple[Shape, ...]
    box: Box
    number: int = 0
    state: str = ""
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """The street's perspective: ``depth`` is 0 at the horizon and 1 at the bottom edge of the picture."""

    width: int
    height: int
    horizon: float
    vanishing_x: float

    def ground(self, offset: float, depth: float, lift: float = 0.0) -> Point:
        """The pixel of a spot ``offset`` widths right of the road's middle and ``lift`` heights above the ground."""
        x = self.vanishing_x + offset * depth * self.width
        return x, self.horizon + depth * (self.height - self.horizon) - lift * depth * self.height


@dataclass(frozen=True, slots=True)
class _Frame:
    """A thing's own coordinates: u across from its middle, v up from the ground, in ``across`` and ``tall`` pixels."""

    x: float
    ground: float
    across: float
    tall: float

    def at(self, u: float, v: float) -> Point:
        return self.x + u * self.across, self.ground - v * self.tall

    def area(self, fill: Colour, *corners: Point) -> Shape:
        return Shape(tuple(self.at(u, v) for u, v in corners), fill)

    def block(self, fill: Colour, left: float, bottom: float, right: float, top: float) -> Shape:
        return self.area(fill, (left, bottom), (left, top), (right, top), (right, bottom))

    def disc(self, fill: Colour, centre: Point, radii: Point, *, lit: bool = False, glow: float = 0.0) -> Shape:
        (u, v), (radius_u, radius_v) = centre, radii
        corners = self.at(u - radius_u, v + radius_v), self.at(u + radius_u, v - radius_v)
        return Shape(corners, fill, ellipse=True, lit=lit, glow=glow * self.tall)


def shade(colour: Colour, factor: float) -> Colour:
    """The colour made darker or lighter."""
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue


def outlined(kind: Kind, shapes: Sequence[Shape], *, state: str = "", points: tuple[Point, ...] = ()) -> Item:
    """An item whose box is the one around its shapes."""
    xs = [x for shape in shapes for x, _ in shape.points]
    ys = [y for shape in shapes for _, y in shape.points]
    return Item(kind, tuple(shapes), (min(xs), min(ys), max(xs), max(ys)), 0, state, points)


def car(view: View, random: Random, depth: float, lane: float, *, night: bool) -> Item:
    """A car from the back (right lanes) or from the front (left lanes); its points are both lamps and the driver."""
    half = 0.105 * depth * view.width * random.uniform(0.95, 1.1)
    frame = _Frame(*view.ground(lane + random.uniform(-0.02, 0.02), depth), half, half * random.uniform(1.32, 1.62))
    paint, front = random.choice(_PAINTS), lane < 0
    lamp: Colour = (255, 246, 206) if front else (232, 44, 40)
    roof = ((-0.64, 0.94), (-0.52, 1.0), (0.52, 1.0), (0.64, 0.94), (0.86, 0.58), (-0.86, 0.58))
    shapes = (
        *(frame.block((22, 22, 24), side - 0.17, 0, side + 0.17, 0.26) for side in (-0.72, 0.72)),
        frame.area(shade(paint, 0.82), *roof),
        frame.area((70, 88, 104), (-0.54, 0.91), (0.54, 0.91), (0.72, 0.58), (-0.72, 0.58)),
        frame.area((112, 134, 150), (-0.54, 0.91), (-0.2, 0.91), (-0.44, 0.58), (-0.72, 0.58)),
        frame.area(paint, (-0.9, 0.58), (0.9, 0.58), (1, 0.44), (1, 0.2), (-1, 0.2), (-1, 0.44)),
        frame.block(shade(paint, 1.25), -0.92, 0.53, 0.92, 0.58),
        frame.block(shade(paint, 0.55), -0.97, 0.1, 0.97, 0.26),
        frame.block((226, 224, 210), -0.2, 0.22, 0.2, 0.32),
        *(frame.disc(lamp, (u, 0.41), (0.17, 0.075), lit=True, glow=0.35 * night) for u in (-0.74, 0.74)),
    )
    points = frame.at(-0.74, 0.41), frame.at(0.74, 0.41), frame.at(-0.3, 0.76)
    return outlined("car", shapes, state="front" if front else "rear", points=points)


def person(view: View, random: Random, depth: float, offset: float) -> Item:
    """A pedestrian with one foot forward and a gap between the legs; the point is the head."""
    tall = 0.3 * depth * view.height * random.uniform(0.88, 1.1)
    frame = _Frame(*view.ground(offset, depth), tall, tall)
    coat, skin, trousers = random.choice(_COATS), random.choice(_SKINS), random.choice(_TROUSERS)
    stride = random.uniform(0.06, 0.13)
    feet = ((-1, -stride, 1.0), (1, stride, 0.85))
    arms = ((0.115, 0.81), (0.173, 0.44), (0.121, 0.42), (0.069, 0.75))
    shapes = (
        *(
            frame.area(
                shade(trousers, light), (0, 0.46), (side * 0.1, 0.46), (foot + side * 0.04, 0), (foot - side * 0.04, 0)
            )
            for side, foot, light in feet
        ),
        *(frame.area(shade(coat, 0.75), *((side * u, v) for u, v in arms)) for side in (-1, 1)),
        frame.area(coat, (-0.115, 0.83), (0.115, 0.83), (0.098, 0.41), (-0.098, 0.41)),
        frame.area(shade(coat, 0.6), (-0.029, 0.83), (0.029, 0.83), (0, 0.69)),
        frame.disc(skin, (0, 0.91), (0.068, 0.09)),
        frame.disc((58, 42, 32), (0, 0.955), (0.07, 0.05)),
    )
    return outlined("person", shapes, state=random.choice(("walking", "standing")), points=(frame.at(0, 0.91),))


def tree(view: View, random: Random, depth: float, offset: float) -> Item:
    """A trunk, two boughs, and leaves in clumps with the street showing between them."""
    tall = 1.1 * depth * view.height * random.uniform(0.85, 1.1)
    frame = _Frame(*view.ground(offset, depth), tall, tall)
    shapes = [frame.area(_BARK, (-0.028, 0.75), (0.022, 0.75), (0.036, 0), (-0.042, 0))]
    shapes += [frame.area(_BARK, (-0.016, 0.48), (0.016, 0.46), (u, 0.7), (u * 0.9, 0.7)) for u in (-0.186, 0.186)]
    for distance, clumps in ((0.28, 16), (0.15, 14)):
        for number in range(clumps):
            angle = tau * number / 16
            centre = (
                distance * random.uniform(0.85, 1) * cos(angle),
                0.7 - distance * random.uniform(0.85, 1) * sin(angle),
            )
            radius = random.uniform(0.05, 0.08)
            leaves = shade(random.choice(_LEAVES), 1.08 - 0.2 * sin(angle))
            shapes.append(frame.disc(leaves, centre, (radius, radius * 0.88)))
    return outlined("tree", shapes)


def traffic_light(view: View, depth: float, offset: float, state: str) -> Item:
    """A post with three lamps, one of them lit; the box is the housing's."""
    tall = 0.66 * depth * view.height
    frame = _Frame(*view.ground(offset, depth), tall, tall)
    shapes = [frame.block((72, 76, 78), -0.014, 0, 0.014, 0.7), frame.block((30, 34, 34), -0.062, 0.67, 0.062, 1)]
    for number, name in enumerate(LIGHT_STATES):
        centre, on = (0, 0.94 - 0.105 * number), name == state
        fill = _LAMPS[name] if on else (58, 60, 58)
        shapes.append(frame.disc(fill, centre, (0.038, 0.038), lit=on, glow=0.136 * on))
    return Item("traffic light", tuple(shapes), (*frame.at(-0.062, 1), *frame.at(0.062, 0.67)), 0, state)
