"""The Arrow schemas of the canonical tables: names, types, and what is always there.

../README.md describes every column. Struct columns have the fields of the model's types, by name and in order; a null
struct is a block that the export did not have (Arrow then wants the fields within to be nullable as well). No list has
a fixed length: before 26 pyarrow reads none that is null, or lies in a null struct (github.com/apache/arrow, #35692).
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

TEXT: Final = pa.string()


def _texts(*names: str) -> list[pa.Field]:
    return [pa.field(name, TEXT) for name in names]


def _always(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


POSITION: Final = pa.struct([pa.field("x", pa.float64()), pa.field("y", pa.float64())])
BOX: Final = pa.struct([pa.field(name, pa.float64()) for name in ("left", "top", "width", "height")])
COLOUR: Final = pa.list_(pa.uint8())
MASK_REFERENCE: Final = pa.struct([*_texts("url", "composite_url"), pa.field("color_rgb", COLOUR)])
RUNS: Final = pa.struct(
    [
        pa.field("height", pa.int32()),
        pa.field("width", pa.int32()),
        pa.field("counts", TEXT),
        pa.field("area", pa.int64()),
        pa.field("bounding_box", pa.list_(pa.int32())),
    ]
)
OVERLAP: Final = pa.struct([pa.field("covered", pa.int64()), pa.field("shared", pa.int64())])
OPTION: Final = pa.struct(_texts("feature_id", "feature_schema_id", "name", "value"))
DATA_ROW_DETAILS: Final = pa.struct(
    _texts("dataset_id", "dataset_name", "created_at", "updated_at", "last_activity_at", "created_by")
)
MEDIA_ATTRIBUTES: Final = pa.struct(
    [
        pa.field("height", pa.int32()),
        pa.field("width", pa.int32()),
        pa.field("mime_type", TEXT),
        pa.field("exif_rotation", pa.int8()),
        pa.field("asset_type", TEXT),
    ]
)
PROJECT_DETAILS: Final = pa.struct(
    [
        *_texts("ontology_id", "task_id", "task_name", "batch_id", "batch_name", "workflow_status"),
        pa.field("priority", pa.int64()),
        pa.field("consensus_expected_label_count", pa.int64()),
        pa.field("selected_label_id", TEXT),
    ]
)
LABEL_DETAILS: Final = pa.struct(
    [
        *_texts("created_at", "updated_at", "created_by", "content_last_updated_at"),
        pa.field("reviews", pa.list_(pa.struct(_texts("json")))),
    ]
)
PERFORMANCE_DETAILS: Final = pa.struct(
    [
        pa.field("seconds_to_create", pa.float64()),
        pa.field("seconds_to_review", pa.float64()),
        pa.field("skipped", pa.bool_()),
        pa.field("consensus_score", pa.float64()),
    ]
)

COUNTS: Final = pa.map_(TEXT, pa.int32())

_ROW: Final = _always("data_row_id", TEXT)
_OF_LABEL: Final = (_ROW, _always("origin", TEXT), _always("label_index", pa.int32()), _always("label_id", TEXT))
_FEATURE: Final = (
    _always("feature_id", TEXT),
    pa.field("feature_schema_id", TEXT),
    _always("name", TEXT),
    pa.field("value", TEXT),
)

DATA_ROWS: Final = pa.schema(
    [
        _ROW,
        *_texts("global_key", "external_id"),
        _always("row_data", TEXT),
        _always("split", TEXT),
        _always("fingerprint", TEXT),
        _always("file_name", TEXT),
        _always("width", pa.int32()),
        _always("height", pa.int32()),
        _always("mime_type", TEXT),
        pa.field("sha256", TEXT),
        pa.field("size", pa.int64()),
        pa.field("orientation", pa.int8()),
        _always("turned", pa.bool_()),
        pa.field("converted_from", TEXT),
        _always("media_attributes", MEDIA_ATTRIBUTES),
        pa.field("details", DATA_ROW_DETAILS),
        _always("source_kind", TEXT),
        _always("source_id", TEXT),
        pa.field("source_name", TEXT),
        pa.field("project_details", PROJECT_DETAILS),
        *_texts("model_id", "model_name", "run_data_row_id", "run_split"),
        _always("labels_excluded", COUNTS),
        _always("annotations_dropped", COUNTS),
        _always("text_replaced", pa.int32()),
        pa.field("mask_rule", TEXT),
    ]
)
LABELS: Final = pa.schema(
    [
        *_OF_LABEL,
        *_texts("label_kind", "version"),
        pa.field("label_details", LABEL_DETAILS),
        pa.field("performance_details", PERFORMANCE_DETAILS),
        _always("is_benchmark", pa.bool_()),
        pa.field("benchmark_reference_label", TEXT),
        pa.field("benchmark_score", pa.float64()),
    ]
)
ANNOTATIONS: Final = pa.schema(
    [
        *_OF_LABEL,
        _always("annotation_index", pa.int32()),
        *_FEATURE,
        _always("kind", TEXT),
        pa.field("z_order", pa.int32()),
        pa.field("confidence", pa.float64()),
        pa.field("bounding_box", BOX),
        pa.field("vertices", pa.list_(POSITION)),
        pa.field("point", POSITION),
        pa.field("mask_reference", MASK_REFERENCE),
        pa.field("mask", RUNS),
        pa.field("has_area", pa.bool_()),
        pa.field("mask_overlap", OVERLAP),
    ]
)
RELATIONSHIPS: Final = pa.schema(
    [
        *_OF_LABEL,
        _always("relationship_index", pa.int32()),
        *_FEATURE,
        _always("source", TEXT),
        _always("target", TEXT),
    ]
)
CLASSIFICATIONS: Final = pa.schema(
    [
        *_OF_LABEL,
        _always("question_index", pa.int32()),
        _always("owner", TEXT),
        pa.field("owner_index", pa.int32()),
        pa.field("option_index", pa.int32()),
        pa.field("owner_feature_id", TEXT),
        *_texts("feature_id", "feature_schema_id"),
        _always("name", TEXT),
        pa.field("value", TEXT),
        _always("kind", TEXT),
        pa.field("options", pa.list_(OPTION)),
        pa.field("text", TEXT),
    ]
)
UNANSWERED: Final = pa.schema(
    [
        *_OF_LABEL,
        _always("unanswered_index", pa.int32()),
        _always("owner", TEXT),
        *_texts("owner_feature_id", "about", "feature_id", "feature_schema_id", "name", "value", "kind"),
    ]
)
METADATA: Final = pa.schema(
    [
        _ROW,
        _always("metadata_index", pa.int32()),
        pa.field("schema_id", TEXT),
        *_texts("schema_name", "schema_kind"),
        pa.field("value_text", TEXT),
        pa.field("value_integer", pa.int64()),
        pa.field("value_float", pa.float64()),
        pa.field("value_boolean", pa.bool_()),
        _always("is_json", pa.bool_()),
    ]
)
ATTACHMENTS: Final = pa.schema([_ROW, _always("attachment_index", pa.int32()), *_texts("id", "type", "name", "value")])
EMBEDDINGS: Final = pa.schema(
    [
        _ROW,
        _always("embedding_index", pa.int32()),
        *_texts("id", "name"),
        pa.field("dimensions", pa.int64()),
        pa.field("is_custom", pa.bool_()),
        _always("values", pa.list_(pa.float64())),
    ]
)
WORKFLOW_HISTORY: Final = pa.schema(
    [
        _ROW,
        _always("move_index", pa.int32()),
        *_texts("action", "created_at", "created_by"),
        *_texts("previous_task_name", "previous_task_id", "next_task_name", "next_task_id"),
    ]
)
UNREADABLE: Final = pa.schema(
    [_ROW, _always("unreadable_index", pa.int32()), _always("path", TEXT), _always("code", TEXT)]
)
CLASSES: Final = pa.schema(
    [
        _always("id", pa.int32()),
        pa.field("feature_schema_id", TEXT),
        _always("name", TEXT),
        _always("previous_names", pa.list_(TEXT)),
        _always("removed", pa.bool_()),
        _always("kinds", pa.list_(TEXT)),
        _always("unique_name", TEXT),
        _always("merged", pa.bool_()),
        pa.field("colour", TEXT),
    ]
)
ONTOLOGY: Final = pa.schema(
    [
        _always("position", pa.int32()),
        pa.field("parent", pa.int32()),
        _always("kind", TEXT),
        _always("name", TEXT),
        _always("path", pa.list_(TEXT)),
        _always("feature_schema_id", TEXT),
        *_texts("value", "instructions", "colour"),
        _always("required", pa.bool_()),
        _always("archived", pa.bool_()),
    ]
)
PROBLEMS: Final = pa.schema(
    [
        _always("line", pa.int64()),
        pa.field("data_row_id", TEXT),
        *(_always(name, TEXT) for name in ("path", "code", "reason")),
    ]
)

LEFT: Final = pa.schema([_ROW, _always("split", TEXT)])

SCHEMAS: Final = {
    "data_rows": DATA_ROWS,
    "labels": LABELS,
    "annotations": ANNOTATIONS,
    "predictions": ANNOTATIONS,
    "classifications": CLASSIFICATIONS,
    "unanswered": UNANSWERED,
    "relationships": RELATIONSHIPS,
    "metadata": METADATA,
    "attachments": ATTACHMENTS,
    "embeddings": EMBEDDINGS,
    "workflow_history": WORKFLOW_HISTORY,
    "unreadable": UNREADABLE,
}
"""The tables that samples are written to, by name."""

_OF_SOURCE: Final = (_always("from_source", TEXT), _always("source_kind", TEXT), _always("source_id", TEXT))
SOURCES: Final = pa.schema(
    [
        _ROW,
        _always("source_index", pa.int32()),
        *_OF_SOURCE,
        pa.field("source_name", TEXT),
        _always("labels", pa.int32()),
        _always("predictions", pa.int32()),
        pa.field("project_details", PROJECT_DETAILS),
        *_texts("model_id", "model_name", "run_data_row_id", "run_split"),
    ]
)


def _by_source(schema: pa.Schema) -> pa.Schema:
    """The table of what a row's other sources have: behind the row's id stands which of them it is."""
    return pa.schema([schema.field(0), *_OF_SOURCE, *(schema.field(place) for place in range(1, len(schema)))])


OF_SOURCES: Final = {
    "sources": SOURCES,
    **{
        f"source_{name}": _by_source(SCHEMAS[name])
        for name in ("labels", "annotations", "predictions", "classifications", "unanswered", "relationships")
    },
}
"""The tables that samples of several sources are written to beside the others, by name."""
