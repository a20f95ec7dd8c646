"""The trees that readers read."""

from __future__ import annotations

from typing import Any

OUTPUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "coco": ("coco", {}),
    "coco-polygons": ("coco", {"segmentation": "polygons"}),
    "coco-lists": ("coco", {"segmentation": "rle_lists", "stuff": ["road"]}),
    "yolo-detect": ("yolo", {"task": "detect"}),
    "yolo-segment": ("yolo", {"task": "segment"}),
    "yolo-pose": ("yolo", {"task": "pose"}),
    "yolo-classify": ("yolo", {"task": "classify", "question": "time of day"}),
    "voc": ("voc", {}),
    "voc-grey": ("voc", {"palette": False}),
    "masks-semantic": ("masks", {"kind": "semantic"}),
    "masks-grey": ("masks", {"kind": "semantic", "palette": False}),
    "masks-instance": ("masks", {"kind": "instance"}),
    "huggingface": ("huggingface", {}),
    "huggingface-imagefolder": ("huggingface", {"layout": "imagefolder"}),
    "webdataset": ("webdataset", {}),
    "labelme": ("labelme", {}),
    "parquet": ("parquet", {}),
}
"""What each tree is called, and the format and its options that it is made with."""
