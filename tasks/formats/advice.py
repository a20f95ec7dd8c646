"""What a format has to say about a dataset: what its readers miss, and which answers it has under another name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from tasks.formats.endings import images_held
from tasks.shown import markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tasks.formats.census import Census
    from tasks.formats.interface import Format

_TOLD: Final = 10  # names in a sentence


@runtime_checkable
class Advising(Protocol):
    """A format whose readers need what not every dataset has, and that says what to do where it is missing."""

    def advice(self, images: Mapping[str, int]) -> tuple[str, ...]:
        """Say in a sentence each what to do about what is missing; ``images`` are how many each split has."""


@runtime_checkable
class Spelling(Protocol):
    """A format that has answers about objects by names that its readers take for something else."""

    def spelled(self, question: str) -> str:
        """Give the name under which the answer to a question stands in ``attributes``."""


def advice_of(each: Format, counted: Census) -> tuple[str, ...]:
    """Give what a format has to say about a dataset with these counts."""
    missing = each.advice(images_held(each, counted)) if isinstance(each, Advising) else ()
    renamed = tuple(_renamed(each.spelled, _asked(each, counted))) if isinstance(each, Spelling) else ()
    return (*missing, *renamed)


def _asked(each: Format, counted: Census) -> Iterator[str]:
    """Give the questions about objects that a format holds, by name."""
    for asked, _ in counted.asked:
        holdings = each.holds_of_predictions if asked.predicted else each.holds
        if holdings.holds(asked.kind, asked.about, flat=asked.flat):
            yield asked.name


def _renamed(spelled: Callable[[str], str], questions: Iterable[str]) -> Iterator[str]:
    """Say which answers stand under another name."""
    names = {name: spelled(name) for name in sorted(set(questions))}
    others = [f"{_quoted(name)} as {_quoted(other)}" for name, other in names.items() if name != other]
    if others:
        more = f", and {len(others) - _TOLD} more" if len(others) > _TOLD else ""
        told = ", ".join(others[:_TOLD])
        yield (
            "Readers use the names of some questions for something else. Their answers stand in `attributes` under "
            f"others: {told}{more}. In `classifications`, and in the tables, they have their own."
        )


def _quoted(name: str) -> str:
    """Return a name as it can stand in a terminal and in Markdown."""
    return f"`{name}`" if name.isascii() and name.isidentifier() else markdown(name)
