"""Versioned training datasets from Labelbox exports, as a library: what a training repository imports.

In: a reference such as ``s3://BUCKET/PREFIX/DATASET@12``. Out: snapshots, their files, and trees of a format. It knows
neither Prefect nor the environment, and imports nothing of the project around it. README.md says what stands where.

``labelsnap.masks`` and ``labelsnap.records`` may be used alone: PNG bytes to runs, an export line to a row.
Doors: apart, credentials, decoders, environment, errors, memory, redaction, references, shown.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelsnap.errors import LabelsnapError
    from labelsnap.references import compare, open_snapshot, pull
    from labelsnap.snapshots import Manifest, Ref, Snapshot, list_versions, parse_ref, read_file
    from labelsnap.storage import ObjectStore, open_store

__all__ = [
    "LabelsnapError",
    "Manifest",
    "ObjectStore",
    "Ref",
    "Snapshot",
    "compare",
    "list_versions",
    "open_snapshot",
    "open_store",
    "parse_ref",
    "pull",
    "read_file",
]

_HOMES = {
    "labelsnap.errors": {"LabelsnapError"},
    "labelsnap.references": {"compare", "open_snapshot", "pull"},
    "labelsnap.snapshots": {"Manifest", "Ref", "Snapshot", "list_versions", "parse_ref", "read_file"},
    "labelsnap.storage": {"ObjectStore", "open_store"},
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """What is named above, loaded when it is asked for: pyarrow and boto3 take a good part of a second."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
