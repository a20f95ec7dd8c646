"""Samples → Arrow tables, column by column: values are collected in lists first, never as a dictionary a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import pyarrow as pa

from tasks.records.columns import array
from tasks.records.counts import kind_of, parts_of
from tasks.records.geometry_columns import geometry_columns
from tasks.records.model import (
    Annotation,
    Attachment,
    Classification,
    Embedding,
    Label,
    MetadataField,
    ModelRunEntry,
    ProjectEntry,
    Relationship,
    TextAnswer,
    WorkflowMove,
)
from tasks.records.questions import Question, questions_of
from tasks.records.schema import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.records.model import Option, Sample

Columns: TypeAlias = "dict[str, Sequence[Any] | pa.Array]"
Part = TypeVar("Part")


@dataclass(slots=True)
class _Parts(Generic[Part]):
    """Parts of many owners in one list, each with its owner's columns and its place among the owner's parts."""

    owner_columns: tuple[str, ...]
    index_column: str
    owners: list[tuple[Any, ...]] = field(default_factory=list)
    indexes: list[int] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    def add(self, owner: tuple[Any, ...], parts: Sequence[Part]) -> None:
        if parts:
            self.owners += [owner] * len(parts)
            self.indexes += range(len(parts))
            self.parts += parts

    def columns(self) -> Columns:
        owners = zip(*self.owners, strict=True) if self.owners else [()] * len(self.owner_columns)
        return {**dict(zip(self.owner_columns, owners, strict=True)), self.index_column: self.indexes}


class _Collected:
    """Everything that hangs on the samples, by table."""

    def __init__(self) -> None:
        of_row, of_label = ("data_row_id",), ("data_row_id", "origin", "label_index", "label_id")
        self.metadata: _Parts[MetadataField] = _Parts(of_row, "metadata_index")
        self.attachments: _Parts[Attachment] = _Parts(of_row, "attachment_index")
        self.embeddings: _Parts[Embedding] = _Parts(of_row, "embedding_index")
        self.workflow_history: _Parts[WorkflowMove] = _Parts(of_row, "move_index")
        self.labels: _Parts[Label] = _Parts(("data_row_id", "origin"), "label_index")
        self.annotations: _Parts[Annotation] = _Parts(of_label, "annotation_index")
        self.predictions: _Parts[Annotation] = _Parts(of_label, "annotation_index")
        self.relationships: _Parts[Relationship] = _Parts(of_label, "relationship_index")
        self.classifications: _Parts[Question] = _Parts(of_label, "question_index")

    def add(self, sample: Sample) -> None:
        row, entry = sample.record.data_row, sample.record.entry
        self.metadata.add((row.id,), row.metadata)
        self.attachments.add((row.id,), row.attachments)
        self.embeddings.add((row.id,), row.embeddings)
        self._add_labels(row.id, "label", entry.labels, self.annotations)
        if isinstance(entry, ModelRunEntry):
            self._add_labels(row.id, "prediction", entry.predictions, self.predictions)
        elif entry.details:
            self.workflow_history.add((row.id,), entry.details.workflow_history)

    def _add_labels(self, row_id: str, origin: str, labels: tuple[Label, ...], annotations: _Parts[Annotation]) -> None:
        self.labels.add((row_id, origin), labels)
        for index, label in enumerate(labels):
            owner = (row_id, origin, index, label.id)
            annotations.add(owner, label.annotations)
            self.relationships.add(owner, label.relationships)
            self.classifications.add(owner, questions_of(label))


def to_tables(samples: Sequence[Sample]) -> dict[str, pa.Table]:
    """Return samples as the canonical tables, by name (``schema.SCHEMAS``).

    Rows are ordered by data row id, then label, then place within it, so that the order of ``samples`` does not matter.
    Raises ``ValueError`` where two samples are of one data row.
    """
    ordered = sorted(samples, key=lambda sample: sample.record.data_row.id)
    if len({sample.record.data_row.id for sample in ordered}) < len(ordered):
        message = "expected each data row once, found one twice"
        raise ValueError(message)
    found = _Collected()
    for sample in ordered:
        found.add(sample)
    columns = {
        "data_rows": _data_rows(ordered),
        "labels": _labels(found.labels),
        "annotations": _annotations(found.annotations),
        "predictions": _annotations(found.predictions),
        "classifications": _classifications(found.classifications),
        "relationships": found.relationships.columns()
        | _fields(found.relationships.parts, "feature_id", "feature_schema_id", "name", "value", "source", "target"),
        "metadata": _metadata(found.metadata),
        "attachments": found.attachments.columns() | _fields(found.attachments.parts, *Attachment.__struct_fields__),
        "embeddings": found.embeddings.columns() | _fields(found.embeddings.parts, *Embedding.__struct_fields__),
        "workflow_history": found.workflow_history.columns()
        | _fields(found.workflow_history.parts, *WorkflowMove.__struct_fields__),
    }
    return {name: _table(columns[name], schema) for name, schema in SCHEMAS.items()}


def _table(columns: Columns, schema: pa.Schema) -> pa.Table:
    arrays = [
        columns[each.name] if isinstance(columns[each.name], pa.Array) else array(columns[each.name], each.type)
        for each in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _fields(values: Sequence[Any], *names: str) -> Columns:
    return {name: list(map(attrgetter(name), values)) for name in names}


def _data_rows(samples: Sequence[Sample]) -> Columns:
    rows = [sample.record.data_row for sample in samples]
    entries = [sample.record.entry for sample in samples]
    projects = [entry if isinstance(entry, ProjectEntry) else None for entry in entries]
    runs = [entry if isinstance(entry, ModelRunEntry) else None for entry in entries]
    return {
        "data_row_id": [row.id for row in rows],
        **_fields(rows, "global_key", "external_id", "row_data", "details"),
        "media_attributes": [row.media for row in rows],
        "split": [sample.split for sample in samples],
        "fingerprint": [sample.record.fingerprint for sample in samples],
        **_fields([sample.image for sample in samples], "file_name", "width", "height", "mime_type", "sha256", "size"),
        "source_kind": ["project" if project else "model_run" for project in projects],
        "source_id": [entry.id for entry in entries],
        "source_name": [entry.name for entry in entries],
        "project_details": [project and project.details for project in projects],
        "model_id": [run and run.model_id for run in runs],
        "model_name": [run and run.model_name for run in runs],
        "run_data_row_id": [run and run.run_data_row_id for run in runs],
        "run_split": [run and run.split for run in runs],
    }


def _labels(found: _Parts[Label]) -> Columns:
    labels = found.parts
    return found.columns() | {
        "label_id": [label.id for label in labels],
        "label_kind": [label.kind for label in labels],
        "version": [label.version for label in labels],
        "label_details": [label.details for label in labels],
        "performance_details": [label.performance for label in labels],
        "is_benchmark": [label.is_benchmark for label in labels],
    }


def _annotations(found: _Parts[Annotation]) -> Columns:
    return {
        **found.columns(),
        **_fields(found.parts, "feature_id", "feature_schema_id", "name", "value", "z_order", "confidence"),
        **geometry_columns([annotation.geometry for annotation in found.parts]),
    }


def _classifications(found: _Parts[Question]) -> Columns:
    questions = found.parts
    asked = [question.classification for question in questions]
    return {
        **found.columns(),
        "owner": [question.owner[0] for question in questions],
        "owner_index": [question.owner[1] for question in questions],
        "option_index": [question.owner[2] for question in questions],
        "owner_feature_id": [question.owner_feature_id for question in questions],
        **_fields(asked, "feature_id", "feature_schema_id", "name", "value"),
        "kind": [kind_of(each.answer) for each in asked],
        "options": [_options(each) for each in asked],
        "text": [each.answer.content if isinstance(each.answer, TextAnswer) else None for each in asked],
    }


def _options(question: Classification) -> Sequence[Option | TextAnswer] | None:
    return None if isinstance(question.answer, TextAnswer) else parts_of(question.answer)


def _metadata(found: _Parts[MetadataField]) -> Columns:
    values = [each.value for each in found.parts]
    return {
        **found.columns(),
        **_fields(found.parts, "schema_id", "schema_name", "schema_kind", "is_json"),
        "value_text": [value if isinstance(value, str) else None for value in values],
        "value_integer": [value if type(value) is int else None for value in values],
        "value_float": [value if isinstance(value, float) else None for value in values],
        "value_boolean": [value if isinstance(value, bool) else None for value in values],
    }
