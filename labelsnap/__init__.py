"""Versioned training datasets from Labelbox exports, as a library: what a training repository imports.

In: a reference such as ``s3://BUCKET/PREFIX/DATASET@12``. Out: snapshots, their files, and trees of a format. It knows
neither Prefect nor the environment, and imports nothing of the project around it. README.md says what stands where.

``labelsnap.masks`` and ``labelsnap.records`` may be used alone: PNG bytes to runs, an export line to a row.
Doors: credentials, decoders, environment, errors, memory, redaction, shown.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelsnap.errors import LabelsnapError
    from labelsnap.snapshots import Manifest, Ref, Snapshot, list_versions, parse_ref, pull, read_file, read_snapshot
    from labelsnap.storage import ObjectStore, open_store

__all__ = [
    "LabelsnapError",
    "Manifest",
    "ObjectStore",
    "Ref",
    "Snapshot",
    "list_versions",
    "open_store",
    "parse_ref",
    "pull",
    "read_file",
    "read_snapshot",
]

_HOMES = {"LabelsnapError": "labelsnap.errors", "ObjectStore": "labelsnap.storage", "open_store": "labelsnap.storage"}


def __getattr__(name: str) -> Any:
    """What is named above, loaded when it is asked for: pyarrow and boto3 take a good part of a second."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "labelsnap.snapshots")), name)
