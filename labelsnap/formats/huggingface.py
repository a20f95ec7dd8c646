"""Hugging Face datasets: Parquet with images, or folders of images with ``metadata.parquet``.

Format: the features of ``datasets`` in the schema's metadata (https://huggingface.co/docs/datasets/about_dataset_features)
and its ImageFolder (https://huggingface.co/docs/datasets/image_dataset). Objects are a struct of lists, as in object
detection datasets: ``objects["bbox"][i]`` is the box [left, top, width, height] in pixels of the object whose class is
``objects["category"][i]``. What is answered is JSON, because every question would be a column of its own.

ImageFolder reads ``metadata.jsonl`` too, but guesses types from the first rows of each split: where a split has no
polygon, or a box has whole numbers, it refuses the dataset. Parquet has the types, and the classes' names.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import pyarrow as pa
from msgspec import Struct

from labelsnap.formats.interface import EVERYTHING, Artifact, Dataset, Holdings, Shard, no_files, predicted_labels
from labelsnap.formats.shared.attributes import attributes, distinct_name
from labelsnap.formats.shared.documents import encode
from labelsnap.formats.shared.endings import PICTURES
from labelsnap.formats.shared.extras import image_answers, row_keys
from labelsnap.formats.shared.groups.row_groups import RowGroups
from labelsnap.formats.shared.objects import objects_of
from labelsnap.formats.shared.sizes import parse_size
from labelsnap.formats.shared.tabular import TableFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from labelsnap.formats.shared.groups.row_groups import Row
    from labelsnap.formats.shared.objects import Found
    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.records.model import Label, Sample

Features = dict[str, Any]

_OBJECT_KEYS: Final = (
    "label_id",
    "feature_id",
    "feature_schema_id",
    "category",
    "kind",
    "bbox",
    "area",
    "rle",
    "vertices",
    "attributes",
    "classifications",
)


class HuggingFace(Struct, frozen=True, forbid_unknown_fields=True):
    """``layout``: images inside Parquet shards of about ``shard_size``, or image files beside ``metadata.parquet``."""

    name: ClassVar[str] = "huggingface"
    holds: ClassVar[Holdings] = EVERYTHING
    takes_references: ClassVar[bool] = True
    holds_of_predictions: ClassVar[Holdings] = EVERYTHING
    spelled = staticmethod(distinct_name)
    layout: Literal["parquet", "imagefolder"] = "parquet"
    shard_size: str = "256MB"

    def __post_init__(self) -> None:
        parse_size(self.shard_size)

    @property
    def readable(self) -> frozenset[str] | None:
        """What ImageFolder finds; a table has its images' bytes, which are read as what they are."""
        return PICTURES if self.layout == "imagefolder" else None

    def image_path(self, split: str, file_name: str) -> str | None:
        """Put images beside ``metadata.parquet``; shards hold them themselves."""
        return f"{split}/{file_name}" if self.layout == "imagefolder" else None

    def files(self, dataset: Dataset, split: str) -> Iterator[Artifact]:
        """Give ``data/SPLIT-00000-of-00004.parquet`` and so on, or ``SPLIT/metadata.parquet``.

        A split without rows has none: ``load_dataset`` refuses a whole tree for one.
        """
        if split not in dataset.filled:
            return
        of_rows = features(dataset.registry, model_run=dataset.model_run)
        if self.layout == "imagefolder":
            whole = Shard(0, 1, lambda: (row.sample for row in dataset.rows(split)))
            yield _table(f"{split}/metadata.parquet", whole, RowGroups(arrow_schema(of_rows)), dataset)
            return
        groups = RowGroups(arrow_schema({"image": {"_type": "Image"}, **of_rows}))
        for shard in dataset.shards(split, parse_size(self.shard_size)):
            yield _table(f"data/{split}-{shard.index:05}-of-{shard.count:05}.parquet", shard, groups, dataset)

    def files_of_row(self, dataset: Dataset) -> Callable[[Sample], Iterator[Artifact]]:  # noqa: ARG002 - it has none
        """Give nothing: rows stand in tables."""
        return no_files

    def tables(self, registry: ClassRegistry, *, model_run: bool) -> Mapping[str, TableFiles]:
        """Give the one table of rows."""
        schema = arrow_schema(features(registry, model_run=model_run))
        return {"rows": TableFiles("data/*.parquet" if self.layout == "parquet" else "*/metadata.parquet", schema)}


def features(registry: ClassRegistry, *, model_run: bool) -> Features:
    """Give the features of a row but the image, as ``datasets`` writes them in a schema's metadata.

    A class is numbered by its id less one: ids count from 1 without gaps, and removed classes keep theirs.
    ``Sequence`` is read by every version of ``datasets``.
    """
    names = registry.unique_names()
    objects = {name: _sequence(_value("string")) for name in _OBJECT_KEYS} | {
        "category": _sequence({"names": [names[each.id] for each in registry.classes], "_type": "ClassLabel"}),
        "bbox": _sequence(_sequence(_value("float64"), length=4)),
        "area": _sequence(_value("float64")),
        "vertices": _sequence(_sequence(_sequence(_value("float64"), length=2))),
    }
    predictions = {
        "predictions": objects | {"score": _sequence(_value("float64"))},
        "prediction_classifications": _value("string"),
        "prediction_relationships": _value("string"),
    }
    return {
        "file_name": _value("string"),
        "width": _value("int32"),
        "height": _value("int32"),
        "data_row_id": _value("string"),
        "global_key": _value("string"),
        "external_id": _value("string"),
        "objects": objects,
        "classifications": _value("string"),
        "relationships": _value("string"),
        **(predictions if model_run else {}),
    }


def _value(dtype: str) -> Features:
    return {"dtype": dtype, "_type": "Value"}


def _sequence(of: Features, *, length: int = -1) -> Features:
    return {"feature": of, "length": length, "_type": "Sequence"}


def arrow_schema(of_rows: Features) -> pa.Schema:
    """Give the schema of rows with these features, which stand in its metadata."""
    metadata = {"huggingface": encode({"info": {"features": of_rows}})}
    return pa.schema([pa.field(name, _arrow_type(of)) for name, of in of_rows.items()], metadata=metadata)


def _arrow_type(of: Features) -> pa.DataType:
    match of.get("_type"):
        case "Image":
            return pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
        case "ClassLabel":
            return pa.int64()
        case "Value":
            return pa.type_for_alias(of["dtype"])
        case "Sequence":
            return pa.list_(_arrow_type(of["feature"]), of["length"])
        case _:
            return pa.struct([pa.field(name, _arrow_type(part)) for name, part in of.items()])


def _table(path: str, shard: Shard, groups: RowGroups, dataset: Dataset) -> Artifact:
    """Give a table of a shard's rows.

    An image that was not copied is a path, which ``datasets`` opens.
    """

    def row(sample: Sample) -> Row:
        if "image" not in groups.schema.names:
            return _row(sample, dataset)
        body = dataset.read_image(sample)
        name = sample.record.data_row.row_data if body is None else sample.image.file_name
        return {"image": {"bytes": body, "path": name}, **_row(sample, dataset)}

    return Artifact(path, groups.written(shard, row), shard=shard, renewed=partial(groups.renewed, row))


def _row(sample: Sample, dataset: Dataset) -> Row:
    """Give a row without its image."""
    image, labels = sample.image, sample.record.entry.labels
    row = {
        "file_name": image.file_name,
        "width": image.width,
        "height": image.height,
        **row_keys(sample.record.data_row),
        "objects": _objects(labels, dataset.registry),
        **_answers(labels),
    }
    if dataset.model_run:
        predicted = predicted_labels(sample)
        scores = [annotation.confidence for label in predicted for annotation in label.annotations]
        row |= {
            "predictions": _objects(predicted, dataset.registry) | {"score": scores},
            **{f"prediction_{name}": value for name, value in _answers(predicted).items()},
        }
    return row


def _answers(labels: Iterable[Label]) -> Row:
    return {name: encode(value).decode() for name, value in image_answers(labels).items()}


def _objects(labels: Iterable[Label], registry: ClassRegistry) -> Row:
    """Give a list for every key of ``_OBJECT_KEYS``, one item an object."""
    rows = [_object(found) for found in objects_of(labels, registry)]
    return {name: [row[name] for row in rows] for name in _OBJECT_KEYS}


def _object(found: Found) -> Row:
    annotation, place = found.annotation, found.place
    return {
        "label_id": found.label.id,
        "feature_id": annotation.feature_id,
        "feature_schema_id": annotation.feature_schema_id,
        "category": found.category.id - 1,
        "kind": found.kind,
        "bbox": place.box,
        "area": place.area,
        "rle": place.runs.counts.decode("ascii") if place.runs else None,
        "vertices": place.vertices,
        "attributes": encode(attributes(annotation.classifications)).decode(),
        "classifications": encode(annotation.classifications).decode(),
    }
