"""The numpy way: a mask's runs out of its decoded pixels, in one pass over the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from tasks.masks.errors import MaskError
from tasks.masks.pixels import Pixels, decode_pixels
from tasks.masks.runs import group_runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.masks.pixels import Picture
    from tasks.masks.png import Limits, Png
    from tasks.records.geometry import Runs

BLOCK_BYTES = 512 * 1024  # a block of rows and its comparison stay in a core's L2 cache


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
    positions, values = find_changes(picture, limits)
    pixels = picture.pixels(values)
    labels = label(pixels)
    runs = group_runs(picture.height, picture.width, positions, labels, instances)
    return Found(runs, pixels.choose(labels < 0))


def find_changes(picture: Picture, limits: Limits) -> tuple[NDArray[np.int64], NDArray[np.unsignedinteger]]:
    """Return where columns begin or change, and the raw pixel values there, in column-major order.

    Positions are x·height + y, ascending from 0, so a value holds from its position to the next one. Neighbours may be
    equal where a column begins as the one before it ends. Every row is compared with the one above it as machine words;
    pixels are looked at only in the words that differ.
    """
    top_row = picture.words(0, 1).view(picture.pixel)[0, : picture.width]
    indexes, words, above = _differing_words(picture, limits)
    per_word = words.itemsize // picture.pixel.itemsize
    per_row = -(-picture.width // per_word)
    now, before = (array.view(picture.pixel).reshape(-1, per_word) for array in (words, above))
    which, lane = np.nonzero(now != before)
    if which.size > limits.changes:
        raise too_many_changes(limits)
    rows, word_columns = np.divmod(indexes[which], per_row)
    columns = np.concatenate([np.arange(picture.width), word_columns * per_word + lane])
    rows = np.concatenate([np.zeros(picture.width, np.int64), rows])
    values = np.concatenate([top_row, now[which, lane]])
    order = np.argsort(columns.astype(np.min_scalar_type(picture.width)), kind="stable")
    return (columns * picture.height + rows)[order], values[order]


def too_many_changes(limits: Limits) -> MaskError:
    """Say that a picture is no mask."""
    return MaskError("too_large", f"expected a mask with at most {limits.changes} changes down its columns, found more")


def _differing_words(
    picture: Picture, limits: Limits
) -> tuple[NDArray[np.int64], NDArray[np.unsignedinteger], NDArray[np.unsignedinteger]]:
    """Return the words that differ from the word above: index in the picture's words, the word, the word above."""
    block_rows = max(1, BLOCK_BYTES // (picture.width * picture.pixel.itemsize))
    found = []
    budget = limits.changes
    for top in range(0, picture.height - 1, block_rows):
        block = picture.words(top, min(top + block_rows + 1, picture.height))
        above, words = block[:-1].ravel(), block[1:].ravel()
        indexes = np.flatnonzero(words != above)
        budget -= indexes.size
        if budget < 0:
            raise too_many_changes(limits)
        found.append((indexes + (top + 1) * block.shape[1], words[indexes], above[indexes]))
    if not found:
        word = picture.words(0, 1).dtype
        return np.empty(0, np.int64), np.empty(0, word), np.empty(0, word)
    indexes, words, above = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return indexes, words, above
