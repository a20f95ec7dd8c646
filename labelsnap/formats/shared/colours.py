"""A colour for every number: the colour map of Pascal VOC, which tools for label maps know.

The lowest three bits of a number are the highest bits of red, green and blue, the next three the next ones, and so on.
So small numbers have colours far apart, and each number below 2²⁴ has a colour of its own; 0 is black. Source: the
VOC2012 development kit, ``VOClabelcolormap``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
