"""Formats whose readers need what not every dataset has, and say what to do where it is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tasks.formats.endings import images_held

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.formats.census import Census
    from tasks.formats.interface import Format


@runtime_checkable
class Advising(Protocol):
    """A format that says what its readers miss."""

    def advice(self, images: Mapping[str, int]) -> tuple[str, ...]:
        """Say in a sentence each what to do about what is missing; ``images`` are how many each split has."""


def advice_of(each: Format, counted: Census) -> tuple[str, ...]:
    """Give what a format has to say about a dataset with these counts."""
    return each.advice(images_held(each, counted)) if isinstance(each, Advising) else ()
