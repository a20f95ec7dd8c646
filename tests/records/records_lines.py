"""Export lines made by hand: the reference document's rows, and small rows around one object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labelsnap.records.choices.policy import Policy, select
from labelsnap.records.model import Problem, Record, Row, Source
from labelsnap.records.parsing.parse import parse

REFERENCE = Path(__file__).parent / "reference"
PROJECT = "cltd3vkju021907u63w2odj69"
MODEL_RUN = "a2fb1fec-b8a5-0f96-b61e-0d5643fb8dec"
P1 = Source("project", "p1")
"""The project that ``row`` makes rows of."""


def reference_row(name: Any) -> Any:
    """Read a row of the reference document (its shortened embeddings closed) as JSON values."""
    return json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))


def as_line(row: Any) -> Any:
    """Write JSON values as an export line."""
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()


def box(feature_id: Any = "f1", **changes: Any) -> Any:
    """Make a bounding box object as real lines have it; None takes a key away."""
    made = {
        "feature_id": feature_id,
        "feature_schema_id": "s-car",
        "name": "car",
        "value": "car",
        "annotation_kind": "ImageBoundingBox",
        "classifications": [],
        "bounding_box": {"top": 1.0, "left": 2.0, "height": 3.0, "width": 4.0},
    } | changes
    return {key: value for key, value in made.items() if value is not None}


def shape(kind: Any, **geometry: Any) -> Any:
    """Make an object of another kind."""
    return box(annotation_kind=kind, bounding_box=None, **geometry)


def label(*objects: Any, label_id: Any = "l1", **changes: Any) -> Any:
    """Make a label of objects; ``annotations`` in the changes adds to them."""
    annotations = {"objects": list(objects), "classifications": [], "relationships": []} | changes.pop(
        "annotations", {}
    )
    return {"id": label_id, "label_kind": "Default", "version": "1.0.0", "annotations": annotations} | changes


def row(*labels: Any, data_row: Any = None, project: Any = None, **changes: Any) -> Any:
    """Make a project row of labels."""
    return {
        "data_row": {"id": "row1", "external_id": "a.jpg", "row_data": "https://host.example/a.jpg"} | (data_row or {}),
        "media_attributes": {"height": 100, "width": 200, "mime_type": "image/jpeg"},
        "projects": {"p1": {"name": "P", "labels": list(labels)} | (project or {})},
    } | changes


def parsed(values: Any, source: Source = P1, **options: Any) -> Any:
    """Parse JSON values that must be a row."""
    result = parse(as_line(values), source, number=1, **options)
    assert isinstance(result, Row), result
    return result


def published(values: Any, policy: Policy, **options: Any) -> Any:
    """Parse JSON values and return the record that a policy publishes."""
    chosen = select(parsed(values, policy.source, **options), policy)
    assert isinstance(chosen, Record), chosen
    return chosen


def refused(values: Any, source: Source = P1) -> Problem:
    """Parse JSON values, or bytes, that must be a problem."""
    result = parse(values if isinstance(values, bytes) else as_line(values), source, number=7)
    assert isinstance(result, Problem), result
    return result


def first_label(values: Any) -> Any:
    """Parse JSON values and return the first label of the asked project."""
    return parsed(values).entry.labels[0]
