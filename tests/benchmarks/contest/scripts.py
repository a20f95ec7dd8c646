"""What both scripts that labelsnap is compared with have in common: the export, and COCO's document.

Written as an engineer writes them who knows the SDK, pycocotools and boto3, and held to one thing alone: the COCO
instances and the images of the project's rows, on the store.
"""

from __future__ import annotations

import os
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Any

import labelbox
import msgspec
import numpy as np
from pycocotools import mask as coco

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

PARAMS = {
    "data_row_details": True,
    "project_details": True,
    "label_details": True,
    "performance_details": True,
    "attachments": True,
    "metadata_fields": True,
}

Made = tuple[dict[str, Any], dict[str, Any]]
"""An object of the export, and what COCO says of its shape."""


def client() -> labelbox.Client:
    """The SDK's client, by the environment."""
    return labelbox.Client(
        endpoint=os.environ["LABELBOX_GRAPHQL_ENDPOINT"], rest_endpoint=os.environ["LABELBOX_REST_ENDPOINT"]
    )


def exported(sdk: labelbox.Client, project: str) -> Iterator[dict[str, Any]]:
    """The project's rows, as the vendor shows it."""
    task = sdk.get_project(project).export(params=PARAMS, filters={"workflow_status": "Done"})
    task.wait_till_done()
    if task.has_errors():
        raise SystemExit("some rows could not be exported")
    return (output.json for output in task.get_buffered_stream(stream_type=labelbox.StreamType.RESULT))


def objects_of(row: dict[str, Any], project: str) -> Iterator[dict[str, Any]]:
    """The objects of all labels that were not skipped."""
    for label in row["projects"][project]["labels"]:
        if not label["performance_details"]["skipped"]:
            yield from label["annotations"]["objects"]


def of_pixels(pixels: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask's run-length encoding, area and box; ``pixels`` are height × width."""
    encoded = coco.encode(np.asfortranarray(pixels.view(np.uint8)))
    area, box = int(coco.area(encoded)), coco.toBbox(encoded).tolist()
    return {"segmentation": {**encoded, "counts": encoded["counts"].decode()}, "area": area, "bbox": box}


def of_outline(found: dict[str, Any]) -> dict[str, Any] | None:
    """A box's or polygon's ring, area and box; None for what COCO's instances do not hold."""
    if box := found.get("bounding_box"):
        left, top, right, bottom = box["left"], box["top"], box["left"] + box["width"], box["top"] + box["height"]
        ring = [(left, top), (right, top), (right, bottom), (left, bottom)]
    elif points := found.get("polygon"):
        ring = [(point["x"], point["y"]) for point in points]
    else:
        return None
    x, y = np.array(ring).T
    area = float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2
    box_of_ring = [float(x.min()), float(y.min()), float(np.ptp(x)), float(np.ptp(y))]
    return {"segmentation": [[value for point in ring for value in point]], "area": area, "bbox": box_of_ring}


def document(rows: Iterable[dict[str, Any]], made: Iterable[list[Made]]) -> bytes:
    """COCO's document of the rows, and of what was made of each."""
    classes: defaultdict[str, int] = defaultdict(count(1).__next__)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for row, shapes in zip(rows, made, strict=True):
        data_row, media = row["data_row"], row["media_attributes"]
        image = {"id": len(images) + 1, "file_name": data_row["global_key"], "data_row_id": data_row["id"]}
        images.append({**image, "width": media["width"], "height": media["height"]})
        for found, shape in shapes:
            about = {"id": len(annotations) + 1, "image_id": len(images), "category_id": classes[found["name"]]}
            annotations.append({**about, "iscrowd": 0, "feature_id": found["feature_id"], **shape})
    categories = [{"id": number, "name": name, "supercategory": ""} for name, number in classes.items()]
    return msgspec.json.encode({"images": images, "annotations": annotations, "categories": categories})


def place_of(url: str) -> tuple[str, str]:
    """The bucket and the prefix of ``s3://BUCKET/PREFIX``."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return bucket, prefix
