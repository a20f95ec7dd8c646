"""Samples → Arrow tables, column by column: values are collected in lists first, never as a dictionary a row."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa

from tasks.records.columns import writer
from tasks.records.counts import KIND_OF
from tasks.records.geometry_columns import geometry_columns
from tasks.records.model import Attachment, Embedding, ModelRunEntry, ProjectEntry, TextAnswer, WorkflowMove
from tasks.records.questions import questions_of
from tasks.records.schema import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.records.model import Annotation, Entry, Label, MetadataField, Relationship, Sample
    from tasks.records.questions import Question

Columns: TypeAlias = "dict[str, Sequence[Any] | pa.Array]"
Owners: TypeAlias = "dict[str, pa.Array]"
Part = TypeVar("Part")

_FEATURE = ("feature_id", "feature_schema_id", "name", "value")
_ORIGINS = pa.array(["label", "prediction"])
_EMPTY = {name: schema.empty_table() for name, schema in SCHEMAS.items()}
_WRITERS = {name: [(field.name, writer(field.type)) for field in schema] for name, schema in SCHEMAS.items()}


def to_tables(samples: Sequence[Sample]) -> dict[str, pa.Table]:
    """Return samples as the canonical tables, by name (``schema.SCHEMAS``).

    Rows are ordered by data row id, then label, then place within it, so that the order of ``samples`` does not matter.
    Raises ``ValueError`` where two samples are of one data row.
    """
    ordered = sorted(samples, key=lambda sample: sample.record.data_row.id)
    rows = [sample.record.data_row for sample in ordered]
    if len({row.id for row in rows}) < len(rows):
        message = "expected each data row once, found one twice"
        raise ValueError(message)
    entries = [sample.record.entry for sample in ordered]
    data_rows = _table("data_rows", _data_rows(ordered))
    owners = _owners(data_rows, "data_row_id")
    tables = {
        "data_rows": data_rows,
        **_of_labels([found for entry in entries for found in (entry.labels, _predictions(entry))], owners),
        "metadata": _parts("metadata", [row.metadata for row in rows], owners, _metadata),
        "attachments": _parts("attachments", [row.attachments for row in rows], owners, _attachments),
        "embeddings": _parts("embeddings", [row.embeddings for row in rows], owners, _embeddings),
        "workflow_history": _parts("workflow_history", [_moves(entry) for entry in entries], owners, _workflow_history),
    }
    return {name: tables[name] for name in SCHEMAS}


def _of_labels(lists: Sequence[tuple[Label, ...]], of_rows: Owners) -> dict[str, pa.Table]:
    """Return the tables of labels and of what hangs on them; ``lists`` has two lists a row: labels and predictions."""
    rows, origins = np.divmod(np.arange(len(lists)), len(_ORIGINS))
    of_lists = {"data_row_id": of_rows["data_row_id"].take(rows), "origin": _ORIGINS.take(origins)}
    made = _parts("labels", lists, of_lists, _labels)
    owners = _owners(made, "data_row_id", "origin", "label_index", "label_id")
    labels = list(chain.from_iterable(lists))
    relationships = [label.relationships for label in labels]
    return {
        "labels": made,
        "annotations": _parts("annotations", _objects(lists, 0), owners, _annotations),
        "predictions": _parts("predictions", _objects(lists, 1), owners, _annotations),
        "classifications": _parts("classifications", list(map(questions_of, labels)), owners, _classifications),
        "relationships": _parts("relationships", relationships, owners, _relationships),
    }


def _objects(lists: Sequence[tuple[Label, ...]], origin: int) -> list[tuple[Annotation, ...]]:
    """Return the objects of each label; none for those of another origin."""
    return [
        label.annotations if index % len(_ORIGINS) == origin else ()
        for index, labels in enumerate(lists)
        for label in labels
    ]


def _predictions(entry: Entry) -> tuple[Label, ...]:
    return entry.predictions if isinstance(entry, ModelRunEntry) else ()


def _moves(entry: Entry) -> tuple[WorkflowMove, ...]:
    return entry.details.workflow_history if isinstance(entry, ProjectEntry) and entry.details else ()


def _parts(
    name: str, held: Sequence[Sequence[Part]], owners: Owners, fields: Callable[[Sequence[Part]], Columns]
) -> pa.Table:
    """Return the table of what each owner holds: the owner's columns, the place among the owner's parts, its fields."""
    parts = list(chain.from_iterable(held))
    if not parts:
        return _EMPTY[name]
    counts = np.fromiter(map(len, held), np.int64, len(held))
    positions = np.repeat(np.arange(len(held)), counts)
    places = (np.arange(len(parts)) - (np.cumsum(counts) - counts)[positions]).astype(np.int32)
    rows = pa.array(positions)
    repeated = {column: values.take(rows) for column, values in owners.items()}
    return _table(name, {**repeated, SCHEMAS[name].names[len(owners)]: places, **fields(parts)})


def _table(name: str, columns: Columns) -> pa.Table:
    arrays = [
        column if isinstance(column := columns[field], pa.Array) else write(column) for field, write in _WRITERS[name]
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMAS[name])


def _owners(table: pa.Table, *names: str) -> Owners:
    return {name: table.column(name).combine_chunks() for name in names}


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


def _labels(labels: Sequence[Label]) -> Columns:
    return {
        "label_id": [label.id for label in labels],
        "label_kind": [label.kind for label in labels],
        "version": [label.version for label in labels],
        "label_details": [label.details for label in labels],
        "performance_details": [label.performance for label in labels],
        "is_benchmark": [label.is_benchmark for label in labels],
    }


def _annotations(found: Sequence[Annotation]) -> Columns:
    columns = _fields(found, *_FEATURE, "z_order", "confidence")
    return columns | geometry_columns([annotation.geometry for annotation in found])


def _relationships(found: Sequence[Relationship]) -> Columns:
    return _fields(found, *_FEATURE, "source", "target")


def _classifications(found: Sequence[Question]) -> Columns:
    *owners, asked = zip(*found, strict=True)
    answers = [each.answer for each in asked]
    return {
        **dict(zip(("owner", "owner_index", "option_index", "owner_feature_id"), owners, strict=True)),
        **_fields(asked, *_FEATURE),
        "kind": [KIND_OF[type(answer)] for answer in answers],
        "options": [None if type(answer) is TextAnswer else answer.parts for answer in answers],
        "text": [answer.content if type(answer) is TextAnswer else None for answer in answers],
    }


def _metadata(found: Sequence[MetadataField]) -> Columns:
    values = [each.value for each in found]
    return {
        **_fields(found, "schema_id", "schema_name", "schema_kind", "is_json"),
        "value_text": [value if isinstance(value, str) else None for value in values],
        "value_integer": [value if type(value) is int else None for value in values],
        "value_float": [value if isinstance(value, float) else None for value in values],
        "value_boolean": [value if isinstance(value, bool) else None for value in values],
    }


def _attachments(found: Sequence[Attachment]) -> Columns:
    return _fields(found, *Attachment.__struct_fields__)


def _embeddings(found: Sequence[Embedding]) -> Columns:
    return _fields(found, *Embedding.__struct_fields__)


def _workflow_history(found: Sequence[WorkflowMove]) -> Columns:
    return _fields(found, *WorkflowMove.__struct_fields__)
