"""What a snapshot says of itself: the source of the dataset card, of Croissant, and of the report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from labelsnap.formats.description.losses import images_held
from labelsnap.formats.description.narrowing import narrowed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelsnap.formats.description.census import Census
    from labelsnap.formats.interface import Format
    from labelsnap.formats.outputs import Output
    from labelsnap.records.choices.classes import Class, ClassRegistry
    from labelsnap.records.choices.selection import Choice


class Listed(NamedTuple):
    """A file of a format's tree; ``small`` files lie in packs, and are described by folder."""

    path: str
    sha256: str
    small: bool


class ClassCount(NamedTuple):
    """A class in use, the name that is its own, and its objects in labels, by split."""

    category: Class
    name: str
    objects: dict[str, int]


@dataclass(frozen=True)
class Description:
    """A dataset in words and numbers. ``source`` says where it comes from, ``license`` is an SPDX or Hub identifier.

    ``converted`` is how many images were made JPEGs of other types; ``sources`` counts, of several, what came from
    each. Nothing of it names the version, the run or its time: an unchanged dataset has an unchanged description. That
    ``of`` an output has the output's name, where that is not its format's, and its choice of classes and annotations:
    registry and census are of what it selects.
    """

    name: str
    text: str
    license: str
    source: str
    registry: ClassRegistry
    census: Census
    splits: tuple[str, ...]
    model_run: bool
    converted: int = 0
    output: str = ""
    choice: Choice | None = None
    sources: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def of(self, output: Output) -> Description:
        """Describe one output of the dataset."""
        choice = output.selection.of(self.registry)
        return replace(
            self,
            registry=choice.registry,
            census=narrowed(self.census, choice),
            output=output.name if output.is_named else "",
            choice=choice,
        )

    @property
    def rows(self) -> int:
        """All images."""
        return sum(self.census.rows.values())

    def images(self, each: Format) -> dict[str, int]:
        """How many images a format holds, by split; splits without any are left out."""
        held = images_held(each, self.census)
        return {split: held[split] for split in self.splits if held.get(split)}

    @cached_property
    def classes(self) -> tuple[ClassCount, ...]:
        """The classes in use, by id."""
        names = self.registry.unique_names()
        counts = {
            each.id: ClassCount(each, names[each.id], dict.fromkeys(self.splits, 0))
            for each in self.registry.classes
            if not each.removed
        }
        for member, count in self.census.members:
            if not member.predicted:
                found = self.registry.class_named(member.feature_schema_id or None, member.name)
                counts[found.id].objects[member.split] += count
        return tuple(counts.values())

    @property
    def objects(self) -> dict[str, int]:
        """How many objects the labels have, by split."""
        return {split: sum(each.objects[split] for each in self.classes) for split in self.splits}
