"""Rows that are right, and stand in another project and another model run too, where something is wrong with them."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.oddities.odd_rows import fresh, label

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER: Final = "elsewhere"
"""The id of that project, that model and that run."""


def _held(value: Any, line: str, number: int) -> str:
    """The row with a value where its other project, and its other model run, would be."""
    row = fresh(line, number)
    row["projects"] = {OTHER: value} | (row.get("projects") or {})
    row["experiments"] = {OTHER: {"name": OTHER, "runs": {OTHER: value}}} | (row.get("experiments") or {})
    return json.dumps(row)


def _labelled(labels: Callable[[int], Any], line: str, number: int) -> str:
    return _held({"name": OTHER, "labels": labels(number), "predictions": labels(number)}, line, number)


def _cuboid(number: int) -> Any:
    cuboid = {"feature_id": "cuboid", "name": "vehicle", "annotation_kind": "PointCloudCuboid", "cuboid": {}}
    return [label(number, cuboid)]


def _video(number: int) -> Any:
    found = label(number) | {"label_kind": "Video"}
    return [found | {"annotations": {"frames": {"1": {"objects": {}}}}}]


def _doubles(number: int) -> Any:
    """Two labels of one id that differ, and no text that is whole."""
    return [label(number), label(number) | {"version": "cut \ud83d"}]


def _wrong_types(number: int) -> Any:
    """Values of other types, also where they would only be noted."""
    return [label(number) | {"id": [], "performance_details": {"consensus_score": "high", "skipped": "perhaps"}}]


ODD_OTHERS: Final[dict[str, Callable[[str, int], str]]] = {
    "other_cuboid": partial(_labelled, _cuboid),
    "other_video": partial(_labelled, _video),
    "other_doubles": partial(_labelled, _doubles),
    "other_types": partial(_labelled, _wrong_types),
    "other_text": partial(_held, "no project"),
    "other_null": partial(_held, None),
}
