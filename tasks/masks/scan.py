"""The numpy way: a mask's runs out of its decoded pixels, in one pass over the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from tasks.masks.errors import MaskError
from tasks.masks.pixels import WORD, Pixels, decode_pixels
from tasks.masks.runs import group_runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.masks.png import Limits, Png
    from tasks.records.geometry import Runs

BLOCK_BYTES = 256 * 1024  # two blocks of rows and their comparison stay in a core's L2 cache
WORD_TYPE = np.dtype(np.uint64)


Label: TypeAlias = Callable[[Pixels], "NDArray[np.signedinteger]"]
"""Tells which instance each pixel belongs to: its index, or -1 for none."""


@dataclass(frozen=True, slots=True)
class Found:
    """An instance's ``runs`` by its index, None where it has no pixel; and pixels that ``unlabelled`` are none's.

    Of these at least one of each value is here.
    """

    runs: tuple[Runs | None, ...]
    unlabelled: Pixels


def find_runs(png: Png, label: Label, instances: int, limits: Limits) -> Found:
    """Decode a whole picture and read off every instance's runs.

    Raises MaskError, also where the picture changes more often down its columns than ``limits`` allow.
    """
    picture = decode_pixels(png)
    positions, values = find_changes(picture.values, png.width, limits)
    pixels = Pixels(picture.mode, values, picture.palette)
    labels = label(pixels)
    runs = group_runs(png.height, png.width, positions, labels, instances)
    return Found(runs, pixels.choose(labels < 0))


def find_changes(
    picture: NDArray[np.unsignedinteger], width: int, limits: Limits
) -> tuple[NDArray[np.int64], NDArray[np.unsignedinteger]]:
    """Return where columns begin or change, and the raw pixel values there, in column-major order.

    ``picture`` is (height, columns), its rows whole 64-bit words; the columns from ``width`` on are all the same.
    Positions are x·height + y, ascending from 0, so a value holds from its position to the next one. Neighbours may be
    equal where a column begins as the one before it ends. Every row is compared with the one above it as machine words;
    pixels are looked at only in the words that differ.
    """
    height, columns = picture.shape
    words = picture.view(WORD_TYPE)
    per_word = columns // words.shape[1]
    indexes = _find_differing(words, limits) + words.shape[1]
    now, above = (words.ravel()[place].view(picture.dtype) for place in (indexes, indexes - words.shape[1]))
    changed = np.flatnonzero(now != above)
    if changed.size > limits.changes:
        raise too_many_changes(limits)
    places = (indexes * per_word)[changed // per_word] + changed % per_word
    y = places // columns
    x = places - y * columns
    x, y = np.concatenate([np.arange(width), x]), np.concatenate([np.zeros(width, np.int64), y])
    values = np.concatenate([picture[0, :width], now[changed]])
    order = np.argsort(x.astype(np.min_scalar_type(width)), kind="stable")
    return (x * height + y)[order], values[order]


def too_many_changes(limits: Limits) -> MaskError:
    """Say that a picture is no mask."""
    return MaskError("too_large", f"expected a mask with at most {limits.changes} changes down its columns, found more")


def _find_differing(words: NDArray[np.uint64], limits: Limits) -> NDArray[np.int64]:
    """Return the places of words, row after row, that differ from the word below."""
    above, now = words[:-1].ravel(), words[1:].ravel()
    step = max(1, BLOCK_BYTES // WORD)
    different = np.empty(min(step, now.size), np.bool_)
    found = [np.empty(0, np.int64)]
    budget = limits.changes
    for start in range(0, now.size, step):
        block = different[: now.size - start]
        np.not_equal(now[start : start + step], above[start : start + step], out=block)
        places = np.flatnonzero(block)
        budget -= places.size
        if budget < 0:
            raise too_many_changes(limits)
        found.append(places + start)
    return np.concatenate(found)
