"""Datasets of several sources: three projects on the same data rows and a slice, and what their versions hold."""

from __future__ import annotations

import pytest

from labelsnap.records.lines.fingerprint import fingerprint
from labelsnap.references import pull
from labelsnap.snapshots.reading.read import read_snapshot
from labelsnap.storage import open_store

WINS = ["third", "second", "fifths", "first"]
FORMATS = {"coco": {}, "yolo": {"task": "segment"}}
ODD = ("not_json", "truncated", "array", "legacy", "wrong_geometry", "duplicate", "blank", "without_size", "half_emoji")
OF_RUN = {"snapshot.json", "croissant.json", "report.html"}
"""What may differ in a tree of the same content: it names the version, and where it lies."""


@pytest.fixture
def sources(sandbox):
    """Three projects on the same data rows and a slice, whose labels are those of the first project."""
    project = sandbox.workspace.project
    second, third = project.partners
    return [
        {"project": project.id, "name": "first"},
        {"project": second, "name": "second"},
        {"project": third, "name": "third", "classes": {"automobile": "car"}},
        {"slice": project.slice_id, "name": "fifths", "project_ids": [project.id]},
    ]


@pytest.fixture
def several(dataset, sources):
    """Reads a dataset file of these sources, with changes."""

    def read(**changes):
        chosen = {"source": None, "filters": {}, "sources": sources, "wins": WINS, "formats": FORMATS}
        return dataset(**(chosen | changes))

    return read


def files(result):
    """The hash of every file of a version by its path, but for lines, in which is the id of their export."""
    url, _, version = result["ref"].rpartition("@")
    manifest = read_snapshot(open_store(url), int(version)).manifest
    return {file.path: file.sha256 for file in manifest.files if not file.path.startswith("raw/result-")}


def trees(result, directory, *formats):
    """Every file that is pulled of a version, by format and path."""
    for name in formats:
        pull(result["ref"], name, directory / name)
    found = ((path.relative_to(directory), path) for path in directory.rglob("*") if path.is_file())
    return {relative: path.read_bytes() for relative, path in found if relative.name not in OF_RUN}


def lines(result, directory):
    """The lines of a version, in order, without what every export writes anew."""
    pull(result["ref"], "raw", directory)
    return list(map(fingerprint, (directory / "export.ndjson").read_bytes().splitlines()))
