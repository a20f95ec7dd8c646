"""Where a picture's columns change: everything that is needed of its pixels, found in one pass over the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.masks.errors import MaskError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.masks.png import Limits, Picture

BLOCK_BYTES = 512 * 1024  # a block of rows and its comparison stay in a core's L2 cache


@dataclass(frozen=True, slots=True)
class Changes:
    """Raw pixel values where columns begin or change, in column-major order.

    ``positions`` are x·height + y, ascending from 0, so a value holds from its position to the next one. Neighbours may
    be equal where a column begins as the one before it ends.
    """

    positions: NDArray[np.int64]
    values: NDArray[np.unsignedinteger]


def find_changes(picture: Picture, limits: Limits) -> Changes:
    """Compare every row with the one above it as machine words; look at pixels only in the words that differ.

    Raises MaskError where the picture changes more often than ``limits`` allow.
    """
    top_row = picture.words(0, 1).view(picture.pixel)[0, : picture.width]
    indexes, words, above = _differing_words(picture, limits)
    per_word = words.itemsize // picture.pixel.itemsize
    per_row = -(-picture.width // per_word)
    now, before = (array.view(picture.pixel).reshape(-1, per_word) for array in (words, above))
    which, lane = np.nonzero(now != before)
    rows, word_columns = np.divmod(indexes[which], per_row)
    columns = np.concatenate([np.arange(picture.width), word_columns * per_word + lane])
    rows = np.concatenate([np.zeros(picture.width, np.int64), rows])
    values = np.concatenate([top_row, now[which, lane]])
    order = np.argsort(columns.astype(np.min_scalar_type(picture.width)), kind="stable")
    return Changes((columns * picture.height + rows)[order], values[order])


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
            raise MaskError(
                "too_large", f"expected a mask with at most {limits.changes} changes down its columns, found more"
            )
        found.append((indexes + (top + 1) * block.shape[1], words[indexes], above[indexes]))
    if not found:
        word = picture.words(0, 1).dtype
        return np.empty(0, np.int64), np.empty(0, word), np.empty(0, word)
    indexes, words, above = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return indexes, words, above
