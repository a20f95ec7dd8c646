"""The classes of a dataset and their ids, which never change from one snapshot to the next."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from itertools import chain, count
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import pyarrow as pa

    from labelsnap.records.model import Annotation
    from labelsnap.records.ontology import Ontology

Key: TypeAlias = tuple[str | None, str]
"""What makes a class: (feature schema id, ""), or (None, name) where there is no id or names are merged."""


class SeenClass(Struct, frozen=True):
    """A class as a record uses it: its feature schema's id, its name, and the kinds of its objects, sorted."""

    feature_schema_id: str | None
    name: str
    kinds: tuple[str, ...] = ()

    def __lt__(self, other: SeenClass) -> bool:
        return self._key < other._key

    @property
    def _key(self) -> tuple[str, str, tuple[str, ...]]:
        return self.name, self.feature_schema_id or "", self.kinds


class OfferedClass(SeenClass, frozen=True):
    """A class as an ontology offers it; ``colour`` is ``#rrggbb``, None where it has none or another tool's counts."""

    colour: str | None = None


class Class(Struct, frozen=True):
    """A class with its id (from 1). ``removed`` marks one that is not in use: its id stays taken.

    In use is what a record of the snapshot has, and what the ontology has whether a record has it or not. ``kinds`` are
    those of its objects and of its tool in the last snapshot in which it was, sorted. ``colour`` is ``#rrggbb``, the
    last that an ontology gave it: two classes may have one (see ``formats/shared/colours.py``).
    """

    id: int
    feature_schema_id: str | None
    name: str
    previous_names: tuple[str, ...] = ()
    removed: bool = False
    kinds: tuple[str, ...] = ()
    colour: str | None = None


class ClassRegistry(Struct, frozen=True, dict=True):
    """Every class that a dataset ever had, by id.

    ``merged`` are the names that the dataset's ``classes`` rename to: all objects of such a name are one class,
    whatever their feature schemas.
    """

    classes: tuple[Class, ...] = ()
    merged: tuple[str, ...] = ()

    @property
    def has_colours(self) -> bool:
        """Whether an ontology gave any class a colour."""
        return any(each.colour for each in self.classes)

    def class_of(self, annotation: Annotation | SeenClass) -> Class:
        """Return an object's class. Raises ``KeyError`` where the registry was not updated with its record."""
        return self.class_named(annotation.feature_schema_id, annotation.name)

    def class_named(self, feature_schema_id: str | None, name: str) -> Class:
        """Return the class that objects of this feature schema and name belong to. Raises ``KeyError``."""
        return self._by_key[_key(feature_schema_id, name, self._merged)]

    def unique_names(self, spelled: Callable[[str], str] = str, reserved: Collection[str] = ()) -> dict[int, str]:
        """Return a name of its own for every class id: the later of two equal names gets a suffix (``car_2``).

        Classes in use come first, so that a removed one does not take a name from them. ``spelled`` is how a format
        can write a name; two that it spells alike are equal. ``reserved`` are names that no class has.
        """
        names: dict[int, str] = {}
        taken = set(reserved)
        own = {each.id: spelled(each.name) for each in self.classes}
        for each in sorted(self.classes, key=lambda each: (each.removed, each.id)):
            name, others = own[each.id], taken | set(own.values())
            suffixed = (f"{name}_{number}" for number in count(2))
            free = name if name not in taken else next(other for other in suffixed if other not in others)
            names[each.id] = free
            taken.add(free)
        return dict(sorted(names.items()))

    @cached_property
    def _merged(self) -> frozenset[str]:
        return frozenset(self.merged)

    @cached_property
    def _by_key(self) -> dict[Key, Class]:
        """Each class under all keys that lead to it; where two claim a name, the one in use, then the older."""
        found: dict[Key, Class] = {}
        for each in sorted(self.classes, key=lambda each: (each.removed, each.id)):
            if each.feature_schema_id is not None:
                found.setdefault((each.feature_schema_id, ""), each)
            found.setdefault((None, each.name), each)
        return found


def _key(feature_schema_id: str | None, name: str, merged: frozenset[str]) -> Key:
    return (None, name) if feature_schema_id is None or name in merged else (feature_schema_id, "")


def seen_classes(tables: Mapping[str, pa.Table]) -> list[SeenClass]:
    """Return the classes of the objects in some canonical tables, predicted ones too, sorted."""
    kinds: defaultdict[tuple[str | None, str], set[str]] = defaultdict(set)
    for name in ("annotations", "predictions"):
        columns = (tables[name][column].to_pylist() for column in ("feature_schema_id", "name", "kind"))
        for schema, found, kind in set(zip(*columns, strict=True)):
            kinds[schema, found].add(kind)
    return sorted(SeenClass(schema, found, tuple(sorted(of_class))) for (schema, found), of_class in kinds.items())


def offered_classes(ontology: Ontology, renames: Mapping[str, str | None]) -> tuple[OfferedClass, ...]:
    """Return the classes of an ontology in its order, as the dataset's ``classes`` rename, merge and drop them.

    A class of several tools has the colour of the first that has its name at Labelbox, else of the first.
    """
    named = [(each, renames.get(each.name, each.name)) for each in ontology.classes]
    own = {each.name for each, name in named if each.name == name}
    found = (
        OfferedClass(
            each.feature_schema_id, name, (each.kind,), each.colour if each.name == name or name not in own else None
        )
        for each, name in named
        if name is not None
    )
    return tuple(dict.fromkeys(found))


def update(
    registry: ClassRegistry,
    seen: Iterable[SeenClass],
    renames: Mapping[str, str | None],
    offered: Sequence[OfferedClass] = (),
    *,
    by_name: bool = False,
) -> ClassRegistry:
    """Return the registry of the next snapshot, whatever the order of ``seen``: the classes of all its records.

    ``offered`` are those of the ontology in its order (see ``offered_classes``), which are in use too, and whose names
    and colours count. A class is known by its feature schema's id, or by its name where the export has no id: a rename
    keeps the id, what is neither seen nor offered is marked removed, what comes back is the same class again, what is
    new is appended: in the ontology's order, then in the order of names. Names that ``renames`` (the dataset's
    ``classes``) leads to are one class each; ``by_name`` every name is, as of several sources, each with an ontology of
    its own.
    """
    seen = tuple(seen)
    names_of_all = (each.name for each in chain(offered, seen)) if by_name else ()
    merged = frozenset(name for name in (*renames.values(), *names_of_all) if name is not None)
    groups: defaultdict[Key, set[SeenClass]] = defaultdict(set)
    names: dict[Key, str] = {}
    coloured: dict[Key, str | None] = {}
    for each in offered:
        key = _key(each.feature_schema_id, each.name, merged)
        names.setdefault(key, each.name)
        coloured[key] = coloured.get(key) or each.colour
    every: Iterable[SeenClass] = chain(offered, seen)
    for found in every:
        groups[_key(found.feature_schema_id, found.name, merged)].add(found)
    place = {key: number for number, key in enumerate(names)}
    classes = {each.id: replace(each, removed=True) for each in registry.classes}
    for key in sorted(groups, key=lambda key: (place.get(key, len(place)), key[0] is None, min(groups[key]))):
        group, given = groups[key], names.get(key)
        known = _known(key, group, classes.values()) or _new(key, group, max(classes, default=0) + 1, given)
        used = _used(known, group, given)
        classes[known.id] = replace(used, colour=coloured.get(key) or known.colour)
    return ClassRegistry(tuple(classes.values()), tuple(sorted(merged)))


def inherited(registry: ClassRegistry, others: Iterable[ClassRegistry]) -> ClassRegistry:
    """Return the registry with the classes that others gave an id which it has not given: no id is given twice.

    An id that it gave to another class stays with its own; the other class has a new one when it is seen again.
    """
    classes = {each.id: each for each in registry.classes}
    for other in others:
        classes = {each.id: replace(each, removed=True) for each in other.classes} | classes
    return replace(registry, classes=tuple(classes[number] for number in sorted(classes)))


def _known(key: Key, group: set[SeenClass], classes: Iterable[Class]) -> Class | None:
    """Find the class of a group: by feature schema, else by name; the one in use, then the older, comes first."""
    schema_ids, names = {found.feature_schema_id for found in group} - {None}, {found.name for found in group}
    of_schema = [each for each in classes if each.feature_schema_id in schema_ids]
    of_name = [each for each in classes if each.name in names]
    if key[0] is None:
        candidates = of_name or [each for each in of_schema if each.removed]
    else:
        candidates = of_schema or [each for each in of_name if each.feature_schema_id is None and each.removed]
    return min(candidates, key=lambda each: (each.removed, each.id), default=None)


def _new(key: Key, group: set[SeenClass], number: int, given: str | None) -> Class:
    schema_ids = {found.feature_schema_id for found in group}
    return Class(number, schema_ids.pop() if len(schema_ids) == 1 else key[0], given or min(group).name)


def _used(known: Class, group: set[SeenClass], given: str | None) -> Class:
    """Return a class as this snapshot uses it: as the ontology names it (``given``).

    Else under a name that is new, else its present one, else an earlier one.
    """
    names = {found.name for found in group}
    unknown = names - {known.name, *known.previous_names}
    name = given or (min(unknown) if unknown else known.name if known.name in names else min(names))
    earlier = [each for each in (*known.previous_names, known.name) if each != name]
    schema_ids = sorted(found.feature_schema_id for found in group if found.feature_schema_id is not None)
    kinds = {kind for found in group for kind in found.kinds} | set(() if known.removed else known.kinds)
    return Class(
        known.id,
        known.feature_schema_id or (schema_ids[0] if len(set(schema_ids)) == 1 else None),
        name,
        tuple(dict.fromkeys(earlier)),
        removed=False,
        kinds=tuple(sorted(kinds)),
    )
