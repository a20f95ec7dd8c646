"""Labelbox's ids and answers as extra keys, which readers pass over: formats have none of their own for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import asdict

from labelsnap.formats.shared.attributes import attributes, distinct_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from labelsnap.formats.shared.attributes import Path
    from labelsnap.records.model import Annotation, Classification, DataRow, Label, Relationship

JsonObject: TypeAlias = dict[str, object]


def row_keys(data_row: DataRow) -> JsonObject:
    """Give the names that a row is known by: ``data_row_id``, ``global_key`` and ``external_id``."""
    return {"data_row_id": data_row.id, "global_key": data_row.global_key, "external_id": data_row.external_id}


def image_answers(labels: Iterable[Label]) -> JsonObject:
    """Give ``classifications`` about the image and ``relationships`` between objects, each with its ``label_id``."""
    found = list(labels)
    return {
        "classifications": [_of_label(label, answered) for label in found for answered in label.classifications],
        "relationships": [_of_label(label, tie) for label in found for tie in label.relationships],
    }


def object_keys(label: Label, annotation: Annotation, spelled: Callable[[Path], str] = distinct_name) -> JsonObject:
    """Give the ids of an object and of its label, and what was answered about it: by names, and whole with ids.

    ``spelled`` is how a format can write the name of a question.
    """
    return {
        "label_id": label.id,
        "feature_id": annotation.feature_id,
        "feature_schema_id": annotation.feature_schema_id,
        "attributes": attributes(annotation.classifications, spelled),
        "classifications": annotation.classifications,
    }


def _of_label(label: Label, part: Classification | Relationship) -> JsonObject:
    return {"label_id": label.id, **asdict(part)}
