"""The sample project's ontology: its classes and questions, and their schema ids."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from deploy.sandbox.project.identifiers import cuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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
COLOUR = "#3c7fd0"


@lru_cache(maxsize=1024)
def slug(name: str) -> str:
    """Labelbox's ``value`` for a ``name``: lower case, ASCII, underscores."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", ascii_name).strip("_")


@lru_cache(maxsize=1024)
def schema_id(seed: int, kind: str, name: str) -> str:
    """The ``feature_schema_id`` of a class, question or answer; ``kind`` tells two of one name apart."""
    return cuid(seed, f"schema:{kind}:{name}")


@dataclass(frozen=True, slots=True)
class OntologyEdits:
    """What has been changed on the ontology since the project was made, by the names that classes began with.

    ``added`` are (tool, name), behind those that the project has; ``colours`` are ``#rrggbb``; ``options`` are pairs of
    a question and what it offers.
    """

    added: tuple[tuple[str, str], ...] = ()
    removed: frozenset[str] = frozenset()
    colours: Mapping[str, str] = field(default_factory=dict)
    options: tuple[tuple[str, str], ...] = ()

    def add(self, tool: str, name: str) -> OntologyEdits:
        """With a class more."""
        return replace(self, added=(*self.added, (tool, name)), removed=self.removed - {name})

    def remove(self, name: str) -> OntologyEdits:
        """Without a class."""
        return replace(self, removed=self.removed | {name})

    def colour(self, name: str, colour: str) -> OntologyEdits:
        """With another colour for a class."""
        return replace(self, colours={**self.colours, name: colour})

    def offer(self, question: str, option: str) -> OntologyEdits:
        """With an option of a question."""
        return replace(self, options=(*self.options, (question, option)))

    @property
    def tools(self) -> Iterator[tuple[str, str]]:
        """The tools with their names, in order."""
        given = ((tool, name) for tool, names in OBJECTS.items() for name in names)
        for tool, name in dict.fromkeys((*given, *self.added)):
            if name not in self.removed:
                yield tool, name


def normalized(seed: int, rename: Callable[[str], str], edits: OntologyEdits) -> dict[str, Any]:
    """The ontology in Labelbox's normalized form; ``rename`` maps a name to the one it has now."""
    tools = [
        {
            "tool": tool,
            "name": rename(name),
            "color": edits.colours.get(name, COLOUR),
            "required": False,
            "classifications": [],
            **_schema(seed, tool, name),
        }
        for tool, name in edits.tools
    ]
    classifications = [
        {
            "type": kind,
            "name": rename(name),
            "instructions": rename(name),
            "required": False,
            "options": [
                {"label": option, "value": slug(option), "options": [], **_schema(seed, "option", option)}
                for question, option in edits.options
                if question == name
            ],
            **_schema(seed, kind, name),
        }
        for kind, names in QUESTIONS.items()
        for name in names
    ]
    return {"tools": tools, "classifications": classifications, "relationships": []}


def _schema(seed: int, kind: str, name: str) -> dict[str, str]:
    return {"featureSchemaId": schema_id(seed, kind, name), "schemaNodeId": cuid(seed, f"node:{kind}:{name}")}
