"""What formats have to say of a dataset: what their readers miss in it, and which names they had to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tasks.formats.census import Census
    from tasks.formats.interface import Format
    from tasks.records.classes import ClassRegistry

_NAMES: Final = 20
"""Names that are told at most."""


@runtime_checkable
class Advising(Protocol):
    """A format that says what its readers miss."""

    def advice(self, counted: Census, registry: ClassRegistry) -> tuple[str, ...]:
        """Say in a sentence each what to do about what is missing in a dataset with these counts and classes."""


@runtime_checkable
class Naming(Protocol):
    """A format whose readers take not every name of a class."""

    def class_names(self, registry: ClassRegistry) -> Mapping[int, str]:
        """Give the name of each class in the format's files, by id."""


def advice_of(each: Format, counted: Census, registry: ClassRegistry, shown: Callable[[str], str]) -> tuple[str, ...]:
    """Give what a format has to say about a dataset; ``shown`` makes names fit for where it is read."""
    advice = each.advice(counted, registry) if isinstance(each, Advising) else ()
    return *advice, *(_renamed(each, registry, shown) if isinstance(each, Naming) else ())


def _renamed(each: Naming, registry: ClassRegistry, shown: Callable[[str], str]) -> Iterator[str]:
    """Tell which classes in use have another name in a format's files than elsewhere."""
    names, others = registry.unique_names(), each.class_names(registry)
    used = [one.id for one in registry.classes if not one.removed]
    changed = [(names[number], others[number]) for number in used if names[number] != others[number]]
    if changed:
        told = [f"{shown(name)} is {shown(other)}" for name, other in changed[:_NAMES]]
        more = f", and {len(changed) - _NAMES} more" if len(changed) > _NAMES else ""
        yield f"Classes that have another name in this format's files: {', '.join(told)}{more}."
