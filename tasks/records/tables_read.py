"""Arrow tables → samples: the inverse of ``tables_write``."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from msgspec.structs import replace

from tasks.records.columns import lists, plain, structs
from tasks.records.geometry_columns import geometries_of
from tasks.records.model import (
    Annotation,
    Answer,
    Attachment,
    ChecklistAnswer,
    Classification,
    DataRow,
    DataRowDetails,
    Embedding,
    Entry,
    Image,
    Label,
    LabelDetails,
    MediaAttributes,
    MetadataField,
    ModelRunEntry,
    Option,
    PerformanceDetails,
    ProjectDetails,
    ProjectEntry,
    RadioAnswer,
    Record,
    Relationship,
    Review,
    Sample,
    TextAnswer,
    WorkflowMove,
)
from tasks.records.questions import IMAGE, Owner, nested

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

Part = TypeVar("Part")
Place = tuple[str, str, int]
"""A label: data row id, origin, label index."""
Questions: TypeAlias = "Mapping[Place, Mapping[Owner, tuple[Classification, ...]]]"


class _Table:
    """A table's columns as arrays and as plain values."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def array(self, name: str) -> pa.Array:
        return self.table.column(name).combine_chunks()

    def values(self, *names: str) -> list[list[Any]]:
        return [plain(self.array(name)) for name in names]

    def places(self) -> Iterator[Place]:
        return zip(*self.values("data_row_id", "origin", "label_index"), strict=True)


def from_tables(tables: Mapping[str, pa.Table]) -> Iterator[Sample]:
    """Yield the samples of ``to_tables`` again, ordered by data row id; tables of other names are left alone."""
    read = {name: _Table(table) for name, table in tables.items()}
    questions = _questions(read["classifications"])
    ties = _relationships(read["relationships"], questions)
    objects = _annotations(read["annotations"], questions) | _annotations(read["predictions"], questions)
    labels = _labels(read["labels"], objects, ties, questions)
    rows = _data_rows(read)
    entries = _entries(read["data_rows"], labels, _of_rows(read["workflow_history"], WorkflowMove))
    columns = read["data_rows"].values(
        "split", "fingerprint", "file_name", "width", "height", "mime_type", "sha256", "size"
    )
    for row, entry, split, fingerprint, *image in zip(rows, entries, *columns, strict=True):
        yield Sample(Record(row, entry, fingerprint), Image(*image), split)


def _grouped(keys: Any, parts: Sequence[Part]) -> dict[Any, list[Part]]:
    groups: defaultdict[Any, list[Part]] = defaultdict(list)
    for key, part in zip(keys, parts, strict=True):
        groups[key].append(part)
    return dict(groups)


def _of_rows(table: _Table, cls: type[Part]) -> dict[str, list[Part]]:
    """Return values whose type's fields are the table's last columns, by data row id."""
    names = table.table.column_names
    (keys,) = table.values("data_row_id")
    return _grouped(keys, [cls(*row) for row in zip(*table.values(*names[2:]), strict=True)])


def _data_rows(read: Mapping[str, _Table]) -> Iterator[DataRow]:
    table = read["data_rows"]
    metadata = _metadata(read["metadata"])
    attachments = _of_rows(read["attachments"], Attachment)
    embeddings = _of_rows(read["embeddings"], Embedding)
    names = table.values("data_row_id", "global_key", "external_id", "row_data")
    details = structs(table.array("details"), DataRowDetails)
    media = structs(table.array("media_attributes"), MediaAttributes)
    for row_id, global_key, external_id, row_data, detail, attributes in zip(*names, details, media, strict=True):
        yield DataRow(
            row_id,
            global_key,
            external_id,
            row_data,
            detail,
            attributes or MediaAttributes(),
            tuple(metadata.get(row_id, ())),
            tuple(attachments.get(row_id, ())),
            tuple(embeddings.get(row_id, ())),
        )


def _metadata(table: _Table) -> dict[str, list[MetadataField]]:
    keys, *names = table.values("data_row_id", "schema_id", "schema_name", "schema_kind", "is_json")
    values = zip(*table.values("value_text", "value_integer", "value_float", "value_boolean"), strict=True)
    told = [next((value for value in row if value is not None), None) for row in values]
    fields = [
        MetadataField(schema_id, name, kind, value, is_json)
        for schema_id, name, kind, is_json, value in zip(*names, told, strict=True)
    ]
    return _grouped(keys, fields)


def _entries(
    table: _Table, labels: Mapping[tuple[str, str], list[Label]], moves: Mapping[str, list[WorkflowMove]]
) -> Iterator[Entry]:
    details = structs(table.array("project_details"), ProjectDetails)
    names = table.values("data_row_id", "source_kind", "source_id", "source_name")
    of_run = table.values("model_id", "model_name", "run_data_row_id", "run_split")
    columns = zip(*names, details, *of_run, strict=True)
    for row_id, kind, source_id, name, detail, model_id, model_name, run_row_id, split in columns:
        found = tuple(labels.get((row_id, "label"), ()))
        if kind == "project":
            history = tuple(moves.get(row_id, ()))
            told = replace(detail, workflow_history=history) if detail and history else detail
            yield ProjectEntry(source_id, name, told, found)
        else:
            predictions = tuple(labels.get((row_id, "prediction"), ()))
            yield ModelRunEntry(source_id, name, model_id, model_name, run_row_id, split, found, predictions)


def _labels(
    table: _Table,
    objects: Mapping[Place, list[Annotation]],
    ties: Mapping[Place, list[Relationship]],
    questions: Questions,
) -> dict[tuple[str, str], list[Label]]:
    places = list(table.places())
    columns = table.values("label_id", "label_kind", "version", "is_benchmark")
    details = structs(table.array("label_details"), LabelDetails, reviews=Review)
    performance = structs(table.array("performance_details"), PerformanceDetails)
    labels = [
        Label(
            label_id,
            kind,
            version,
            detail,
            measured,
            tuple(objects.get(place, ())),
            questions.get(place, {}).get(IMAGE, ()),
            tuple(ties.get(place, ())),
            is_benchmark,
        )
        for place, label_id, kind, version, is_benchmark, detail, measured in zip(
            places, *columns, details, performance, strict=True
        )
    ]
    return _grouped([place[:2] for place in places], labels)


def _annotations(table: _Table, questions: Questions) -> dict[Place, list[Annotation]]:
    places = list(table.places())
    features = table.values("feature_id", "feature_schema_id", "name", "value")
    rest = table.values("annotation_index", "z_order", "confidence")
    columns = zip(places, *features, geometries_of(table.array), *rest, strict=True)
    annotations = [
        Annotation(feature_id, schema_id, name, value, geometry, _below(questions, place, "object", index), z, score)
        for place, feature_id, schema_id, name, value, geometry, index, z, score in columns
    ]
    return _grouped(places, annotations)


def _relationships(table: _Table, questions: Questions) -> dict[Place, list[Relationship]]:
    places = list(table.places())
    names = ("feature_id", "feature_schema_id", "name", "value", "source", "target", "relationship_index")
    relationships = [
        Relationship(
            feature_id, schema_id, name, value, source, target, _below(questions, place, "relationship", index)
        )
        for place, feature_id, schema_id, name, value, source, target, index in zip(
            places, *table.values(*names), strict=True
        )
    ]
    return _grouped(places, relationships)


def _below(questions: Questions, place: Place, kind: str, index: int) -> tuple[Classification, ...]:
    found = questions.get(place)
    return found.get((kind, index, None), ()) if found else ()


def _questions(table: _Table) -> Questions:
    owners = zip(*table.values("owner", "owner_index", "option_index"), strict=True)
    names = table.values("feature_id", "feature_schema_id", "name", "value")
    kinds, texts = table.values("kind", "text")
    options = lists(table.array("options"), Option)
    questions = [
        (owner, Classification(feature_id, schema_id, name, value, _answer(kind, chosen, text)))
        for owner, kind, chosen, text, feature_id, schema_id, name, value in zip(
            owners, kinds, options, texts, *names, strict=True
        )
    ]
    return {place: nested(found) for place, found in _grouped(table.places(), questions).items()}


def _answer(kind: str, options: tuple[Option, ...] | None, text: str | None) -> Answer:
    if kind == "radio":
        (option,) = options or ()
        return RadioAnswer(option)
    return ChecklistAnswer(options or ()) if kind == "checklist" else TextAnswer(text or "")
