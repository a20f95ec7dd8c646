"""Arrow tables → samples, the inverse of ``tables_write``; or of each row only what a refresh may reuse."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from labelsnap.records.image import Image, Validators
from labelsnap.records.model import (
    Annotation,
    Answer,
    Attachment,
    ChecklistAnswer,
    Classification,
    DataRow,
    DataRowDetails,
    Embedding,
    Entry,
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
    Unanswered,
    Unreadable,
    WorkflowMove,
)
from labelsnap.records.questions import IMAGE, Owner, nested
from labelsnap.records.tables.carry import Standing, told_apart
from labelsnap.records.tables.columns import lists, plain, structs
from labelsnap.records.tables.geometry_columns import geometries_of, masks_of
from labelsnap.records.tables.schema import OVERLAP, SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from labelsnap.records.geometry import Mask
    from labelsnap.records.tables.carry import MaskKey

_OF_ROW: Final = ("data_row_id", "fingerprint", "row_data", "split")
_ROW: Final = (*_OF_ROW, "mask_rule", *Image.__struct_fields__, "details")
_OBJECT: Final = ("data_row_id", "origin", "label_id", "feature_id")
_MASKS: Final = (*_OBJECT, "mask_reference", "mask", "mask_overlap")
_SOURCE: Final = ("data_row_id", *Validators.__struct_fields__, "unconfirmed")
OF_MASKS: Final = dict.fromkeys(("annotations", "predictions", "source_annotations", "source_predictions"), _MASKS)
STANDING: Final = {"data_rows": _ROW, "images": _SOURCE, **OF_MASKS}
"""The columns that ``standing_of`` looks at, by table."""
_WITHOUT_ROWS: Final = {name: pa.Table.from_batches([], schema) for name, schema in SCHEMAS.items()}
"""What stands for the tables of a bucket that no file is written of."""
_LATER_COLUMNS: Final = {"mask_overlap": OVERLAP}
"""The columns that tables did not always have, and that are all null then."""

Part = TypeVar("Part")
Place = tuple[str, str, int]
"""A label: data row id, origin, label index."""
Run: TypeAlias = tuple[Any, int, int]
"""What rows that stand together have in common, the first of them, and the first that is none of them."""
Questions: TypeAlias = "Mapping[Place, Mapping[Owner, tuple[Classification, ...]]]"


class _Table:
    """A table's columns as arrays and as plain values."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def array(self, name: str) -> pa.Array:
        if name in _LATER_COLUMNS and name not in self.table.column_names:
            return pa.nulls(len(self.table), _LATER_COLUMNS[name])
        column = self.table.column(name)
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()

    def values(self, *names: str) -> list[list[Any]]:
        return [plain(self.array(name)) for name in names]

    def later(self, name: str, absent: Any) -> list[Any]:
        """Return a column that tables did not always have: in one that was written before, each value is ``absent``."""
        return self.table[name].to_pylist() if name in self.table.column_names else [absent] * len(self.table)

    def runs(self, *names: str) -> list[Run]:
        """Return the values of some columns, with where the rows begin and end that share them and stand together."""
        keys = [self.array(name) for name in names]
        begins = np.ones(len(self.table), bool)
        begins[1:] = np.logical_or.reduce([pc.not_equal(key[1:], key[:-1]) for key in keys])
        starts = np.flatnonzero(begins)
        values = zip(*(key.take(pa.array(starts)).to_pylist() for key in keys), strict=True)
        borders = pairwise([*starts.tolist(), len(self.table)])
        return [(value, start, end) for value, (start, end) in zip(values, borders, strict=True)]

    def labels(self) -> list[Run]:
        """Return the labels that the rows are of, by ``Place``."""
        return self.runs("data_row_id", "origin", "label_index")


def from_tables(tables: Mapping[str, pa.Table]) -> Iterator[Sample]:
    """Yield the samples of ``to_tables`` again, ordered by data row id.

    Tables that are missing have no rows, and those of other names are left alone.
    """
    read = {name: _Table(table) for name, table in {**_WITHOUT_ROWS, **tables}.items()}
    questions = _questions(read["classifications"])
    ties = _relationships(read["relationships"], questions)
    objects = _annotations(read["annotations"], questions) | _annotations(read["predictions"], questions)
    unanswered = _unanswered(read["unanswered"])
    labels = _labels(read["labels"], objects, ties, questions, unanswered)
    rows = _data_rows(read)
    table = read["data_rows"]
    entries = _entries(table, labels, _of_rows(read["workflow_history"], WorkflowMove))
    excluded, dropped = (map(dict, table.later(name, ())) for name in ("labels_excluded", "annotations_dropped"))
    unreadable = _of_rows(read["unreadable"], Unreadable)
    row_ids, fingerprints, splits = table.values("data_row_id", "fingerprint", "split")
    empty = [unreadable.get((row_id,), ()) for row_id in row_ids]
    records = map(Record, rows, entries, fingerprints, excluded, dropped, empty, table.later("text_replaced", 0))
    yield from map(Sample, records, _images(table), splits, table.later("mask_rule", None))


def standing_of(tables: Mapping[str, pa.Table]) -> dict[str, Standing]:
    """Return each row's ``Standing`` by data row id; of the tables the columns of ``STANDING`` are enough."""
    masks: defaultdict[str, list[tuple[MaskKey, Mask]]] = defaultdict(list)
    for name in OF_MASKS.keys() & tables.keys():
        objects = _Table(tables[name].filter(tables[name]["mask"].is_valid()))
        of_masks = zip(masks_of(objects.array), *objects.values(*_OBJECT), strict=True)
        for mask, row_id, origin, label_id, feature_id in of_masks:
            masks[row_id].append(((origin, label_id, feature_id), mask))
    table, images = _Table(tables["data_rows"]), _Table(tables["images"])
    (ids,) = images.values("data_row_id")
    validators = map(Validators, *(images.later(name, None) for name in Validators.__struct_fields__))
    told = dict(zip(ids, zip(validators, images.later("unconfirmed", absent=False), strict=True), strict=True))
    updated = pc.struct_field(table.array("details"), "updated_at").to_pylist()
    rules = table.later("mask_rule", None)
    rows = zip(*table.values(*_OF_ROW), _images(table), updated, rules, strict=True)
    standing: dict[str, Standing] = {}
    for row_id, fingerprint, row_data, split, stored, updated_at, rule in rows:
        of_source, unconfirmed = told[row_id]
        image = replace(stored, validators=of_source, unconfirmed=unconfirmed)
        of_row = told_apart(masks.get(row_id, ()))
        standing[row_id] = Standing(fingerprint, row_data, split, image, of_row, updated_at, rule)
    return standing


def _images(table: _Table) -> Iterator[Image]:
    """Yield each row's image; tables that were written before there were any tell neither orientation nor turning."""
    told = [name for name in Image.__struct_fields__ if name in table.table.column_names]
    return map(Image, *table.values(*told))


def _grouped(runs: Iterable[Run], parts: Iterable[Part]) -> dict[Any, tuple[Part, ...]]:
    each = tuple(parts)
    return {shared: each[start:end] for shared, start, end in runs}


def _of_rows(table: _Table, cls: type[Part]) -> dict[tuple[str], tuple[Part, ...]]:
    """Return values whose type's fields are the table's columns after their place, by data row id."""
    return _grouped(table.runs("data_row_id"), map(cls, *table.values(*table.table.column_names[2:])))


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
            metadata.get((row_id,), ()),
            attachments.get((row_id,), ()),
            embeddings.get((row_id,), ()),
        )


def _metadata(table: _Table) -> dict[tuple[str], tuple[MetadataField, ...]]:
    schema_ids, names, kinds, are_json = table.values("schema_id", "schema_name", "schema_kind", "is_json")
    values = zip(*table.values("value_text", "value_integer", "value_float", "value_boolean"), strict=True)
    told = [next((value for value in row if value is not None), None) for row in values]
    return _grouped(table.runs("data_row_id"), map(MetadataField, schema_ids, names, kinds, told, are_json))


def _entries(
    table: _Table,
    labels: Mapping[tuple[str, str], tuple[Label, ...]],
    moves: Mapping[tuple[str], tuple[WorkflowMove, ...]],
) -> Iterator[Entry]:
    details = structs(table.array("project_details"), ProjectDetails)
    names = table.values("data_row_id", "source_kind", "source_id", "source_name")
    of_run = table.values("model_id", "model_name", "run_data_row_id", "run_split")
    columns = zip(*names, details, *of_run, strict=True)
    for row_id, kind, source_id, name, detail, model_id, model_name, run_row_id, split in columns:
        found = labels.get((row_id, "label"), ())
        if kind == "project":
            history = moves.get((row_id,), ())
            told = replace(detail, workflow_history=history) if detail and history else detail
            yield ProjectEntry(source_id, name, told, found)
        else:
            predictions = labels.get((row_id, "prediction"), ())
            yield ModelRunEntry(source_id, name, model_id, model_name, run_row_id, split, found, predictions)


def _labels(
    table: _Table,
    objects: Mapping[Place, tuple[Annotation, ...]],
    ties: Mapping[Place, tuple[Relationship, ...]],
    questions: Questions,
    unanswered: Mapping[Place, tuple[Unanswered, ...]],
) -> dict[tuple[str, str], tuple[Label, ...]]:
    places = [place for place, _, _ in table.labels()]
    columns = table.values("label_id", "label_kind", "version", "is_benchmark")
    benchmarks = table.later("benchmark_reference_label", None), table.later("benchmark_score", None)
    details = structs(table.array("label_details"), LabelDetails, reviews=Review)
    performance = structs(table.array("performance_details"), PerformanceDetails)
    labels = [
        Label(
            label_id,
            kind,
            version,
            detail,
            measured,
            objects.get(place, ()),
            questions.get(place, {}).get(IMAGE, ()),
            ties.get(place, ()),
            is_benchmark,
            reference,
            score,
            unanswered.get(place, ()),
        )
        for place, label_id, kind, version, is_benchmark, detail, measured, reference, score in zip(
            places, *columns, details, performance, *benchmarks, strict=True
        )
    ]
    return _grouped(table.runs("data_row_id", "origin"), labels)


def _annotations(table: _Table, questions: Questions) -> dict[Place, tuple[Annotation, ...]]:
    labels = table.labels()
    features = table.values("feature_id", "feature_schema_id", "name", "value")
    asked = _about(table, labels, "object", questions)
    rest = table.values("z_order", "confidence")
    return _grouped(labels, map(Annotation, *features, geometries_of(table.array), asked, *rest))


def _unanswered(table: _Table) -> dict[Place, tuple[Unanswered, ...]]:
    return _grouped(table.labels(), map(Unanswered, *table.values(*Unanswered.__struct_fields__)))


def _relationships(table: _Table, questions: Questions) -> dict[Place, tuple[Relationship, ...]]:
    labels = table.labels()
    fields = table.values("feature_id", "feature_schema_id", "name", "value", "source", "target")
    return _grouped(labels, map(Relationship, *fields, _about(table, labels, "relationship", questions)))


def _about(table: _Table, labels: Iterable[Run], kind: str, questions: Questions) -> list[tuple[Classification, ...]]:
    """Return the questions about each object, or relationship, of a table: they name its place in its label."""
    about: list[tuple[Classification, ...]] = [()] * len(table.table)
    for place, start, _ in labels:
        for (owner, index, _), found in questions.get(place, {}).items():
            if owner == kind and index is not None:
                about[start + index] = found
    return about


def _questions(table: _Table) -> Questions:
    owners = list(zip(*table.values("owner", "owner_index", "option_index"), strict=True))
    features = table.values("feature_id", "feature_schema_id", "name", "value")
    answers = map(_answer, *table.values("kind"), lists(table.array("options"), Option), *table.values("text"))
    questions = list(map(Classification, *features, answers))
    return {place: nested(owners[start:end], questions[start:end]) for place, start, end in table.labels()}


def _answer(kind: str, options: tuple[Option, ...] | None, text: str | None) -> Answer:
    if kind == "radio":
        (option,) = options or ()
        return RadioAnswer(option)
    return ChecklistAnswer(options or ()) if kind == "checklist" else TextAnswer(text or "")
