"""Rows in which whoever labels or imports has written what a terminal, a page or a reader would obey."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.oddities.odd_pictures import SQUARE
from deploy.sandbox.oddities.odd_rows import fresh, label, relabelled
from deploy.sandbox.project.identifiers import cuid

if TYPE_CHECKING:
    from collections.abc import Callable

OBEYED: Final = (
    "odd\x1b[2J\x1b]0;t\x07\x9b1m\u202egpj\u2066\u200b\nINFO a line of its own\r\u2028 | "
    "![t](http://evil.example/t.png) [x](javascript:alert(1)) <img src=x onerror=alert(1)> `c` www.evil.example"
)
"""Escape sequences, marks of direction, line breaks, a cell's end, and Markdown and HTML that load or run something."""

TAKEN: Final = (
    *(
        "id",
        "image_id",
        "category_id",
        "bbox",
        "area",
        "segmentation",
        "iscrowd",
        "keypoints",
        "num_keypoints",
        "score",
    ),
    *("attributes", "label", "bounding_box", "mask", "mask_path", "confidence", "index", "tags", "points", "visible"),
    *(
        "supercategory",
        "coco_id",
        "is_crowd",
        "occluded",
        "track_id",
        "keyframe",
        "rotation",
        "visibility",
        "segments_info",
    ),
    *("label_id", "feature_id", "classifications", "_id", "_cls", "$set", "a.b", "self", "x/y", "ID", "class"),
)
"""Questions whose names readers of annotations use for something else, or cannot have as the name of a field."""


def _texts(line: str, number: int) -> str:
    """Such a text as key, class, question, answer, remark, name of metadata, project and batch."""
    row = fresh(line, number)
    row["data_row"] |= {"global_key": f"{OBEYED} {number}", "external_id": OBEYED}
    row["data_row"].setdefault("details", {})["dataset_name"] = OBEYED
    row["metadata_fields"] = [{"schema_id": "odd", "schema_name": OBEYED, "schema_kind": "CustomMetadataString"}]
    row["metadata_fields"][0]["value"] = OBEYED
    box: dict[str, Any] = {"feature_id": cuid(0, "odd object", number, 1), "name": OBEYED}
    box |= {"annotation_kind": "ImageBoundingBox", "classifications": []}
    box["bounding_box"] = {"left": 1.0, "top": 1.0, "width": 20.0, "height": 20.0}
    answers: tuple[dict[str, Any], ...] = (
        {"radio_answer": {"name": OBEYED, "classifications": []}},
        {"text_answer": {"content": OBEYED}},
    )
    asked = [
        {"feature_id": cuid(0, "odd question", number, place), "name": f"{OBEYED} {place}", **answer}
        for place, answer in enumerate(answers)
    ]
    odd = relabelled(row, label(number, box, classifications=asked))
    for entry in (odd.get("projects") or {}).values():
        entry |= {"name": OBEYED}
    return json.dumps(odd)


def _texts_refused(line: str, number: int) -> str:
    """Such a text where a kind of object stands, and as the row's id, so that it is a problem."""
    row = fresh(line, number)
    row["data_row"]["id"] = f"{OBEYED} {number}"
    box = {"feature_id": cuid(0, "odd object", number, 1), "name": OBEYED, "annotation_kind": OBEYED}
    return json.dumps(relabelled(row, label(number, box)))


def _names_of_readers(line: str, number: int) -> str:
    """A box with an answer to each question of ``TAKEN``."""
    asked = [
        {
            "feature_id": cuid(0, "odd question", number, place),
            "name": name,
            "text_answer": {"content": f"about {name}"},
        }
        for place, name in enumerate(TAKEN)
    ]
    left, top, width, height = SQUARE
    box: dict[str, Any] = {"feature_id": cuid(0, "odd object", number, 1), "name": "vehicle"}
    box |= {"annotation_kind": "ImageBoundingBox", "classifications": asked}
    box["bounding_box"] = {"left": left, "top": top, "width": width, "height": height}
    return json.dumps(relabelled(fresh(line, number), label(number, box)))


ODD_TEXTS: Final[dict[str, Callable[[str, int], str]]] = {
    "texts": _texts,
    "texts_refused": _texts_refused,
    "names_of_readers": _names_of_readers,
}
