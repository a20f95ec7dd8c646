"""What COCO files come to, by split and category: read line by line, by code that shares nothing with their writer.

A file has one item a line, as ``labelsnap.formats.shared.documents`` writes it. Few lines are in memory at a time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import chain
from math import nan
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import numpy as np
from msgspec import Meta, Struct

from labelsnap.decoders import decoder_of
from labelsnap.snapshots.checking.decoding import UndecodableError
from labelsnap.snapshots.checking.extents import EXTENT, OutlineError, mask_extents, ring_extents, run_extents
from labelsnap.snapshots.checking.measures import NOWHERE, ROW, Group, Totals
from labelsnap.snapshots.manifest import NOT_SUCH_JSON

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labelsnap.records.choices.selection import Choice
    from labelsnap.snapshots.checking.measures import Amounts, Measure

OBJECT: Final = "object"
POINT: Final = "point"
_COCO: Final = re.compile(
    r"formats/(?P<output>[^/]+)/annotations/(?P<what>instances|person_keypoints|predictions|keypoint_predictions)_(?P<split>[a-z]+)\.json"
)
_PREDICTED: Final = frozenset({"predictions", "keypoint_predictions"})
_OF_POINTS: Final = frozenset({"person_keypoints", "keypoint_predictions"})
_IN_COCO: Final = {"bounding_box": OBJECT, "polygon": OBJECT, "mask": OBJECT, "point": POINT}
"""What each kind of object counts as in COCO files: points are in files of their own."""
_TOGETHER: Final = 1 << 18  # bytes of lines that are looked at together
_ITEM: Final = (b'{"id":', b'{"image_id":')  # how a line begins that is one
_CENTRE: Final = 0.5  # of the first pixel, from which keypoints count
_LONGEST: Final = 1 << 32  # pixels of a run
_CLOSE: Final = 1e-6  # of a box's side or an area, between what a file states and what its outline has


class Held(NamedTuple):
    """What one COCO file holds, by its name: one split's objects or points, of labels or predicted, in an output."""

    output: str
    split: str
    predicted: bool
    kind: str

    def has(self, group: Group) -> bool:
        """Whether a group is in the file: images are where labels are."""
        return (group.split, group.predicted) == (self.split, self.predicted) and group.kind in {self.kind, ROW}


def held_by(name: str) -> Held | None:
    """Return what the file of this logical path holds; None: it is called as no COCO file that is measured."""
    coco = _COCO.fullmatch(name)
    if coco is None:
        return None
    return Held(
        coco["output"], coco["split"], coco["what"] in _PREDICTED, POINT if coco["what"] in _OF_POINTS else OBJECT
    )


def expected_in_coco(measures: Iterable[Measure], choice: Choice) -> dict[Group, Amounts]:
    """Return what records come to in an output in COCO: images, and by category points and whatever shape has an area.

    Only what is selected counts.
    """
    totals, registry = Totals(), choice.registry
    for group, amounts in ((each.group, each.amounts) for each in measures):
        if group.kind == ROW:
            totals.add(group, amounts)
        elif group.kind in _IN_COCO and not group.flat:
            schema = group.feature_schema_id
            if (name := choice.name_of(schema, group.name, group.kind)) is not None:
                category = registry.class_named(schema or None, name).id
                totals.add(Group(group.split, group.predicted, _IN_COCO[group.kind], str(category)), amounts)
    return totals.sums


class _Rle(Struct):
    size: tuple[int, int]
    counts: str | list[Annotated[int, Meta(ge=0, le=_LONGEST)]]


class _Item(Struct, gc=False):
    """What an image, an annotation, which has a category, or a category states of itself.

    An annotation is ``drawn`` where pycocotools could not draw its outline and pixels stand in its place.
    """

    file_name: str | None = None
    category_id: int | None = None
    feature_id: str | None = None
    area: float = nan
    bbox: tuple[float, float, float, float] = (nan,) * 4
    keypoints: list[float | str] = []  # the names of a category's
    segmentation: _Rle | list[list[float]] = []
    drawn: list[list[float]] = []


def measure_coco(path: Path, split: str, *, predicted: bool) -> tuple[Measure, ...]:
    """Add up a COCO file's images and annotations by ``category_id`` (the group's name).

    Each annotation's area and box are compared with its own outline. All shapes count as one kind, ``object``; one with
    keypoints is a ``point``, which these count from the centre of the first pixel. Raises UndecodableError.
    """
    totals = Totals()
    for items in _items(path):
        annotations = [item for item in items if item.category_id is not None]
        extents = _stated(annotations)
        _compare(annotations, extents)
        places: defaultdict[tuple[str, int | None], list[int]] = defaultdict(list)
        for index, item in enumerate(annotations):
            if item.keypoints:
                extents[index] = _point(item)
            places[POINT if item.keypoints else OBJECT, item.category_id].append(index)
        for (kind, category), found in places.items():
            area, left, top, width, height = extents[found].sum(axis=0).tolist()
            totals.add(Group(split, predicted, kind, str(category)), (len(found), area, left, top, width, height))
        if images := sum(item.category_id is None and item.file_name is not None for item in items):
            totals.add(Group(split, predicted, ROW), (images, *NOWHERE))
    return totals.measures


def _items(path: Path) -> Iterator[list[_Item]]:
    """The items of a file, some lines at a time. Raises UndecodableError."""
    with path.open("rb") as file:
        while lines := file.readlines(_TOGETHER):
            items = b",".join(line.rstrip(b",\n") for line in lines if line.startswith(_ITEM))
            try:
                yield decoder_of(list[_Item]).decode(b"[" + items + b"]")
            except NOT_SUCH_JSON as error:
                raise UndecodableError(f"a line that is no item: {error}") from error


def _point(item: _Item) -> tuple[float, float, float, float, float]:
    """Return the extent of a point. Raises UndecodableError."""
    match item.keypoints:
        case [float(x), float(y), _]:
            return 0.0, x + _CENTRE, y + _CENTRE, 0.0, 0.0
        case found:
            raise UndecodableError(f"{item.feature_id} has keypoints that are no point: {found[:4]}")


def _stated(annotations: Sequence[_Item]) -> NDArray[np.float64]:
    """Return the extents (n × 5) that annotations state."""
    return np.array([(item.area, *item.bbox) for item in annotations]).reshape(-1, len(EXTENT))


def _compare(annotations: Sequence[_Item], stated: NDArray[np.float64]) -> None:
    """Raise UndecodableError where an outline has another extent than the stated one, or nothing can be drawn."""
    drawn = _drawn([item.drawn or item.segmentation for item in annotations])
    apart = ~(np.abs(stated - drawn) <= _CLOSE * np.maximum(1, np.abs(drawn))).all(axis=1)
    for index in np.flatnonzero(apart)[:1].tolist():
        of_outline = f"its outline has {drawn[index].tolist()}"
        raise UndecodableError(
            f"{annotations[index].feature_id} states area and box {stated[index].tolist()}, {of_outline}"
        )
    for item in annotations:
        if not item.segmentation:
            raise UndecodableError(f"{item.feature_id} has nothing that can be drawn")


def _drawn(outlines: Sequence[_Rle | list[list[float]]]) -> NDArray[np.float64]:
    """Return the extents of outlines: of runs, or of rings that are one region together."""
    extents = np.zeros((len(outlines), len(EXTENT)))
    texts, lists, rings = dict[int, bytes](), dict[int, list[int]](), dict[int, list[list[float]]]()
    sizes = np.ones((len(outlines), 2), np.int64)
    for index, outline in enumerate(outlines):
        match outline:
            case _Rle(size, str() as counts):
                sizes[index], texts[index] = size, counts.encode()
            case _Rle(size, list() as counts):
                sizes[index], lists[index] = size, counts
            case list() if outline:
                rings[index] = outline
    heights, widths = sizes.T
    try:
        if texts:
            extents[list(texts)] = mask_extents([*texts.values()], heights[list(texts)], widths[list(texts)])
        if lists:
            extents[list(lists)] = run_extents([*lists.values()], heights[list(lists)], widths[list(lists)])
        if rings:
            extents[list(rings)] = _of_regions(rings.values())
    except OutlineError as error:
        raise UndecodableError(str(error)) from error
    return extents


def _of_regions(outlines: Collection[list[list[float]]]) -> NDArray[np.float64]:
    """Return the extents of regions of several rings: the areas are added up, and the box is around all."""
    lengths = np.array([len(ring) for outline in outlines for ring in outline])
    if (lengths % 2).any():
        raise OutlineError("a ring with half a vertex")
    coordinates = np.fromiter(chain.from_iterable(chain.from_iterable(outlines)), np.float64, lengths.sum())
    rings = ring_extents(coordinates.reshape(-1, 2), lengths // 2)
    first = np.cumsum([0, *map(len, outlines)])[:-1]
    area, corner = np.add.reduceat(rings[:, 0], first), np.minimum.reduceat(rings[:, 1:3], first)
    sides = np.maximum.reduceat(rings[:, 1:3] + rings[:, 3:], first) - corner
    return np.column_stack([area, corner, sides])
