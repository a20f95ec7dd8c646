"""What a format has to say about a dataset: what its readers miss, and which classes and answers it names otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from labelsnap.formats.shared.attributes import joined
from labelsnap.shown import markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sized

    from labelsnap.formats.description.census import Census
    from labelsnap.formats.interface import Format
    from labelsnap.formats.shared.attributes import Path
    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.records.choices.selection import Choice

_CLASSES: Final = 20
_QUESTIONS: Final = 10
"""How many names are told at most."""


@runtime_checkable
class Advising(Protocol):
    """A format whose readers need what not every dataset has, and that says what to do where it is missing."""

    def advice(self, counted: Census, registry: ClassRegistry) -> tuple[str, ...]:
        """Say in a sentence each what to do about what is missing in a dataset with these counts and classes."""


@runtime_checkable
class Naming(Protocol):
    """A format whose readers take not every name of a class."""

    def class_names(self, registry: ClassRegistry) -> Mapping[int, str]:
        """Give the name of each class in the format's files, by id."""


@runtime_checkable
class Spelling(Protocol):
    """A format that has answers about objects by names, and cannot have every question's own."""

    def spelled(self, question: Path) -> str:
        """Give the name under which the answer to a question stands in ``attributes``."""


def advice_of(
    each: Format, counted: Census, registry: ClassRegistry, shown: Callable[[str], str], choice: Choice | None = None
) -> tuple[str, ...]:
    """Give what a format has to say about a dataset; ``shown`` makes names of classes fit for where it is read.

    Where it is an output, ``choice`` is what that selects: counts and classes are of this, and its list has the first
    word.
    """
    selected = choice.told(shown) if choice else ()
    missing = each.advice(counted, registry) if isinstance(each, Advising) else ()
    classes = _classes(each, registry, shown) if isinstance(each, Naming) else ()
    answers = _answers(each.spelled, _asked(each, counted)) if isinstance(each, Spelling) else ()
    return (*selected, *missing, *classes, *answers)


def _classes(each: Naming, registry: ClassRegistry, shown: Callable[[str], str]) -> Iterator[str]:
    """Tell which classes in use have another name in a format's files than elsewhere."""
    names, others = registry.unique_names(), each.class_names(registry)
    used = [one.id for one in registry.classes if not one.removed]
    changed = [(names[number], others[number]) for number in used if names[number] != others[number]]
    if changed:
        told = ", ".join(f"{shown(name)} is {shown(other)}" for name, other in changed[:_CLASSES])
        yield f"Classes that have another name in this format's files: {told}{_more(changed, _CLASSES)}."


def _asked(each: Format, counted: Census) -> Iterator[Path]:
    """Give the questions about objects that a format holds."""
    for asked, _ in counted.asked:
        holdings = each.holds_of_predictions if asked.predicted else each.holds
        if holdings.holds(asked.kind, asked.about, flat=asked.flat):
            yield asked.path


def _answers(spelled: Callable[[Path], str], questions: Iterable[Path]) -> Iterator[str]:
    """Say which answers stand under another name."""
    names = [(joined(path), spelled(path)) for path in sorted(set(questions))]
    others = [f"{_quoted(name)} as {_quoted(other)}" for name, other in names if name != other]
    if others:
        told = ", ".join(others[:_QUESTIONS])
        yield (
            "The answers to some questions stand in `attributes` under other names, because readers use their own for "
            "something else, or another question's could be the same: "
            f"{told}{_more(others, _QUESTIONS)}. In `classifications`, and in the tables, they have their own."
        )


def _more(found: Sized, told: int) -> str:
    """Say how many were found beyond those that are told."""
    return f", and {len(found) - told} more" if len(found) > told else ""


def _quoted(name: str) -> str:
    """Return a name as it can stand in a terminal and in Markdown."""
    return f"`{name}`" if name.isascii() and name.isidentifier() else markdown(name)
