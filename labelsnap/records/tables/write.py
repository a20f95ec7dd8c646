"""Samples → Arrow tables, column by column: values are collected in lists first, never as a dictionary a row."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from msgspec.structs import astuple

from labelsnap.records.counts import KIND_OF
from labelsnap.records.model import ChecklistAnswer, ModelRunEntry, ProjectEntry, RadioAnswer, TextAnswer
from labelsnap.records.questions import questions_of
from labelsnap.records.tables.columns import list_array, tuples
from labelsnap.records.tables.geometry_columns import geometry_columns
from labelsnap.records.tables.schema import OF_SOURCES, OPTION, SCHEMAS, TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from labelsnap.records.model import (
        Annotation,
        Answer,
        Attachment,
        Classification,
        Embedding,
        Entry,
        Label,
        LabelDetails,
        MetadataField,
        Option,
        Relationship,
        Sample,
        Unanswered,
        Unreadable,
        WorkflowMove,
    )
    from labelsnap.records.questions import Question

Columns: TypeAlias = "dict[str, Sequence[Any] | pa.Array]"
Part = TypeVar("Part")

_ORIGINS = ("label", "prediction")
_EVERY = SCHEMAS | OF_SOURCES
_EMPTY = {
    name: pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)
    for name, schema in _EVERY.items()
}
_SIDES = ("width", "height")
_FIELDS = {name: [(field.name, field.type) for field in schema] for name, schema in _EVERY.items()}


def to_tables(samples: Sequence[Sample]) -> dict[str, pa.Table]:
    """Return samples as the canonical tables, by name (``schema.SCHEMAS``).

    Rows are ordered by data row id, then label, then place within it, so that the order of ``samples`` does not matter.
    Where any is of several sources those of ``schema.OF_SOURCES`` are among them.
    Raises ``ValueError`` where two samples are of one data row.
    """
    ordered = sorted(samples, key=lambda sample: sample.record.data_row.id)
    rows = [sample.record.data_row for sample in ordered]
    if len({row.id for row in rows}) < len(rows):
        message = "expected each data row once, found one twice"
        raise ValueError(message)
    entries = [sample.record.entry for sample in ordered]
    data_rows = _batch("data_rows", _data_rows(ordered))
    owners = data_rows.select(["data_row_id"])
    batches = {
        "data_rows": data_rows,
        **_of_labels(
            [found for entry in entries for found in (entry.labels, _predictions(entry))],
            data_rows.select(["data_row_id", *_SIDES]),
        ),
        "metadata": _parts("metadata", [row.metadata for row in rows], owners, _metadata),
        "attachments": _parts("attachments", [row.attachments for row in rows], owners, _fields),
        "embeddings": _parts("embeddings", [row.embeddings for row in rows], owners, _fields),
        "workflow_history": _parts("workflow_history", [_moves(entry) for entry in entries], owners, _fields),
        "unreadable": _parts("unreadable", [sample.record.unreadable for sample in ordered], owners, _fields),
    }
    if any(sample.record.source for sample in ordered):
        batches |= _of_sources(ordered, data_rows)
    return {name: pa.Table.from_batches([batch]) for name, batch in batches.items()}


def _of_sources(samples: Sequence[Sample], data_rows: pa.RecordBatch) -> dict[str, pa.RecordBatch]:
    """Return the tables of what each source has of rows, and of the labels of those that did not win."""
    records = [sample.record for sample in samples]
    told = [[(each.source, each.entry), *((one.source, one.entry) for one in each.others)] for each in records]
    sources = _parts("sources", told, data_rows.select(["data_row_id"]), _sources)
    others = [each for record in records for each in record.others]
    which = np.repeat(np.arange(len(records)), [len(record.others) for record in records])
    of_rows = pa.record_batch(
        {
            "data_row_id": data_rows["data_row_id"].take(pa.array(which)),
            **{name: pa.array(column, TEXT) for name, column in _named([(one.source, one.entry) for one in others])},
            **{name: data_rows[name].take(pa.array(which)) for name in _SIDES},
        }
    )
    lists = [found for one in others for found in (one.entry.labels, _predictions(one.entry))]
    return {"sources": sources, **_of_labels(lists, of_rows, "source_")}


def _named(told: Sequence[tuple[str, Entry]]) -> Sequence[tuple[str, list[str]]]:
    return (
        ("from_source", [name for name, _ in told]),
        ("source_kind", [_kind(entry) for _, entry in told]),
        ("source_id", [entry.id for _, entry in told]),
    )


def _kind(entry: Entry) -> str:
    return "project" if isinstance(entry, ProjectEntry) else "model_run"


def _sources(told: Sequence[tuple[str, Entry]]) -> Columns:
    entries = [entry for _, entry in told]
    return {
        **dict(_named(told)),
        **_of_entries(entries),
        "labels": [len(entry.labels) for entry in entries],
        "predictions": [len(_predictions(entry)) for entry in entries],
    }


def _of_labels(
    lists: Sequence[tuple[Label, ...]], of_rows: pa.RecordBatch, prefix: str = ""
) -> dict[str, pa.RecordBatch]:
    """Return the tables of labels and of what hangs on them, their names with a prefix.

    ``lists`` has two lists a row: labels and predictions. What ``of_rows`` has beside sizes stands before each.
    """
    rows, origins = np.divmod(np.arange(len(lists)), len(_ORIGINS))
    named = [name for name in of_rows.schema.names if name not in _SIDES]
    of_lists = pa.record_batch(
        {
            **{name: of_rows[name].take(pa.array(rows)) for name in named},
            "origin": pa.array(_ORIGINS).take(pa.array(origins)),
        }
    )
    made = _parts(f"{prefix}labels", lists, of_lists, _labels)
    owners = made.select([*named, "origin", "label_index", "label_id"])
    labels = list(chain.from_iterable(lists))
    sizes = _sizes(of_rows)[np.repeat(rows, list(map(len, lists)))]
    drawn, predicted = (_objects(lists, origin) for origin in range(len(_ORIGINS)))
    relationships = [label.relationships for label in labels]
    tables = {
        "labels": made,
        **{
            name: _parts(f"{prefix}{name}", found, owners, partial(_annotations, _spread(sizes, found)))
            for name, found in (("annotations", drawn), ("predictions", predicted))
        },
        "classifications": _parts(
            f"{prefix}classifications", list(map(questions_of, labels)), owners, _classifications
        ),
        "unanswered": _parts(f"{prefix}unanswered", [label.unanswered for label in labels], owners, _fields),
        "relationships": _parts(f"{prefix}relationships", relationships, owners, _relationships),
    }
    return {f"{prefix}{name}": table for name, table in tables.items()}


def _sizes(rows: pa.RecordBatch) -> NDArray[np.int64]:
    """Return the (width, height) of each row's image."""
    return np.column_stack([rows[name].to_numpy() for name in _SIDES]).astype(np.int64)


def _spread(sizes: NDArray[np.int64], held: Sequence[Sequence[Part]]) -> NDArray[np.int64]:
    """Return for each part its holder's size."""
    return np.repeat(sizes, list(map(len, held)), axis=0)


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
    name: str, held: Sequence[Sequence[Part]], owners: pa.RecordBatch, fields: Callable[[Sequence[Part]], Columns]
) -> pa.RecordBatch:
    """Return the table of what each owner holds: the owner's columns, the place among the owner's parts, its fields."""
    parts = list(chain.from_iterable(held))
    if not parts:
        return _EMPTY[name]
    counts = np.fromiter(map(len, held), np.int64, len(held))
    positions = np.repeat(np.arange(len(held)), counts)
    places = (np.arange(len(parts)) - (np.cumsum(counts) - counts)[positions]).astype(np.int32)
    repeated = owners.take(pa.array(positions)).columns
    index = _EVERY[name].names[len(repeated)]
    columns = dict(zip(owners.schema.names, repeated, strict=True))
    return _batch(name, {**columns, index: pa.array(places), **fields(parts)})


def _batch(name: str, columns: Columns) -> pa.RecordBatch:
    arrays = [
        column if isinstance(column := columns[field], pa.Array) else pa.array(column, kind)
        for field, kind in _FIELDS[name]
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=_EVERY[name])


def _data_rows(samples: Sequence[Sample]) -> Columns:
    records = [sample.record for sample in samples]
    rows = [record.data_row for record in records]
    images = [sample.image for sample in samples]
    entries = [record.entry for record in records]
    return {
        **_of_entries(entries),
        "data_row_id": [row.id for row in rows],
        "global_key": [row.global_key for row in rows],
        "external_id": [row.external_id for row in rows],
        "row_data": [row.row_data for row in rows],
        "details": tuples([row.details for row in rows]),
        "media_attributes": tuples([row.media for row in rows]),
        "split": [sample.split for sample in samples],
        "fingerprint": [record.fingerprint for record in records],
        "file_name": [image.file_name for image in images],
        "width": [image.width for image in images],
        "height": [image.height for image in images],
        "mime_type": [image.mime_type for image in images],
        "sha256": [image.sha256 for image in images],
        "size": [image.size for image in images],
        "orientation": [image.orientation for image in images],
        "turned": [image.turned for image in images],
        "converted_from": [image.converted_from for image in images],
        "labels_excluded": [list(record.labels_excluded.items()) for record in records],
        "annotations_dropped": [list(record.annotations_dropped.items()) for record in records],
        "text_replaced": [record.text_replaced for record in records],
        "mask_rule": [sample.mask_rule for sample in samples],
    }


def _of_entries(entries: Sequence[Entry]) -> Columns:
    """Return what a row has of its project or model run beside the labels."""
    runs = [entry if isinstance(entry, ModelRunEntry) else None for entry in entries]
    details = [entry.details if isinstance(entry, ProjectEntry) else None for entry in entries]
    return {
        "source_kind": [_kind(entry) for entry in entries],
        "source_id": [entry.id for entry in entries],
        "source_name": [entry.name for entry in entries],
        "project_details": [fields and fields[:-1] for fields in tuples(details)],  # all but workflow_history
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
        "label_details": [_label_details(label.details) for label in labels],
        "performance_details": tuples([label.performance for label in labels]),
        "is_benchmark": [label.is_benchmark for label in labels],
        "benchmark_reference_label": [label.benchmark_reference_label for label in labels],
        "benchmark_score": [label.benchmark_score for label in labels],
    }


def _label_details(details: LabelDetails | None) -> tuple[Any, ...] | None:
    if details is None:
        return None
    *told, reviews = astuple(details)
    return (*told, tuples(reviews))


def _features(found: Sequence[Annotation | Relationship | Classification | Option]) -> Columns:
    return {
        "feature_id": [each.feature_id for each in found],
        "feature_schema_id": [each.feature_schema_id for each in found],
        "name": [each.name for each in found],
        "value": [each.value for each in found],
    }


def _annotations(sizes: NDArray[np.int64], found: Sequence[Annotation]) -> Columns:
    return {
        **_features(found),
        "z_order": [each.z_order for each in found],
        "confidence": [each.confidence for each in found],
        **geometry_columns([each.geometry for each in found], sizes),
    }


def _relationships(found: Sequence[Relationship]) -> Columns:
    return {
        **_features(found),
        "source": [each.source for each in found],
        "target": [each.target for each in found],
    }


def _classifications(found: Sequence[Question]) -> Columns:
    asked = [question for _, _, _, _, question in found]
    answers = [each.answer for each in asked]
    is_text = np.array([type(answer) is TextAnswer for answer in answers])
    options = list(map(_options_of, answers))
    lengths = np.fromiter(map(len, options), np.int32, len(options))
    return {
        "owner": [owner for owner, _, _, _, _ in found],
        "owner_index": [index for _, index, _, _, _ in found],
        "option_index": [index for _, _, index, _, _ in found],
        "owner_feature_id": [feature_id for _, _, _, feature_id, _ in found],
        **_features(asked),
        "kind": [KIND_OF[type(answer)] for answer in answers],
        "options": list_array(lengths, _options(list(chain.from_iterable(options))), is_text),
        "text": [answer.content if type(answer) is TextAnswer else None for answer in answers],
    }


def _options_of(answer: Answer) -> tuple[Option, ...]:
    if type(answer) is RadioAnswer:
        return (answer.option,)
    return answer.options if type(answer) is ChecklistAnswer else ()


def _options(found: Sequence[Option]) -> pa.Array:
    arrays = [pa.array(column, TEXT) for column in _features(found).values()]
    return pa.StructArray.from_arrays(arrays, type=OPTION)


def _metadata(found: Sequence[MetadataField]) -> Columns:
    values = [each.value for each in found]
    return {
        "schema_id": [each.schema_id for each in found],
        "schema_name": [each.schema_name for each in found],
        "schema_kind": [each.schema_kind for each in found],
        "is_json": [each.is_json for each in found],
        "value_text": [value if isinstance(value, str) else None for value in values],
        "value_integer": [value if type(value) is int else None for value in values],
        "value_float": [value if isinstance(value, float) else None for value in values],
        "value_boolean": [value if isinstance(value, bool) else None for value in values],
    }


def _fields(found: Sequence[Attachment | Embedding | Unanswered | Unreadable | WorkflowMove]) -> Columns:
    """Return a column a field of the values' type."""
    return {name: [getattr(each, name) for each in found] for name in found[0].__struct_fields__}
