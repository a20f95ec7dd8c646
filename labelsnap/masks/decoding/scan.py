"""The numpy way: a mask's runs out of its decoded pixels, in one pass over the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from labelsnap.masks.decoding.pixels import WORD, Pixels, decode_pixels
from labelsnap.masks.errors import MaskError
from labelsnap.masks.runs import group_runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelsnap.masks.decoding.png import Limits, Png
    from labelsnap.records.geometry import Runs

BLOCK = 2**17  # words that are compared at a time: with what differs they stay in a core's cache
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
    words, above, places = _find_differing(picture.view(WORD_TYPE), limits)
    pixels = words.view(picture.dtype)
    changed = np.flatnonzero(pixels != above.view(picture.dtype))
    if changed.size > limits.changes:
        raise too_many_changes(limits)
    shift = (WORD // picture.itemsize).bit_length() - 1  # a word has a power of two of pixels; a division takes longer
    flat = (places << shift)[changed >> shift] + (changed & (1 << shift) - 1)
    y = flat // columns
    x = flat - y * columns
    x, y = np.concatenate([np.arange(width), x]), np.concatenate([np.zeros(width, np.int64), y])
    values = np.concatenate([picture[0, :width], pixels[changed]])
    order = np.argsort(x.astype(np.min_scalar_type(width)), kind="stable")
    return (x * height + y)[order], values[order]


class ManyChangesError(MaskError):
    """A picture changes more often down its columns than ``Limits.changes`` allow."""


def too_many_changes(limits: Limits) -> ManyChangesError:
    """Say that a picture is no mask."""
    return ManyChangesError(
        "too_large", f"expected a mask with at most {limits.changes} changes down its columns, found more"
    )


def _find_differing(
    words: NDArray[np.uint64], limits: Limits
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]:
    """Return the words that differ from the word above, those words, and their places, row after row.

    They are taken out block by block, while they are in the core's cache.
    """
    above, now = words[:-1].ravel(), words[1:].ravel()
    different = np.empty(min(BLOCK, now.size), np.bool_)
    found = [(now[:0], above[:0], np.empty(0, np.int64))]
    budget = limits.changes
    for start in range(0, now.size, BLOCK):
        block, block_above = now[start : start + BLOCK], above[start : start + BLOCK]
        places = np.flatnonzero(np.not_equal(block, block_above, out=different[: block.size]))
        budget -= places.size
        if budget < 0:
            raise too_many_changes(limits)
        found.append((block[places], block_above[places], places + (start + words.shape[1])))
    now, above, places = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return now, above, places
