"""The sample project's ontology: its classes and questions, and their schema ids."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from deploy.sandbox.project.identifiers import cuid

if TYPE_CHECKING:
    from collections.abc import Callable

# Tool (Labelbox's word) → class names: blanks, brackets, a slash and letters beyond ASCII are there on purpose.
OBJECTS: dict[str, tuple[str, ...]] = {
    "raster-segmentation": ("car", "person", "tree"),
    "rectangle": ("vehicle", "traffic light"),
    "polygon": ("building / façade", "road"),
    "line": ("lane marking",),
    "point": ("headlight", "head (pedestrian)", "driver"),
    "edge": ("in front of", "drives"),
}
QUESTIONS: dict[str, tuple[str, ...]] = {
    "radio": ("time of day", "road type", "state"),
    "checklist": ("weather", "hazards", "attributes"),
    "text": ("remarks", "paint & plate"),
}


@lru_cache(maxsize=1024)
def slug(name: str) -> str:
    """Labelbox's ``value`` for a ``name``: lower case, ASCII, underscores."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", ascii_name).strip("_")


@lru_cache(maxsize=1024)
def schema_id(seed: int, kind: str, name: str) -> str:
    """The ``feature_schema_id`` of a class, question or answer; ``kind`` tells two of one name apart."""
    return cuid(seed, f"schema:{kind}:{name}")


def normalized(seed: int, rename: Callable[[str], str]) -> dict[str, Any]:
    """The ontology in Labelbox's normalized form; ``rename`` maps a name to the one it has now."""
    tools = [
        {
            "tool": tool,
            "name": rename(name),
            "color": "#3c7fd0",
            "required": False,
            "classifications": [],
            **_schema(seed, tool, name),
        }
        for tool, names in OBJECTS.items()
        for name in names
    ]
    classifications = [
        {
            "type": kind,
            "name": rename(name),
            "instructions": rename(name),
            "required": False,
            "options": [],
            **_schema(seed, kind, name),
        }
        for kind, names in QUESTIONS.items()
        for name in names
    ]
    return {"tools": tools, "classifications": classifications, "relationships": []}


def _schema(seed: int, kind: str, name: str) -> dict[str, str]:
    return {"featureSchemaId": schema_id(seed, kind, name), "schemaNodeId": cuid(seed, f"node:{kind}:{name}")}
