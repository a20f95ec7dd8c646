"""Rows that are right and look odd, as real exports have them: each is made from a line of the sample project."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.oddities.odd_pictures import COLOURS, ENDINGS, SQUARE, composite_of, mask_feature
from deploy.sandbox.project.identifiers import THIS_TASK, cuid

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

BYTE_ORDER_MARK: Final = "\ufeff"


def fresh(line: str, number: int) -> Json:
    """The row under a data row id of its own, so that it is no duplicate."""
    row: Json = json.loads(line)
    row["data_row"] |= {"id": cuid(0, "odd row", number), "global_key": f"odd-{number}"}
    return row


def relabelled(row: Json, *labels: Json) -> Json:
    """The row with these labels in every project and model run, none of them selected, and without predictions."""
    entries = [*(row.get("projects") or {}).values()]
    entries += [run for model in (row.get("experiments") or {}).values() for run in model["runs"].values()]
    for entry in entries:
        entry.update({"labels": list(labels)} | ({"predictions": []} if "predictions" in entry else {}))
        entry.get("project_details", {}).pop("selected_label_id", None)
    return row


def label(number: int, *objects: Json, place: int = 0, **more: Any) -> Json:
    """A label of an odd row; ``more`` are further members of its ``annotations``."""
    return {
        "label_kind": "Default",
        "version": "1.0.0",
        "id": cuid(0, "odd label", number, place),
        "annotations": {"objects": list(objects), "classifications": [], "relationships": [], **more},
    }


def _object(number: int, place: int, name: str, kind: str, **geometry: Any) -> Json:
    return {
        "feature_id": cuid(0, "odd object", number, place),
        "name": name,
        "annotation_kind": f"Image{kind}",
        "classifications": [],
        **geometry,
    }


def _box(number: int, place: int, *sides: float, name: str = "vehicle") -> Json:
    """A box by its left, top, width and height."""
    named = dict(zip(("left", "top", "width", "height"), sides, strict=True))
    return _object(number, place, name, "BoundingBox", bounding_box=named)


def _polygon(number: int, place: int, *vertices: tuple[float, float]) -> Json:
    return _object(number, place, "road", "Polygon", polygon=[{"x": x, "y": y} for x, y in vertices])


def _mask(row: Json, number: int, what: str) -> Json:
    """An instance mask of the row's size, served under its own URL."""
    media, base = row["media_attributes"], row["data_row"]["row_data"].partition("/images/")[0]
    kind, owners = ("projects", row["projects"]) if row.get("projects") else ("models", row["experiments"])
    feature = mask_feature(what, media["width"], media["height"], number)
    url = f"{base}/api/v1/{kind}/{next(iter(owners))}/annotations/{feature}/index/1/mask"
    return _object(number, 0, "tree", "SegmentationMask", mask={"url": url}) | {"feature_id": feature}


def _layered(what: str, *masks: str, line: str, number: int) -> str:
    """A row with these masks, each with an image of its own that shows it whole, and with one composite for all."""
    row = fresh(line, number)
    media, base = row["media_attributes"], row["data_row"]["row_data"].partition("/images/")[0]
    composite = composite_of(what, media["width"], media["height"], number)
    url = f"{base}/api/v1/tasks/{THIS_TASK}/masks/{composite}/index/1"
    objects = [
        _mask(row, number, name) | {"composite_mask": {"url": url, "color_rgb": list(COLOURS[name])}} for name in masks
    ]
    return json.dumps(relabelled(row, label(number, *objects)))


def _overlapping_masks(line: str, number: int) -> str:
    """A mask half under another and one wholly under it; the uppermost stands last."""
    return _layered("overlapping_masks", "under", "beneath", "over", line=line, number=number)


def _missing_mask(line: str, number: int) -> str:
    """A mask that the composite lacks, half of which lies under one that it shows."""
    return _layered("missing_mask", "absent", "beside", line=line, number=number)


def _pictured(row: Json, name: str, mime_type: str) -> Json:
    """The row with another picture, under a name that fits it."""
    base = row["data_row"]["row_data"].rpartition("/")[0]
    row["data_row"] |= {"row_data": f"{base}/{name}", "external_id": name}
    row["media_attributes"]["mime_type"] = mime_type
    return row


def _jpeg(name: str, line: str, number: int) -> str:
    """A row with the odd JPEG of that name, and a box on its square."""
    row = _pictured(fresh(line, number), name, "image/jpeg")
    return json.dumps(relabelled(row, label(number, _box(number, 1, *SQUARE))))


def _names(line: str, number: int) -> str:
    """A JPEG by the longer of its endings, and a class whose name is a number for some readers of YAML."""
    row = _pictured(fresh(line, number), "orientation_1.jpg", "image/jpeg")
    row["data_row"]["global_key"] = f"odd-{number}/photo.JPEG"
    return json.dumps(relabelled(row, label(number, _box(number, 1, *SQUARE, name="1e3"))))


def _oriented(container: str, orientation: int, line: str, number: int) -> str:
    """A picture that says by EXIF that it lies otherwise, labelled on its pixels as they are stored."""
    row = fresh(line, number)
    row = _pictured(row, f"orientation_{orientation}.{ENDINGS[container]}", f"image/{container}")
    row["media_attributes"]["exif_rotation"] = str(orientation)
    return json.dumps(relabelled(row, label(number, _mask(row, number, "square"), _box(number, 1, *SQUARE))))


def _turned(line: str, number: int) -> str:
    """The same with orientation 6 (a quarter turn to the right), its size and its box as it is shown upright."""
    row = _pictured(fresh(line, number), "orientation_6.jpg", "image/jpeg")
    media = row["media_attributes"]
    left, top, width, height = SQUARE
    upright = (media["height"] - top - height, left, height, width)
    row["media_attributes"] = media | {"width": media["height"], "height": media["width"], "exif_rotation": "6"}
    return json.dumps(relabelled(row, label(number, _box(number, 1, *upright))))


def _empty_mask(line: str, number: int) -> str:
    row = fresh(line, number)
    return json.dumps(relabelled(row, label(number, _mask(row, number, "empty"), _box(number, 1, *SQUARE))))


def _degenerate(line: str, number: int) -> str:
    """Objects without an area in the image, and two that are thinner than a pixel."""
    shapes = (
        _box(number, 1, 10, 10, 0, 20),
        _box(number, 2, 10, 10, 20, 0),
        _box(number, 3, -40, -40, 20, 20),
        _polygon(number, 4, (10, 10)),
        _polygon(number, 5, (10, 10), (40, 40)),
        _polygon(number, 6, (10, 10), (20, 10), (40, 10)),
        _polygon(number, 7, (10, 10), (40, 10), (40, 40), (40, 10)),
        _polygon(number, 8, (50.1, 50.1), (50.3, 50.1), (50.3, 90.2), (50.1, 90.2)),
        _box(number, 9, 60.1, 60.1, 0.25, 30),
    )
    return json.dumps(relabelled(fresh(line, number), label(number, *shapes)))


def _unanswered(line: str, number: int) -> str:
    """Questions that nobody answered, in each of the ways that exports say so, and one that was."""
    answers: tuple[Json, ...] = (
        {"radio_answer": None},
        {"checklist_answers": None},
        {"text_answer": None},
        {},
        {"text_answer": {"content": "yes"}},
    )
    asked = [
        {"feature_id": cuid(0, "odd question", number, place), "name": f"question {place}", **answer}
        for place, answer in enumerate(answers)
    ]
    return json.dumps(relabelled(fresh(line, number), label(number, classifications=asked)))


def _half_emoji(line: str, number: int) -> str:
    """A remark that a script cut in the middle of a surrogate pair."""
    remark = {
        "feature_id": cuid(0, "odd question", number),
        "name": "remarks",
        "text_answer": {"content": "wet \ud83d"},
    }
    return json.dumps(relabelled(fresh(line, number), label(number, classifications=[remark])))


def _trifles(line: str, number: int) -> str:
    """Details in shapes that no reference has; none of them says anything about what was drawn."""
    row = fresh(line, number)
    mask, box = _mask(row, number, "square"), _box(number, 1, *SQUARE)
    mask["composite_mask"] = {}
    tie = _object(number, 2, "in front of", "UnidirectionalRelationship")
    tie["unidirectional_relationship"] = {"source": mask["feature_id"], "target": box["feature_id"]}
    mutual = _object(number, 3, "beside", "BidirectionalRelationship")
    mutual["bidirectional_relationship"] = {"source": mask["feature_id"], "target": box["feature_id"]}
    found = label(number, mask, box, relationships=[tie, tie, mutual], z_order=[None, box["feature_id"]])
    found |= {"version": 1, "performance_details": {"seconds_to_create": "31.5", "consensus_score": "high"}}
    relabelled(row, found)
    media = row["media_attributes"]
    row["media_attributes"] = media | {
        "width": str(media["width"]),
        "height": str(media["height"]),
        "exif_rotation": "undefined",
    }
    row["data_row"]["external_id"] = 7
    row["attachments"] = [None]
    row["metadata_fields"] = [{"schema_id": 5, "value": "dry"}]
    for entry in (row.get("projects") or {}).values():
        entry["project_details"] = entry.get("project_details", {}) | {"priority": 1.0}
    return json.dumps(row)


def _benchmark(line: str, number: int) -> str:
    """Two labels of a benchmark row: the one that was tested, made later, names the gold one."""
    gold, tested = (label(number, _box(number, place, *SQUARE), place=place) for place in (1, 2))
    gold["label_details"] = {"created_at": "2024-01-01T00:00:00.000+00:00"}
    tested["label_details"] = {"created_at": "2024-02-01T00:00:00.000+00:00"}
    tested["performance_details"] = {"benchmark_reference_label": gold["id"], "benchmark_score": 0.75}
    return json.dumps(relabelled(fresh(line, number), gold, tested))


def _blank(_: str, __: int) -> str:
    return ""


def _white_space(_: str, __: int) -> str:
    return " \t\r"


def _byte_order_mark(line: str, number: int) -> str:
    return BYTE_ORDER_MARK + json.dumps(fresh(line, number))


def _carriage_return(line: str, number: int) -> str:
    return json.dumps(fresh(line, number)) + "\r"


ODD_ROWS: Final[dict[str, Callable[[str, int], str]]] = {
    "multi_picture": partial(_jpeg, "multi_picture.jpg"),
    "names": _names,
    "cut_jpeg": partial(_jpeg, "cut.jpg"),
    "turned": _turned,
    "empty_mask": _empty_mask,
    "degenerate": _degenerate,
    "overlapping_masks": _overlapping_masks,
    "missing_mask": _missing_mask,
    "unanswered": _unanswered,
    "half_emoji": _half_emoji,
    "trifles": _trifles,
    "benchmark": _benchmark,
    "blank": _blank,
    "white_space": _white_space,
    "byte_order_mark": _byte_order_mark,
    "carriage_return": _carriage_return,
    **{
        f"{container}_orientation_{orientation}": partial(_oriented, container, orientation)
        for container in ENDINGS
        for orientation in range(1, 9)
    },
}
SHOWN: Final = (
    *("multi_picture", "jpeg_orientation_3", "jpeg_orientation_6", "png_orientation_8", "webp_orientation_5"),
    *("tiff_orientation_2", "turned", "cut_jpeg", "empty_mask", "degenerate", "unanswered", "half_emoji", "trifles"),
    *("benchmark", "blank", "white_space", "byte_order_mark", "carriage_return"),
)
"""Those that the demo has: one of them, ``cut_jpeg``, is a problem."""
