"""Colours of classes: the ontology's; and a colour for every number: the colour map of Pascal VOC.

Tools for label maps know the latter.

The lowest three bits of a number are the highest bits of red, green and blue, the next three the next ones, and so on.
So small numbers have colours far apart, and each number below 2²⁴ has a colour of its own; 0 is black. Source: the
VOC2012 development kit, ``VOClabelcolormap``.

Readers find a class by its colour, so no two of a dataset have one: see ``class_colours``.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from labelsnap.records.choices.classes import ClassRegistry

    Colour: TypeAlias = tuple[int, int, int]
    """Red, green and blue."""

BACKGROUND: Final = 0
VOIDS: Final = (255, 65535)
"""What stands for void in maps of 8 and of 16 bits."""
INDEXES: Final = 256
"""Colours of a palette."""

_HIGHEST = 7  # bit of a colour
_HALF = 4  # the bits of a colour's channel that half of a number's bits give


def _of_halves() -> NDArray[np.uint8]:
    """Return the colours of the numbers of 12 bits, an array (4096, 3): no value has a bit below the upper four."""
    numbers = np.arange(1 << 3 * _HALF)
    found = np.zeros((numbers.size, 3), np.uint8)
    for bit in range(_HALF):
        for channel in range(3):
            found[:, channel] |= ((numbers >> 3 * bit + channel & 1) << _HIGHEST - bit).astype(np.uint8)
    return found


_COLOURS = _of_halves()


def colours(numbers: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Return the colours of numbers below 2²⁴: an array (numbers, 3) of red, green and blue."""
    high, low = np.divmod(numbers, len(_COLOURS))
    found: NDArray[np.uint8] = _COLOURS.take(low, axis=0)
    found |= _COLOURS.take(high, axis=0) >> _HALF
    return found


def class_colours(registry: ClassRegistry) -> dict[int, Colour]:
    """Return a colour of its own for each class, by id; none is that of the background or of void.

    It is the one that the ontology gives it. Where another class has the same, the one in use, then the older has it;
    a class that so has none, or never had, has that of its id in VOC's map, or where that is taken the first free one
    of the numbers from 256 on.
    """
    numbers = [each.id for each in registry.classes]
    void = VOIDS[max(numbers, default=0) >= VOIDS[0]]
    taken = {colour_of(BACKGROUND), colour_of(void)}
    found: dict[int, Colour] = {}
    for each in sorted(registry.classes, key=lambda each: (each.removed, each.id)):
        colour = _parsed(each.colour) if each.colour else None
        if colour is not None and colour not in taken:
            found[each.id] = colour
            taken.add(colour)
    return found | _free((number for number in numbers if number not in found), taken)


def palette_of(registry: ClassRegistry) -> NDArray[np.uint8]:
    """Return the 256 colours of a map of 8 bits, an array (256, 3): those of the classes, and of every other number.

    These have VOC's, or where a class has that a free one, so that each number has a colour of its own.
    """
    found = {each: colour for each, colour in class_colours(registry).items() if each < VOIDS[0]}
    given = {number: colour_of(number) for number in (BACKGROUND, VOIDS[0])} | found
    every = given | _free((number for number in range(INDEXES) if number not in given), set(given.values()))
    return np.array([every[number] for number in range(INDEXES)], np.uint8)


def _free(numbers: Iterable[int], taken: set[Colour]) -> dict[int, Colour]:
    """Give each number VOC's colour of it, or where that is taken the first free one of numbers beyond a palette's."""
    found: dict[int, Colour] = {}
    others: list[int] = []
    for number in numbers:
        if (colour := colour_of(number)) in taken:
            others.append(number)
        else:
            found[number] = colour
    taken = taken | set(found.values())
    beyond = (colour for number in count(INDEXES) if (colour := colour_of(number)) not in taken)
    return found | dict(zip(others, beyond, strict=False))


def colour_of(number: int) -> Colour:
    """Return VOC's colour of a number."""
    red, green, blue = colours(np.array([number], np.uint32))[0].tolist()
    return red, green, blue


def _parsed(colour: str) -> Colour:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
