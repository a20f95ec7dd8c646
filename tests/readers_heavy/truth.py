"""What the canonical tables say was labelled: what every reader is compared with.

Coordinates are pixels, x to the right, y down, the origin at the upper left corner of the upper left pixel.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from pycocotools import mask as run_lengths

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Thing:
    """An object. ``box`` is left, top, width and height, as drawn or around what was; ``vertices`` are of N × 2.

    ``size`` is the image's height and width.
    """

    kind: str
    name: str
    class_id: int
    feature_id: str
    box: Box
    has_area: bool
    vertices: NDArray[np.float64]
    runs: dict[str, Any] | None
    size: tuple[int, int]

    @cached_property
    def pixels(self) -> NDArray[np.bool_]:
        """A mask's pixels, or those that pycocotools fills of a polygon, height × width."""
        runs = self.runs or run_lengths.frPyObjects([self.vertices.ravel().tolist()], *self.size)[0]
        return run_lengths.decode(runs).astype(bool)

    @cached_property
    def area(self) -> float:
        """A mask's pixels, a polygon's area by the shoelace formula, a box's sides multiplied; else 0."""
        if self.runs:
            return float(run_lengths.area(self.runs))
        if self.kind == "polygon":
            x, y = self.vertices.T
            return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
        return self.box[2] * self.box[3] if self.kind == "bounding_box" else 0.0


@dataclass(frozen=True)
class Picture:
    """An image of a split with its objects in their order, and the answers about it by question."""

    name: str
    data_row_id: str
    split: str
    width: int
    height: int
    things: tuple[Thing, ...]
    answers: dict[str, str]

    def of(self, kinds: Collection[str], *, has_area: bool = True) -> list[Thing]:
        """Its objects of these kinds; unless ``has_area`` is false, without those that have none."""
        return [each for each in self.things if each.kind in kinds and (each.has_area or not has_area)]


@dataclass(frozen=True)
class Truth:
    """The pictures of all splits, and the names of classes by their ids."""

    pictures: tuple[Picture, ...]
    classes: dict[int, str]

    def split(self, name: str) -> dict[str, Picture]:
        """The pictures of a split by their file names."""
        return {each.name: each for each in self.pictures if each.split == name}

    def count(self, split: str, kinds: Collection[str], *, has_area: bool = True) -> Counter[str]:
        """How many objects of these kinds a split has, by class."""
        pictures = self.split(split).values()
        return Counter(thing.name for each in pictures for thing in each.of(kinds, has_area=has_area))


def read_truth(tables: Path) -> Truth:
    """Read the canonical tables of a pulled ``parquet`` tree."""
    classes = {row["id"]: row for row in rows_of(tables, "classes")}
    known = {row[key]: row for key in ("name", "feature_schema_id") for row in reversed(classes.values())}
    rows = list(rows_of(tables, "data_rows"))
    sizes = {row["data_row_id"]: (row["height"], row["width"]) for row in rows}
    things: dict[str, list[Thing]] = {}
    order = sorted(rows_of(tables, "annotations"), key=lambda row: (row["label_index"], row["annotation_index"]))
    for row in order:
        of = known[row["feature_schema_id"] or row["name"]]
        things.setdefault(row["data_row_id"], []).append(
            thing_of(row, of["unique_name"], of["id"], sizes[row["data_row_id"]])
        )
    answers: dict[str, dict[str, str]] = {}
    for row in rows_of(tables, "classifications"):
        if row["owner"] == "image" and row["kind"] == "radio":
            answers.setdefault(row["data_row_id"], {})[row["name"]] = row["options"][0]["name"]
    pictures = tuple(
        Picture(
            row["file_name"],
            row["data_row_id"],
            row["split"],
            row["width"],
            row["height"],
            tuple(things.get(row["data_row_id"], ())),
            answers.get(row["data_row_id"], {}),
        )
        for row in rows
    )
    return Truth(pictures, {number: row["unique_name"] for number, row in classes.items()})


def rows_of(tables: Path, name: str) -> Iterator[dict[str, Any]]:
    """Give the rows of a table, which is a folder of files or one file."""
    for path in sorted(tables.glob(f"{name}/*.parquet")) or [tables / f"{name}.parquet"]:
        yield from pq.read_table(path).to_pylist()


def thing_of(row: dict[str, Any], name: str, class_id: int, size: tuple[int, int]) -> Thing:
    """Give the object of a row of ``annotations``."""
    runs, vertices, box = None, np.empty((0, 2)), None
    if row["kind"] == "bounding_box":
        box = tuple(row["bounding_box"][side] for side in ("left", "top", "width", "height"))
    elif row["kind"] == "mask":
        mask = row["mask"]
        runs = {"size": [mask["height"], mask["width"]], "counts": mask["counts"].encode()}
        box = tuple(mask["bounding_box"])
    else:
        drawn = [row["point"]] if row["kind"] == "point" else row["vertices"]
        vertices = np.array([(each["x"], each["y"]) for each in drawn])
        least, most = vertices.min(axis=0), vertices.max(axis=0)
        box = (*least, *(most - least))
    has_area = bool(row["has_area"])
    return Thing(row["kind"], name, class_id, row["feature_id"], box, has_area, vertices, runs, size)
