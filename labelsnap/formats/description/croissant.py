"""Croissant: ``croissant.json`` describes a format's tree to machines.

Format: MLCommons Croissant 1.1, https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html. Files are named
with their sha256; images and other files by the thousand are file sets. Splits, classes and the plain columns of tables
are record sets; columns of lists and structs are left to the Parquet schema.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from msgspec.json import Encoder
from msgspec.json import format as indented

from labelsnap.formats.shared.tabular import Tabular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from labelsnap.formats.description.facts import Description, Listed
    from labelsnap.formats.interface import Format
    from labelsnap.formats.shared.tabular import TableFiles

Node = dict[str, Any]

CONFORMS_TO: Final = "http://mlcommons.org/croissant/1.1"
CONTEXT: Final[Node] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_ENCODINGS: Final = {
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".ndjson": "application/x-ndjson",
    ".md": "text/markdown",
    ".parquet": "application/x-parquet",
    ".png": "image/png",
    ".tar": "application/x-tar",
    ".txt": "text/plain",
    ".xml": "text/xml",
    ".yaml": "application/yaml",
}
_ANY_IMAGE: Final = "image/*"


def croissant(description: Description, each: Format, files: Iterable[Listed]) -> bytes:
    """Describe the tree of one format, or of an output in it; its images are where the format puts them."""
    tables = each.tables(description.registry, model_run=description.model_run) if isinstance(each, Tabular) else {}
    listed = sorted(files)
    document = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": description.name,
        "description": description.text or f"{description.name}, from {description.source}, as {each.name}.",
        "license": description.license,
        "url": f"urn:labelsnap:{description.name}",
        "creator": {"@type": "sc:Organization", "name": description.source},
        "citeAs": f"{description.name}, from {description.source}, made by labelsnap.",
        **_dated(description.census.latest),
        "isLiveDataset": True,
        "distribution": [
            *(_file_object(file) for file in listed if not file.small),
            *(_file_set(folder, _encoding(folder)) for folder in _folders(listed)),
            *(_file_set(place, _ANY_IMAGE) for place in _image_places(description, each)),
            *(_file_set(table.includes, _encoding(table.includes)) for table in tables.values()),
            *([_file_set("*.ndjson", _encoding("*.ndjson"))] if each.name == "raw" else []),
        ],
        "recordSet": [
            *_splits(description, each),
            *_classes(description),
            *(_columns(name, table) for name, table in tables.items()),
        ],
    }
    return indented(Encoder().encode(document), indent=1) + b"\n"


def _dated(latest: str) -> Node:
    """Give the day of the last change, and the same as a version: what ``snapshot.json`` counts is not known yet."""
    if not latest:
        return {}
    year, month, day = latest[:10].split("-")
    return {"datePublished": latest[:10], "version": f"{year}.{int(month)}.{int(day)}"}


def _file_object(file: Listed) -> Node:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "encodingFormat": _encoding(file.path),
        "sha256": file.sha256,
    }


def _file_set(includes: str, encoding: str) -> Node:
    return {
        "@type": "cr:FileSet",
        "@id": f"files:{includes}",
        "name": f"files:{includes}",
        "encodingFormat": encoding,
        "includes": includes,
    }


def _encoding(path: str) -> str:
    return _ENCODINGS.get(PurePosixPath(path).suffix, "application/octet-stream")


def _folders(files: Iterable[Listed]) -> list[str]:
    """Give ``labels/train/*.txt`` and so on for the small files."""
    paths = (PurePosixPath(file.path) for file in files if file.small)
    return sorted({(path.parent / f"*{path.suffix}").as_posix() for path in paths})


def _image_places(description: Description, each: Format) -> list[str]:
    places = (each.image_path(split, "*") for split in description.images(each))
    return sorted({place for place in places if place is not None})


def _record_set(name: str, fields: Sequence[Node], **more: Any) -> Node:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, **more, "field": list(fields)}


def _field(record_set: str, name: str, data_type: str, **more: Any) -> Node:
    return {"@type": "cr:Field", "@id": f"{record_set}/{name}", "name": name, "dataType": data_type, **more}


def _splits(description: Description, each: Format) -> Iterator[Node]:
    """Give the splits that have images; nothing where none has any, because a record set is refused without data."""
    fields = [_field("splits", "name", "sc:Text"), _field("splits", "images", "sc:Integer")]
    data = [{"splits/name": split, "splits/images": count} for split, count in description.images(each).items()]
    if data:
        yield _record_set("splits", fields, dataType="cr:Split", key={"@id": "splits/name"}, data=data)


def _classes(description: Description) -> Iterator[Node]:
    """Give the classes in use; nothing where there is none."""
    fields = [
        _field("class", "id", "sc:Integer"),
        _field("class", "name", "sc:Text"),
        _field("class", "objects", "sc:Integer"),
    ]
    data = [
        {"class/id": each.category.id, "class/name": each.name, "class/objects": sum(each.objects.values())}
        for each in description.classes
    ]
    if data:
        yield _record_set("class", fields, key={"@id": "class/id"}, data=data)


def _columns(name: str, table: TableFiles) -> Node:
    source = {"fileSet": {"@id": f"files:{table.includes}"}}
    return _record_set(
        name,
        [
            _field(name, column.name, data_type, source={**source, "extract": {"column": column.name}})
            for column, data_type in _plain_columns(table.schema)
        ],
    )


def _plain_columns(schema: pa.Schema) -> Iterator[tuple[pa.Field, str]]:
    for column in schema:
        for is_of, data_type in (
            (pa.types.is_string, "sc:Text"),
            (pa.types.is_integer, "sc:Integer"),
            (pa.types.is_floating, "sc:Float"),
            (pa.types.is_boolean, "sc:Boolean"),
        ):
            if is_of(column.type):
                yield column, data_type
