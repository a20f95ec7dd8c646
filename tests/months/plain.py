"""A dataset read by plain means: JSON, Parquet and bytes of files in a folder, as FORMAT.md says they lie there."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import dataclass, field
from itertools import chain

from pyarrow import parquet

from tests.months.project import Seen

RECORD = re.compile(r"([0-9]{20})\.json")
NEEDED = ("tables/classes/", "tables/data_rows/", "tables/left/")
"""What is needed of a manifest behind the newest version."""
MOST_PACKS, MOST_OBJECTS = 16, 16
"""Packs of small files of a version, and objects of a document."""
WASTE, SPARE = 1.5, 1.1
"""How many bytes packs may have to those in use."""


@dataclass
class Version:
    """What a version holds: rows by id, their splits, and the ids of classes by feature schema."""

    rows: dict
    splits: dict
    classes: dict


@dataclass
class Folder:
    """A dataset's folder. What has been read of an immutable object is not read again while its file is as it was."""

    root: object
    hashed: dict = field(default_factory=dict)
    read: dict = field(default_factory=dict)

    def records(self):
        """The commit records by version."""
        paths = ((RECORD.fullmatch(path.name), path) for path in (self.root / "commits").iterdir())
        return {int(found[1]): json.loads(path.read_bytes()) for found, path in paths if found}

    def kept(self):
        """The manifests of the versions that are kept, by their numbers, as the newest record says."""
        records = self.records()
        assert sorted(records) == list(range(1, len(records) + 1)), "versions have gaps"
        gone = {each for first, last in records[len(records)]["expired"] for each in range(first, last + 1)}
        return {number: record["manifest"] for number, record in records.items() if number not in gone}

    def newest(self):
        """The manifest of the newest version."""
        records = self.records()
        return self.manifest(records[max(records)]["manifest"])

    def check_nothing_unreachable(self):
        """Nothing lies there that no kept version has, and that is not needed of those behind the newest."""
        records = self.records()
        wanted = [(manifest, ("",)) for manifest in self.kept().values()]
        wanted += [(manifest, NEEDED) for manifest in records[max(records)]["behind"]]
        keys = set()
        for sha256, paths in wanted:
            keys.add(f"manifests/{sha256}.json")
            manifest = self.manifest(sha256) if (self.root / f"manifests/{sha256}.json").is_file() else {"files": []}
            keys |= {file["key"] for file in manifest["files"] if file["path"].startswith(paths)}
            keys |= {pack["key"] for pack in manifest.get("packs", ()) if paths == ("",)}
        assert self.objects().keys() - keys == set(), "what no version has is there"

    def objects(self):
        """Size and time of every object that garbage collection may delete, by key."""
        paths = (path for kind in ("data", "manifests") for path in (self.root / kind).rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.stat().st_size for path in paths}

    def manifest(self, sha256):
        """A manifest, checked."""
        body = self.checked(f"manifests/{sha256}.json", sha256)
        return json.loads(body)

    def checked(self, key, sha256, size=None):
        """The bytes of an object, which are what was published."""
        path = self.root / key
        assert path.is_file(), f"{key} of a kept version is gone"
        status = path.stat()
        mark = status.st_size, status.st_mtime_ns
        if self.hashed.get(key, (None,))[0] != mark:
            body = path.read_bytes()
            self.hashed[key] = mark, hashlib.sha256(body).hexdigest(), body
        _, found, body = self.hashed[key]
        assert found == sha256, f"{key} is damaged"
        assert size in {None, len(body)}
        return body

    def content(self, file):
        """The bytes of a file of a manifest, which are what was published."""
        parts = file.get("parts") or [[file["key"], file.get("offset") or 0, file["size"]]]
        body = b"".join((self.root / key).read_bytes()[offset : offset + size] for key, offset, size in parts)
        assert hashlib.sha256(body).hexdigest() == file["sha256"], f"{file['path']} is damaged"
        return body

    def version(self, sha256):
        """What a version with this manifest holds, if it is whole: every object there, every hash right."""
        manifest = self.manifest(sha256)
        for pack in manifest["packs"]:
            self.checked(pack["key"], pack["sha256"], pack["size"])
        for file in manifest["files"]:
            if file.get("key") and file.get("offset") is None:
                self.checked(file["key"], file["sha256"], file["size"])
        if sha256 not in self.read:
            self.read[sha256] = self._read(manifest)
        return self.read[sha256]

    def _read(self, manifest):
        tables = {
            name: list(chain.from_iterable(self._table(file) for file in manifest["files"] if is_of(file, name)))
            for name in ("data_rows", "annotations", "images", "classes")
        }
        boxes = {row["data_row_id"]: set() for row in tables["data_rows"]}
        for each in tables["annotations"]:
            boxes[each["data_row_id"]].add((each["feature_schema_id"], each["bounding_box"]["left"]))
        images = {row["data_row_id"]: row for row in tables["images"]}
        rows, splits = {}, {}
        for row in tables["data_rows"]:
            image = images[row["data_row_id"]]
            body = (self.root / image["pack"]).read_bytes()[image["offset"] : image["offset"] + image["size"]]
            assert hashlib.sha256(body).hexdigest() == row["sha256"] == image["sha256"]
            assert image["split"] == row["split"]
            assert row["data_row_id"] not in rows, "a row stands twice"
            rows[row["data_row_id"]] = Seen(frozenset(boxes[row["data_row_id"]]), row["sha256"])
            splits[row["data_row_id"]] = row["split"]
        classes = {each["feature_schema_id"]: each["id"] for each in tables["classes"]}
        assert len(set(classes.values())) == len(classes) == len(tables["classes"]), "two classes have one id"
        version = Version(rows, splits, classes)
        files = {file["path"].rpartition("/")[2]: file for file in manifest["files"] if is_coco(file)}
        check_coco({name: json.loads(self.content(file)) for name, file in files.items()}, version)
        return version

    def _table(self, file):
        return parquet.read_table(io.BytesIO(self.content(file))).to_pylist()


def is_of(file, table):
    """Whether a file belongs to a table."""
    return file["path"].startswith(f"tables/{table}/")


def is_coco(file):
    """Whether a file is COCO's of instances."""
    return file["path"].startswith("formats/coco/annotations/instances_")


def check_coco(documents, version):
    """COCO's documents by name say of rows, splits and boxes what the tables say."""
    rows, splits = {}, {}
    schemas = {number: schema for schema, number in version.classes.items()}
    for name, document in documents.items():
        assert {each["id"] for each in document["categories"]} <= schemas.keys()
        ids = {image["id"]: image["data_row_id"] for image in document["images"]}
        for row_id in ids.values():
            splits[row_id], rows[row_id] = name.removeprefix("instances_").removesuffix(".json"), set()
        for each in document["annotations"]:
            rows[ids[each["image_id"]]].add((schemas[each["category_id"]], each["bbox"][0]))
    assert splits == version.splits
    assert rows == {row_id: set(seen.boxes) for row_id, seen in version.rows.items()}


def check_pulled(directory, version):
    """A pulled COCO tree is the version's, and nothing else lies beside it."""
    documents = directory.glob("annotations/instances_*.json")
    check_coco({path.name: json.loads(path.read_bytes()) for path in documents}, version)
    found = [path for path in (directory / "images").rglob("*") if path.is_file()]
    hashes = sorted((path.parent.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in found)
    assert hashes == sorted((version.splits[row_id], seen.image) for row_id, seen in version.rows.items())


def check_not_scattered(manifest):
    """A version's small files lie in few packs, of which little is waste, and its documents in few objects."""
    sizes = {pack["key"]: pack["size"] for pack in manifest["packs"] if pack["key"].startswith("data/packs/")}
    live = {(file["key"], file["offset"]): file["size"] for file in manifest["files"] if file["key"] in sizes}
    assert len(sizes) <= MOST_PACKS
    assert sum(sizes.values()) <= SPARE * WASTE * sum(live.values())
    assert max(len({key for key, *_ in file.get("parts", ())}) for file in manifest["files"]) <= MOST_OBJECTS
