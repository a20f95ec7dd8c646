"""Where an annotation lies in its image: a closed union, one type a kind.

Coordinates are Labelbox's: pixels, x to the right, y down, the origin at the upper left corner of the upper left
pixel, so that an image of width W covers 0 ≤ x ≤ W. They are kept as they were exported: nothing is clipped, closed or
rounded here.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from struct import calcsize, pack
from typing import Annotated, Final, Literal, TypeAlias, overload

from msgspec import Meta, Struct

Position: TypeAlias = tuple[float, float]
"""(x, y) in pixels."""

Coordinate: TypeAlias = Annotated[float, Meta(ge=-(2**31), le=2**31)]
"""In pixels. No image is larger, and sums of areas stay numbers."""

Colour: TypeAlias = tuple[int, int, int]
"""(red, green, blue), 0 to 255 each: ``color_rgb`` of the export."""

MaskRule: TypeAlias = Literal["composite", "instance"]
"""Whose pixels a mask has: what its label's composite shows of the instance, or all of the instance's own image."""

DOUBLE: Final = calcsize("d")
"""Bytes of a coordinate."""


class Vertices(Sequence[Position]):
    """Positions in a row, packed: a sixth of the memory of tuples, and what an Arrow column is joined from.

    ``xs`` and ``ys`` are doubles, 8 bytes each in the machine's order. Equal to a tuple of the same positions.
    """

    __slots__ = ("xs", "ys")

    def __init__(self, xs: bytes, ys: bytes) -> None:
        self.xs = xs
        self.ys = ys

    @classmethod
    def packed(cls, xs: Sequence[float], ys: Sequence[float]) -> Vertices:
        """Return the positions that have these coordinates."""
        doubles = f"{len(xs)}d"
        return cls(pack(doubles, *xs), pack(doubles, *ys))

    @property
    def axes(self) -> tuple[array[float], array[float]]:
        """The coordinates, unpacked: all x, all y."""
        return array("d", self.xs), array("d", self.ys)

    def __len__(self) -> int:
        return len(self.xs) // DOUBLE

    def __iter__(self) -> Iterator[Position]:
        return zip(*self.axes, strict=True)

    @overload
    def __getitem__(self, place: int) -> Position: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Position, ...]: ...
    def __getitem__(self, place: int | slice) -> Position | tuple[Position, ...]:
        if isinstance(place, slice):
            return tuple(self)[place]
        xs, ys = self.axes
        return xs[place], ys[place]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Vertices) and self.xs == other.xs and self.ys == other.ys:
            return True
        return tuple(self) == tuple(other) if isinstance(other, Vertices | tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


class BoundingBox(Struct, frozen=True, gc=False):
    """An axis-aligned box by its upper left corner and size, in pixels (``bounding_box``)."""

    left: Coordinate
    top: Coordinate
    width: Coordinate
    height: Coordinate


class Polygon(Struct, frozen=True, gc=False):
    """One ring (``polygon``). The first vertex usually stands again at the end; open rings occur; winding is mixed."""

    vertices: Sequence[Position]


class Polyline(Struct, frozen=True, gc=False):
    """An open chain of vertices (``line``)."""

    vertices: Sequence[Position]


class Point(Struct, frozen=True, gc=False):
    """A single position (``point``)."""

    x: Coordinate
    y: Coordinate


class MaskReference(Struct, frozen=True, gc=False):
    """Where a segmentation mask can be had: its own PNG, or its colour in the label's composite PNG, or both.

    ``url`` is the instance mask's; ``composite_url`` and ``color_rgb`` come together or not at all.
    """

    url: str | None
    composite_url: str | None
    color_rgb: Colour | None


class Runs(Struct, frozen=True, gc=False):
    """A mask's pixels as COCO run-length encoding, with what COCO derives from it.

    ``counts`` is COCO's compressed string over the column-major pixels of an image of ``height`` × ``width``, ``area``
    counts pixels, ``bounding_box`` is the tight box [x, y, width, height] in pixels. Format: pycocotools,
    ``maskApi.c``.
    """

    height: int
    width: int
    counts: bytes
    area: int
    bounding_box: tuple[int, int, int, int]


class Overlap(Struct, frozen=True, gc=False):
    """How an instance whose own image was read lies with the other instances of its label, in pixels.

    ``covered`` are those of its image that the mask has not, because the composite shows another instance there, and
    None where the mask is whole because its composite could not be had; ``shared`` those of the mask that other masks
    have too.
    """

    covered: int | None
    shared: int


class Mask(Struct, frozen=True, gc=False):
    """A segmentation mask that was fetched and decoded, with the reference that it came from.

    ``overlap`` is None where the mask is what a composite shows: what lies under others cannot be told from that.
    """

    reference: MaskReference
    runs: Runs
    overlap: Overlap | None = None


Geometry: TypeAlias = BoundingBox | Polygon | Polyline | Point | MaskReference | Mask
