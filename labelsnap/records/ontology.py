"""A project's ontology: the tools, questions and options that it gives its labellers, in the order of its editor."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from labelsnap.records.counts import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OBJECTS: Final = KINDS[: KINDS.index("relationship")]
"""The kinds of features that make a class."""
QUESTIONS: Final = KINDS[KINDS.index("radio") :]
RADIO: Final = "radio"
OPTION: Final = "option"
"""The kind of what a question offers; every other kind of feature is one of ``KINDS``."""

_COLOUR: Final = re.compile("#[0-9a-f]{6}")
_Key: TypeAlias = tuple["_Key | None", str, int]
"""What a feature is known by in every version: what it hangs on, its schema's id, and which of equal ones it is."""


def is_colour(text: str) -> bool:
    """Say whether a text is a colour as it is kept: ``#rrggbb``."""
    return _COLOUR.fullmatch(text) is not None


class Feature(Struct, frozen=True):
    """A tool, a question or an option.

    ``path`` are the names from the tool or question of the image down to its own; ``parent`` is the place in the
    ontology of what it hangs on. ``value`` is an option's, ``instructions`` are a question's, and ``colour`` is
    ``#rrggbb``. An ``archived`` feature is offered no more, and has annotations.
    """

    kind: str
    path: tuple[str, ...]
    feature_schema_id: str
    parent: int | None = None
    value: str | None = None
    instructions: str | None = None
    colour: str | None = None
    required: bool = False
    archived: bool = False

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path[-1]


class Ontology(Struct, frozen=True):
    """Features, each behind what it hangs on: tools first, then questions about the image.

    ``unreadable`` is how many features and colours were left out because nothing could be made of them.
    """

    features: tuple[Feature, ...] = ()
    unreadable: int = 0

    @property
    def classes(self) -> tuple[Feature, ...]:
        """The features that make a class, whether it has objects or not."""
        return tuple(each for each in self.features if each.kind in OBJECTS and not each.archived)

    @property
    def questions(self) -> int:
        """How many questions there are, at any depth."""
        return sum(each.kind in QUESTIONS and not each.archived for each in self.features)

    @property
    def options(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        """The options that each radio question about the image offers, at any depth.

        A question is known by its name and those of the questions above it, the uppermost first.
        """
        asked: dict[int, tuple[str, ...]] = {}
        found: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for place, each in enumerate(self.features):
            above = () if each.parent is None else asked.get(each.parent)
            if above is None or each.archived:
                continue
            if each.kind == OPTION and each.parent is not None:
                asked[place] = above
                if self.features[each.parent].kind == RADIO:
                    found[above].append(each.name)
            elif each.kind in QUESTIONS:
                asked[place] = (*above, each.name)
        return {question: tuple(dict.fromkeys(options)) for question, options in found.items()}


def union(parts: Iterable[tuple[Ontology, Mapping[str, str | None]]]) -> Ontology:
    """Return ontologies as one, each with what its classes are called instead (None: such a class is left out).

    A tool or question that an earlier one has too, by its schema and under the same name, is not repeated, nor what
    hangs on it. One alone, whose classes keep their names, is itself.
    """
    features: list[Feature] = []
    unreadable = 0
    had: set[tuple[str, str, str]] = set()
    for ontology, renames in parts:
        places: dict[int, int] = {}
        names: dict[int, str] = {}
        roots: set[tuple[str, str, str]] = set()
        for number, each in enumerate(ontology.features):
            if each.parent is None:
                name = renames.get(each.name, each.name) if each.kind in OBJECTS else each.name
                key = (each.kind, each.feature_schema_id, name or "")
                roots.add(key)
                if name is None or key in had:
                    continue
            elif each.parent in places:
                name = names[each.parent]
            else:
                continue
            places[number], names[number] = len(features), name
            parent = None if each.parent is None else places[each.parent]
            features.append(replace(each, path=(name, *each.path[1:]), parent=parent))
        had |= roots
        unreadable += ontology.unreadable
    return Ontology(tuple(features), unreadable)


class Changed(Struct, frozen=True):
    """A feature that two ontologies have, as it was before and is after: a path, a colour, or a place among others."""

    kind: str
    path: tuple[str, ...]
    before: str | None
    after: str | None


class Named(Struct, frozen=True):
    """A feature that one of two ontologies has."""

    kind: str
    path: tuple[str, ...]


class OntologyChanges(Struct, frozen=True):
    """What became of an ontology, by feature, each list in the order of the ontology that has it.

    ``moved`` are as few as can be moved among those that hang on the same, ``changed`` those of which something else
    than name, colour and place is not as it was.
    """

    added: tuple[Named, ...] = ()
    removed: tuple[Named, ...] = ()
    renamed: tuple[Changed, ...] = ()
    recoloured: tuple[Changed, ...] = ()
    moved: tuple[Named, ...] = ()
    changed: tuple[Named, ...] = ()


def compare(before: Ontology, after: Ontology) -> OntologyChanges:
    """Tell what one ontology has that another has not; a feature is known by its schema and what it hangs on."""
    one, other = _by_key(before), _by_key(after)
    both = [(one[key], each) for key, each in other.items() if key in one]
    moved = _moved([key for key in one if key in other], [key for key in other if key in one])
    return OntologyChanges(
        added=_named(each for key, each in other.items() if key not in one),
        removed=_named(each for key, each in one.items() if key not in other),
        renamed=tuple(Changed(b.kind, b.path, a.name, b.name) for a, b in both if a.name != b.name),
        recoloured=tuple(Changed(b.kind, b.path, a.colour, b.colour) for a, b in both if a.colour != b.colour),
        moved=_named(each for key, each in other.items() if key in moved),
        changed=_named(b for a, b in both if _rest(a) != _rest(b)),
    )


def _named(features: Iterable[Feature]) -> tuple[Named, ...]:
    return tuple(Named(each.kind, each.path) for each in features)


def _rest(feature: Feature) -> tuple[object, ...]:
    return feature.kind, feature.value, feature.instructions, feature.required, feature.archived


def _by_key(ontology: Ontology) -> Mapping[_Key, Feature]:
    keys: list[_Key] = []
    seen: Counter[tuple[_Key | None, str]] = Counter()
    for each in ontology.features:
        place = (None if each.parent is None else keys[each.parent], each.feature_schema_id)
        keys.append((*place, seen[place]))
        seen[place] += 1
    return dict(zip(keys, ontology.features, strict=True))


def _moved(before: Sequence[_Key], after: Sequence[_Key]) -> set[_Key]:
    """Return the fewest keys without which the others stand in one order, of those that hang on the same each."""
    place = {key: number for number, key in enumerate(before)}
    siblings: defaultdict[_Key | None, list[_Key]] = defaultdict(list)
    for key in after:
        siblings[key[0]].append(key)
    return {key for keys in siblings.values() for key in _out_of_order(keys, place)}


def _out_of_order(keys: Sequence[_Key], place: Mapping[_Key, int]) -> set[_Key]:
    """Return the keys outside of the longest row of them whose places rise."""
    ends: list[int] = []
    last: list[_Key] = []
    before: dict[_Key, _Key | None] = {}
    for key in keys:
        length = bisect_left(ends, place[key])
        before[key] = last[length - 1] if length else None
        ends[length:] = [place[key], *ends[length + 1 :]]
        last[length:] = [key, *last[length + 1 :]]
    standing: set[_Key] = set()
    key_or_none = last[-1] if last else None
    while key_or_none is not None:
        standing.add(key_or_none)
        key_or_none = before[key_or_none]
    return {key for key in keys if key not in standing}
