"""What a reader saw in a tree, and its comparison with what was labelled."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from truth import Box, Picture, Thing

DRAWN = frozenset({"bounding_box", "polygon", "mask"})
"""Kinds that have an area."""
OUTLINED = frozenset({"polygon", "mask"})
EXACT = {"mask": 1.0, "polygon": 1.0}
"""The least IoU where a reader sees the very pixels."""


@dataclass(frozen=True)
class Seen:
    """An object as a reader has it: its class, its box (left, top, width, height, in pixels), and its pixels."""

    name: str
    box: Box
    pixels: NDArray[np.bool_] | None = None


def compare(
    seen: Mapping[str, Iterable[Seen]],
    pictures: Mapping[str, Picture],
    kinds: Collection[str],
    names: Mapping[int, str],
    *,
    within: float,
    clipped: bool = False,
    has_area: bool = True,
    but: Callable[[Thing], bool] = lambda _: False,
    overlap: Mapping[str, float] | None = None,
) -> str:
    """Assert that a reader saw every image and object, and give the numbers in a sentence.

    ``names`` are those of classes by their ids, as the tree spells them. Images are known by their names without the
    endings, which are unique, because VOC calls every JPEG ``.jpg``.
    Sides of boxes differ by ``within`` pixels at most, from what lies in the image where readers see it ``clipped``.
    Left out are objects without an area, unless ``has_area`` is false, and those that are known to be lost, ``but``.
    ``overlap`` is the least IoU of each kind that has pixels; of a polygon that pycocotools draws nothing of the reader
    has any.
    """
    by_stem = {PurePath(name).stem: list(objects) for name, objects in seen.items()}
    assert by_stem.keys() == {PurePath(name).stem for name in pictures}
    classes: Counter[str] = Counter()
    overlaps: dict[str, list[float]] = {}
    for name, picture in pictures.items():
        left, things = (
            by_stem[PurePath(name).stem],
            [each for each in picture.of(kinds, has_area=has_area) if not but(each)],
        )
        found, labelled = Counter(each.name for each in left), Counter(names[each.class_id] for each in things)
        assert found == labelled, (name, "too many", found - labelled, "missing", labelled - found)
        for thing in things:
            box = inside(thing.box, picture) if clipped else thing.box
            same = [each for each in left if each.name == names[thing.class_id]]
            nearest = min(same, key=lambda each: (round(away(each.box, box)), -shared(each, thing)))
            left.remove(nearest)
            assert away(nearest.box, box) <= within, (name, thing.feature_id, nearest.box, box)
            if overlap:
                overlaps.setdefault(thing.kind, []).append(shared(nearest, thing))
        classes.update(each.name for each in things)
    told = [f"{len(pictures)} images, {classes.total()} objects of {len(classes)} classes"]
    for kind, least in (overlap or {}).items():
        told.append(f"{len(overlaps[kind])} {kind}s with IoU {min(overlaps[kind]):.4f} or more")
        assert min(overlaps[kind]) >= least, told
    return ", ".join(told)


def away(box: Box, other: Box) -> float:
    """Give how far the farthest of the four sides of two boxes lie from each other."""
    return float(np.abs(corners(box) - corners(other)).max())


def corners(box: Box) -> NDArray[np.float64]:
    """Give left, top, right and bottom."""
    left, top, width, height = map(float, box)
    return np.array((left, top, left + width, top + height))


def inside(box: Box, picture: Picture) -> Box:
    """Cut a box off at the edges of its image."""
    left, top, right, bottom = np.clip(corners(box), 0, (picture.width, picture.height) * 2)
    return (left, top, right - left, bottom - top)


def shared(each: Seen, thing: Thing) -> float:
    """Give the IoU of what was seen and what was labelled: 1 where there is nothing to compare."""
    if each.pixels is None or thing.kind not in OUTLINED:
        return 1.0
    labelled = thing.pixels
    if not labelled.any():
        return float(each.pixels.any())
    return float((each.pixels & labelled).sum() / (each.pixels | labelled).sum())


def joined(seen: Mapping[str, list[Seen]], tree: Path, split: str) -> dict[str, list[Seen]]:
    """Make one object of the rows that ``yolo`` has for one whose parts lie far apart, as its ``divided`` says."""
    found = {name: list(objects) for name, objects in seen.items()}
    for name, objects in found.items():
        divided = tree / "divided" / split / f"{PurePath(name).stem}.json"
        if not divided.exists():
            continue
        groups = [each["rows"] for each in json.loads(divided.read_bytes())["objects"]]
        inner = {row for rows in groups for row in rows}
        whole = [each for row, each in enumerate(objects) if row not in inner]
        found[name] = whole + [united([objects[row] for row in rows]) for rows in groups]
    return found


def united(parts: list[Seen]) -> Seen:
    """Give the object of these parts."""
    sides = np.array([corners(each.box) for each in parts])
    (left, top), (right, bottom) = sides[:, :2].min(axis=0), sides[:, 2:].max(axis=0)
    pixels = None if parts[0].pixels is None else np.any([each.pixels for each in parts], axis=0)
    return Seen(parts[0].name, (left, top, right - left, bottom - top), pixels)
