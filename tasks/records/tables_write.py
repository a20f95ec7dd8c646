"""Samples → Arrow tables, column by column: values are collected in lists first, never as a dictionary a row."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa

from tasks.records.columns import array
from tasks.records.counts import kind_of, parts_of
from tasks.records.geometry_columns import geometry_columns
from tasks.records.model import Attachment, Embedding, ModelRunEntry, ProjectEntry, TextAnswer, WorkflowMove
from tasks.records.questions import questions_of
from tasks.records.schema import SCHEMAS, TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tasks.records.model import Annotation, Entry, Label, MetadataField, Sample
    from tasks.records.questions import Question

Columns: TypeAlias = "dict[str, Sequence[Any] | pa.Array]"
Part = TypeVar("Part")

_FEATURE = ("feature_id", "feature_schema_id", "name", "value")
_ORIGINS = pa.array(["label", "prediction"])


@dataclass(frozen=True, slots=True)
class _Parts(Generic[Part]):
    """Parts of many owners in one list: the position of each one's owner, and its place among the owner's parts."""

    parts: list[Part]
    owners: NDArray[np.int64]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, held: Sequence[Sequence[Part]]) -> _Parts[Part]:
        counts = np.fromiter(map(len, held), np.int64, len(held))
        owners = np.repeat(np.arange(len(held)), counts)
        starts = np.cumsum(counts) - counts
        return cls(list(chain.from_iterable(held)), owners, np.arange(len(owners)) - starts[owners])

    def columns(self, of_owners: dict[str, pa.Array], place: str, *fields: str) -> Columns:
        """Return the owners' columns repeated for each part, the column of places, and fields of the parts."""
        repeated = {name: column.take(self.owners) for name, column in of_owners.items()}
        return {**repeated, place: self.places, **_fields(self.parts, *fields)}


def to_tables(samples: Sequence[Sample]) -> dict[str, pa.Table]:
    """Return samples as the canonical tables, by name (``schema.SCHEMAS``).

    Rows are ordered by data row id, then label, then place within it, so that the order of ``samples`` does not matter.
    Raises ``ValueError`` where two samples are of one data row.
    """
    ordered = sorted(samples, key=lambda sample: sample.record.data_row.id)
    row_ids = [sample.record.data_row.id for sample in ordered]
    if len(set(row_ids)) < len(ordered):
        message = "expected each data row once, found one twice"
        raise ValueError(message)
    of_rows = {"data_row_id": array(row_ids, TEXT)}
    columns = _of_rows(ordered, of_rows) | _of_labels([sample.record.entry for sample in ordered], of_rows)
    return {name: _table(columns[name], schema) for name, schema in SCHEMAS.items()}


def _of_rows(samples: Sequence[Sample], of_rows: dict[str, pa.Array]) -> dict[str, Columns]:
    rows = [sample.record.data_row for sample in samples]
    attachments = _Parts.of([row.attachments for row in rows])
    embeddings = _Parts.of([row.embeddings for row in rows])
    moves = _Parts.of([_workflow_history(sample.record.entry) for sample in samples])
    return {
        "data_rows": of_rows | _data_rows(samples),
        "metadata": _metadata(_Parts.of([row.metadata for row in rows]), of_rows),
        "attachments": attachments.columns(of_rows, "attachment_index", *Attachment.__struct_fields__),
        "embeddings": embeddings.columns(of_rows, "embedding_index", *Embedding.__struct_fields__),
        "workflow_history": moves.columns(of_rows, "move_index", *WorkflowMove.__struct_fields__),
    }


def _workflow_history(entry: Entry) -> tuple[WorkflowMove, ...]:
    return entry.details.workflow_history if isinstance(entry, ProjectEntry) and entry.details else ()


def _of_labels(entries: Sequence[Entry], of_rows: dict[str, pa.Array]) -> dict[str, Columns]:
    """Return the tables of labels and of what hangs on them; each entry has two lists: labels, then predictions."""
    lists = chain.from_iterable((entry.labels, _predictions(entry)) for entry in entries)
    found = _Parts.of(list(lists))
    rows, origins = np.divmod(found.owners, 2)
    of_labels = {
        "data_row_id": of_rows["data_row_id"].take(rows),
        "origin": _ORIGINS.take(origins),
        "label_index": array(found.places, pa.int32()),
        "label_id": array([label.id for label in found.parts], TEXT),
    }
    predicted = origins.tolist()
    annotations = [() if flag else label.annotations for label, flag in zip(found.parts, predicted, strict=True)]
    predictions = [label.annotations if flag else () for label, flag in zip(found.parts, predicted, strict=True)]
    relationships = _Parts.of([label.relationships for label in found.parts])
    return {
        "labels": of_labels | _labels(found.parts),
        "annotations": _annotations(_Parts.of(annotations), of_labels),
        "predictions": _annotations(_Parts.of(predictions), of_labels),
        "classifications": _classifications(_Parts.of([questions_of(label) for label in found.parts]), of_labels),
        "relationships": relationships.columns(of_labels, "relationship_index", *_FEATURE, "source", "target"),
    }


def _predictions(entry: Entry) -> tuple[Label, ...]:
    return entry.predictions if isinstance(entry, ModelRunEntry) else ()


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


def _labels(labels: Sequence[Label]) -> Columns:
    return {
        "label_kind": [label.kind for label in labels],
        "version": [label.version for label in labels],
        "label_details": [label.details for label in labels],
        "performance_details": [label.performance for label in labels],
        "is_benchmark": [label.is_benchmark for label in labels],
    }


def _annotations(found: _Parts[Annotation], of_labels: dict[str, pa.Array]) -> Columns:
    return {
        **found.columns(of_labels, "annotation_index", *_FEATURE, "z_order", "confidence"),
        **geometry_columns([annotation.geometry for annotation in found.parts]),
    }


def _classifications(found: _Parts[Question], of_labels: dict[str, pa.Array]) -> Columns:
    asked = [question.classification for question in found.parts]
    answers = [each.answer for each in asked]
    return {
        **found.columns(of_labels, "question_index", "owner", "owner_index", "option_index", "owner_feature_id"),
        **_fields(asked, *_FEATURE),
        "kind": [kind_of(answer) for answer in answers],
        "options": [None if isinstance(answer, TextAnswer) else parts_of(answer) for answer in answers],
        "text": [answer.content if isinstance(answer, TextAnswer) else None for answer in answers],
    }


def _metadata(found: _Parts[MetadataField], of_rows: dict[str, pa.Array]) -> Columns:
    values = [each.value for each in found.parts]
    return {
        **found.columns(of_rows, "metadata_index", "schema_id", "schema_name", "schema_kind", "is_json"),
        "value_text": [value if isinstance(value, str) else None for value in values],
        "value_integer": [value if type(value) is int else None for value in values],
        "value_float": [value if isinstance(value, float) else None for value in values],
        "value_boolean": [value if isinstance(value, bool) else None for value in values],
    }
