"""What is really in the sample project, from the generator and not from any PNG: what tests compare with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from deploy.sandbox.project.labels import Label, feature_id, label_map, visible
from deploy.sandbox.project.lines import model_run_line, project_line
from deploy.sandbox.project.rows import Project, Row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.sandbox.project.features import Json

_KINDS = {
    "ImageBoundingBox": "bounding_box",
    "ImagePolygon": "polygon",
    "ImagePolyline": "polyline",
    "ImagePoint": "point",
    "ImageSegmentationMask": "mask",
    "ImageUnidirectionalRelationship": "relationship",
}


@dataclass(frozen=True, slots=True)
class MaskTruth:
    """One instance: ``pixels`` is H × W, ``box`` is COCO's (x, y, width, height) in whole pixels."""

    pixels: npt.NDArray[np.bool_]
    area: int
    box: tuple[int, int, int, int]


def label_truth(label: Label, *, model_run: bool = False) -> dict[str, MaskTruth]:
    """The masks of one label by ``feature_id``."""
    drawn = label_map(label)
    numbers = visible(label.seed, label.index)
    return {feature_id(label, number, model_run=model_run): _truth(drawn == number) for number in numbers}


def ground_truth(seed: int, index: int) -> dict[str, MaskTruth]:
    """The masks of row ``index`` of an untouched project by ``feature_id``."""
    return row_truth(Row(Project(seed, ""), index))


def row_truth(row: Row) -> dict[str, MaskTruth]:
    """The masks of all labels of a project's row by ``feature_id``; empty for a row without objects."""
    labels = () if row.empty else row.labels
    return {identifier: truth for label in labels for identifier, truth in label_truth(label).items()}


def count_kinds(rows: Iterable[Row], *, number: int | None = None) -> Counter[str]:
    """How many annotations of each kind the selected labels of ``rows`` hold; keys as in ``refresh --json``.

    Without a ``number`` the selected label of a consensus row counts, or its first where nothing breaks the tie.
    """
    counts: Counter[str] = Counter()
    for row in rows:
        if row.labels:
            labels = project_line(row, {}, "")["projects"][row.project.id]["labels"]
            chosen = (row.selected_label or 0) if number is None else number
            counts += annotation_kinds(labels[min(chosen, len(labels) - 1)]["annotations"])
    return counts


def count_prediction_kinds(rows: Iterable[Row]) -> Counter[str]:
    """How many predictions of each kind the model run holds for ``rows``."""
    counts: Counter[str] = Counter()
    for row in rows:
        run = model_run_line(row, {"includePredictions": True}, "")["experiments"][row.project.model_id]["runs"][
            row.project.model_run_id
        ]
        counts += annotation_kinds(run["predictions"][0]["annotations"])
    return counts


def annotation_kinds(block: Json) -> Counter[str]:
    """The kinds in one ``annotations`` block; relationships that stand twice count once, nested answers too."""
    features = {feature["feature_id"]: feature for feature in (*block["objects"], *block["relationships"])}
    counts = Counter(_KINDS[feature["annotation_kind"]] for feature in features.values())
    for classification in (
        *block["classifications"],
        *(answer for feature in features.values() for answer in feature["classifications"]),
    ):
        counts += _answer_kinds(classification)
    return counts


def _answer_kinds(classification: Json) -> Counter[str]:
    kind = next(
        kind
        for kind in ("radio", "checklist", "text")
        if any(key.startswith(f"{kind}_answer") for key in classification)
    )
    answers = classification.get("checklist_answers") or [
        classification.get("radio_answer") or classification.get("text_answer")
    ]
    nested = (inner for answer in answers for inner in answer.get("classifications", ()))
    return sum((_answer_kinds(inner) for inner in nested), Counter({kind: 1}))


def _truth(pixels: npt.NDArray[np.bool_]) -> MaskTruth:
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return MaskTruth(pixels, int(pixels.sum()), (left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1))
