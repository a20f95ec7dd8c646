"""Any mask, with holes and parts, comes back pixel by pixel from every format that holds masks whole."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image
from pyarrow import parquet
from pycocotools import mask as coco_mask

from labelsnap.formats.registry import format_of
from tests.examples import of_a_hundred
from tests.formats.format_samples import VARIANTS, annotation, dataset, files_of, label, mask_of, sample
from tests.masks.drawn_masks import NOISE, blobs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Pixels = NDArray[np.bool_]
    Files = Mapping[str, bytes]

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own


def drawn(png: bytes) -> Any:
    """Read a picture's raw values with Pillow."""
    return np.asarray(Image.open(io.BytesIO(png)))


def of_coco(files: Files) -> Any:
    """Decode what pycocotools takes for a segmentation: run lengths, or rings."""
    (found,) = json.loads(files["annotations/instances_train.json"])["annotations"]
    segmentation, (height, width) = found["segmentation"], sizes(files)
    if isinstance(segmentation, list):
        return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width)))
    return coco_mask.decode(segmentation)


def sizes(files: Files) -> tuple[int, int]:
    """Give the height and width that a COCO file has of its image."""
    (image,) = json.loads(files["annotations/instances_train.json"])["images"]
    return image["height"], image["width"]


def of_labelme(files: Files) -> Any:
    """Put the patch to its corner."""
    document = json.loads(files["train/street.json"])
    (shape,) = document["shapes"]
    painted = np.zeros((document["imageHeight"], document["imageWidth"]), bool)
    (left, top), (right, bottom) = shape["points"]
    painted[top : bottom + 1, left : right + 1] = drawn(base64.b64decode(shape["mask"]))
    return painted


def of_huggingface(files: Files) -> Any:
    """Decode the run lengths of the only row."""
    (table,) = (body for path, body in files.items() if path.endswith(".parquet"))
    (row,) = parquet.read_table(io.BytesIO(table)).to_pylist()
    (counts,) = row["objects"]["rle"]
    return coco_mask.decode({"size": [row["height"], row["width"]], "counts": counts})


def of_webdataset(files: Files) -> Any:
    """Decode the run lengths, which are where the label map is not background."""
    with tarfile.open(fileobj=io.BytesIO(files["train-000000.tar"])) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    (found,) = json.loads(members["street.json"])["objects"]
    pixels = coco_mask.decode(found["rle"])
    assert np.array_equal(drawn(members["street.mask.png"]), pixels)
    return pixels


READERS: dict[str, Callable[[Files], Any]] = {
    "coco": of_coco,
    "coco-polygons": of_coco,
    "huggingface": of_huggingface,
    "huggingface-imagefolder": of_huggingface,
    "labelme": of_labelme,
    "masks": lambda files: drawn(files["semantic/train/street.png"]),
    "masks-grey": lambda files: drawn(files["semantic/train/street.png"]),
    "masks-instance": lambda files: drawn(files["instance/train/street.png"]),
    "voc": lambda files: drawn(files["SegmentationObject/street.png"]),
    "webdataset": of_webdataset,
    "webdataset-instance": of_webdataset,
}


@pytest.mark.parametrize("variant", READERS)
@given(pixels=blobs() | NOISE.filter(np.any))
@settings(max_examples=of_a_hundred(30))
def test_masks_come_back_pixel_by_pixel(variant: str, pixels: Pixels) -> None:
    """The only object's class, and its number, are 1: so a map of either is the mask itself."""
    height, width = pixels.shape
    source = dataset(sample(label(annotation(mask_of(pixels))), size=(width, height)))
    files = files_of(format_of(*VARIANTS[variant]), source, "train")
    assert np.array_equal(READERS[variant](files), pixels)
