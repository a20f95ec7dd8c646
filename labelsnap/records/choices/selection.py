"""What one output has of a dataset: some of its classes, in an order and under names of its own, and some kinds.

Formats know nothing of it: they are given samples in which only what is selected was ever annotated, and a registry
that has the output's classes. What was left out is counted by ``labelsnap.formats.description.narrowing``.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from labelsnap.records.choices.classes import Class, ClassRegistry
from labelsnap.records.counts import kind_of
from labelsnap.records.model import ModelRunEntry
from labelsnap.records.questions import with_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from labelsnap.records.model import (
        Annotation,
        Classification,
        Label,
        Option,
        Relationship,
        Sample,
        TextAnswer,
    )

Part = TypeVar("Part")
Thing: TypeAlias = tuple[str, str, str]
"""What an object is: the id of its feature schema ("": it has none), the name of its class, its kind."""

FORMAT: Final = "format"
CLASSES: Final = "classes"
KINDS_OF: Final = "kinds"
OF_OUTPUTS: Final = (FORMAT, CLASSES, KINDS_OF)
"""The keys of an output in the dataset file that are no option of its format."""
RELATIONSHIP: Final = "relationship"


class Selection(Struct, frozen=True):
    """``classes`` are (name in the dataset, name in the output), in the output's order; ``kinds`` are those of records.

    None of either is all of them.
    """

    classes: tuple[tuple[str, str], ...] | None = None
    kinds: tuple[str, ...] | None = None

    def of(self, registry: ClassRegistry) -> Choice:
        """Return what is selected of a dataset with these classes."""
        return Choice(self, registry)


EVERYTHING: Final = Selection()


class Choice(Struct, frozen=True, dict=True):
    """A selection from a dataset with the classes ``source``.

    A name of the list means the class that formats call so in that dataset (``car_2`` where two are called ``car``),
    else all classes that are called so, else those that were, if no class in use is called so now: a class that is
    renamed at Labelbox stays in the output.
    """

    selection: Selection
    source: ClassRegistry

    @cached_property
    def registry(self) -> ClassRegistry:
        """The classes of the output.

        With a list they have their places in it as ids, from 1, and all are in use; else they are the dataset's.
        """
        if self.selection.classes is None:
            if self.selection.kinds is None:
                return self.source
            return replace(self.source, classes=tuple(map(self._narrowed, self.source.classes)))
        found: dict[str, list[Class]] = {given: [] for _, given in self.selection.classes}
        for each in self.source.classes:
            if each.id in self._chosen and not each.removed:
                found[self._chosen[each.id][1]].append(self._narrowed(each))
        classes = (_class(number, name, found[name]) for number, name in enumerate(found, start=1))
        return ClassRegistry(tuple(classes), tuple(sorted(found)))

    def takes(self, kind: str) -> bool:
        """Say whether a kind is selected."""
        return self.selection.kinds is None or kind in self.selection.kinds

    def has(self, kind: str, things: Iterable[Thing], above: Iterable[str]) -> bool:
        """Say whether something of a kind is selected that is about ``things``, or is one of them.

        ``above`` are the kinds of the answers and relationships that it hangs on: without them it is not there.
        """
        return all(map(self.takes, (kind, *above))) and all(self.name_of(*thing) is not None for thing in things)

    def name_of(self, feature_schema_id: str, name: str, kind: str) -> str | None:
        """Return what the output calls an object's class; None: it does not have the object."""
        if not self.takes(kind):
            return None
        if self.selection.classes is None:
            return name
        chosen = self._chosen.get(self.source.class_named(feature_schema_id or None, name).id)
        return chosen[1] if chosen else None

    def sample(self, sample: Sample) -> Sample:
        """Return a sample as if only what is selected had been annotated; itself, where that is all of it."""
        if self.selection == EVERYTHING:
            return sample
        entry = sample.record.entry
        changes = {"labels": tuple(map(self._label, entry.labels))}
        if isinstance(entry, ModelRunEntry):
            changes["predictions"] = tuple(map(self._label, entry.predictions))
        if all(_is_same(getattr(entry, name), labels) for name, labels in changes.items()):
            return sample
        return replace(sample, record=replace(sample.record, entry=replace(entry, **changes)))

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """The names of the list that no class of the dataset has or had."""
        known = {*self._names, *chain.from_iterable(each.previous_names for each in self.source.classes)}
        return tuple(name for name, _ in self.selection.classes or () if name not in known)

    def meant(self, name: str) -> str | None:
        """Return the name of a class that is like one that no class has; None: there is none."""
        return next(iter(get_close_matches(name, sorted(self._names), n=1)), None)

    def told(self, shown: Callable[[str], str]) -> Iterator[str]:
        """Say which names of the list are not what classes are called now; ``shown`` makes names fit to be read."""
        chosen = {name for name, _ in self._chosen.values()}
        for each in self.source.classes:
            if each.id in self._chosen and (name := self._chosen[each.id][0]) not in self._names:
                yield f"The class {shown(name)} of `classes` is called {shown(each.name)} now."
        for name, _ in self.selection.classes or ():
            if name not in chosen:
                near = self.meant(name)
                meant = f" Did you mean {shown(near)}?" if near else ""
                yield f"No class is called {shown(name)}, as `classes` says: it has its number, and no object.{meant}"

    @cached_property
    def _names(self) -> frozenset[str]:
        """What classes are called now, by themselves and in formats."""
        return frozenset({*(each.name for each in self.source.classes), *self.source.unique_names().values()})

    @cached_property
    def _chosen(self) -> dict[int, tuple[str, str]]:
        """Of each class that is selected by name, by id: which name of the list it is, and what the output calls it."""
        wanted, unique = dict(self.selection.classes or ()), self.source.unique_names()
        used = [each for each in self.source.classes if not each.removed]
        taken = {name for each in used for name in (each.name, unique[each.id])}
        found: dict[int, tuple[str, str]] = {}
        for each in self.source.classes:
            before = (name for name in reversed(each.previous_names) if name not in taken)
            name = next((name for name in (unique[each.id], each.name, *before) if name in wanted), None)
            if name is not None:
                found[each.id] = name, wanted[name]
        return found

    def _narrowed(self, each: Class) -> Class:
        return replace(each, kinds=tuple(filter(self.takes, each.kinds)))

    def _label(self, label: Label) -> Label:
        objects = [(each, self._object(each)) for each in label.annotations]
        left_out = {each.feature_id for each, kept in objects if kept is None}
        ties = (tie for tie in label.relationships if left_out.isdisjoint((tie.source, tie.target)))
        annotations = tuple([kept for _, kept in objects if kept is not None])
        relationships = tuple([self._tie(tie) for tie in ties if self.takes(RELATIONSHIP)])
        classifications = self._answers(label.classifications)
        now = annotations, relationships, classifications
        if all(map(_is_same, (label.annotations, label.relationships, label.classifications), now)):
            return label
        return replace(label, annotations=annotations, relationships=relationships, classifications=classifications)

    def _object(self, each: Annotation) -> Annotation | None:
        name = self.name_of(each.feature_schema_id or "", each.name, kind_of(each.geometry))
        if name is None:
            return None
        answers = self._answers(each.classifications)
        is_same = name == each.name and _is_same(each.classifications, answers)
        return each if is_same else replace(each, name=name, classifications=answers)

    def _tie(self, tie: Relationship) -> Relationship:
        answers = self._answers(tie.classifications)
        return tie if _is_same(tie.classifications, answers) else replace(tie, classifications=answers)

    def _answers(self, asked: tuple[Classification, ...]) -> tuple[Classification, ...]:
        """Return the answers of kinds that are selected; what hangs below another one goes with that."""
        if self.selection.kinds is None:
            return asked
        return tuple([self._answered(each) for each in asked if self.takes(kind_of(each.answer))])

    def _answered(self, asked: Classification) -> Classification:
        parts: tuple[Option | TextAnswer, ...] = asked.answer.parts
        below = [self._answers(part.classifications) for part in parts]
        if all(_is_same(part.classifications, kept) for part, kept in zip(parts, below, strict=True)):
            return asked
        return replace(asked, answer=with_parts(asked.answer, below))


def _class(number: int, name: str, found: Sequence[Class]) -> Class:
    """Make a class of the output of those that it is of in the dataset, if any."""
    schema_ids = {each.feature_schema_id for each in found}
    kinds = sorted({kind for each in found for kind in each.kinds})
    coloured = sorted((each for each in found if each.colour), key=lambda each: (each.name != name, each.id))
    return Class(
        number,
        schema_ids.pop() if len(schema_ids) == 1 else None,
        name,
        kinds=tuple(kinds),
        colour=coloured[0].colour if coloured else None,
    )


def _is_same(before: Sequence[Part], after: Sequence[Part]) -> bool:
    return len(before) == len(after) and all(one is other for one, other in zip(before, after, strict=True))
