"""``python -m tests.readers_heavy.voc_samples DIR``: small Pascal VOC trees of classes with odd names.

``DIR/palette`` and ``DIR/grey`` have images that ``images: jpg`` made JPEGs, ``DIR/png`` has them as they came.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from labelsnap.buckets.rows.image import publishable
from labelsnap.formats.voc import Voc
from labelsnap.records.geometry import BoundingBox, Point, Polyline
from labelsnap.records.model import MediaAttributes
from tests.formats.format_samples import (
    annotation,
    dataset,
    files_of,
    label,
    mask_of,
    picture,
    registry,
    sample,
    samples_of,
)
from tests.readers_heavy.odd_voc import BOX, PLACES, SIZE, SPELLED

if TYPE_CHECKING:
    from labelsnap.formats.interface import Dataset
    from labelsnap.records.geometry import Mask
    from labelsnap.records.model import Sample


def region(left: int, top: int, width: int, height: int) -> Mask:
    """Give a mask that is a rectangle."""
    pixels = np.zeros(SIZE[::-1], bool)
    pixels[top : top + height, left : left + width] = True
    return mask_of(pixels)


def source(ending: str) -> Dataset:
    """Give the samples, whose images' names have this ending."""
    regions = [annotation(region(*PLACES[spelled]), name=name, feature_id=name) for name, spelled in SPELLED.items()]
    samples = [
        sample(label(*regions), name="regions", size=SIZE),
        sample(label(annotation(BoundingBox(*BOX))), name="boxes", size=SIZE),
        sample(label(annotation(Polyline(((1, 1), (9, 5)))), annotation(Point(2, 2))), name="strokes", size=SIZE),
        sample(label(), name="nothing", size=SIZE),
    ]
    named = [
        replace(each, image=replace(each.image, file_name=f"{each.record.data_row.id[4:]}{ending}")) for each in samples
    ]
    return dataset(*named, classes=registry(*SPELLED))


def as_jpeg(of: Sample) -> bytes:
    """Give a sample's image as ``images: jpg`` publishes it."""
    file = io.BytesIO(picture(of) or b"")
    publishable(file, rule="declared", media=MediaAttributes(), max_pixels=1 << 20, as_jpeg=True)
    return file.getvalue()


def main(directory: Path) -> None:
    """Lay out the trees, as ``pull`` does."""
    for tree, form, ending in (
        ("palette", Voc(), ".jpg"),
        ("grey", Voc(palette=False), ".jpg"),
        ("png", Voc(), ".png"),
    ):
        given = source(ending)
        files = files_of(form, given, "train") | files_of(form, given, "val")
        for each in samples_of(given, "train"):
            body = as_jpeg(each) if ending == ".jpg" else picture(each)
            files[form.image_path("train", each.image.file_name)] = body or b""
        for path, body in files.items():
            target = directory / tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
