"""The same check of every contestant: what its COCO documents say of each mask against what was drawn.

pycocotools loads the documents, decodes every run-length encoding and measures it. A mask is right where these pixels'
area and box are those that were drawn, and those that the annotation itself says.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pycocotools import mask as coco
from pycocotools.coco import COCO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

OUTLINES: Final = 2
"""The box and the polygon that each row of the comparison has beside its masks."""


def faults(documents: Iterable[bytes], truth: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Whatever the documents together say that is not true, or do not say; ``truth`` is as the stand-in gives it."""
    found: dict[str, dict[str, Any]] = {}
    for document in documents:
        index = indexed(document)
        rows = {number: image["data_row_id"] for number, image in index.imgs.items()}
        found |= {row: {} for row in rows.values()}
        for annotation in index.dataset["annotations"]:
            if annotation["iscrowd"] or annotation["category_id"] not in index.cats:
                yield f"annotation {annotation['id']}: a crowd, or of no category"
            shapes = found[rows[annotation["image_id"]]]
            if annotation["feature_id"] in shapes:
                yield f"annotation {annotation['id']}: its feature is there twice"
            shapes[annotation["feature_id"]] = extent_of(index, annotation)
    for row in found.keys() ^ truth.keys():
        yield f"row {row}: is {'missing' if row in truth else 'not in the project'}"
    for row, extents in truth.items():
        masks = {feature: extent for feature, extent in found.get(row, {}).items() if extent}
        if row in found and len(found[row]) - len(masks) != OUTLINES:
            yield f"row {row}: {len(found[row]) - len(masks)} outlines, not {OUTLINES}"
        for feature in extents.keys() | masks.keys() if row in found else ():
            if (drawn := extents.get(feature)) != masks.get(feature):
                yield f"mask {feature} of row {row}: {masks.get(feature)}, drawn was {drawn}"


def indexed(document: bytes) -> COCO:
    """A document as pycocotools loads it."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder, "instances.json")
        path.write_bytes(document)
        return COCO(path)


def extent_of(index: COCO, annotation: Mapping[str, Any]) -> list[int] | None:
    """Area, x, y, width and height of a mask's pixels; None for an outline, zeros where it says others of itself."""
    if not isinstance(annotation["segmentation"], dict):
        return None
    encoded = index.annToRLE(annotation)
    extent = [int(coco.area(encoded)), *map(int, coco.toBbox(encoded))]
    return extent if extent == [annotation["area"], *annotation["bbox"]] else [0] * len(extent)
