"""Two ways from a PNG to runs, with one result: the sparse one where it can be had, the numpy one for the rest."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

from labelsnap.masks.decoding.pixels import WORD
from labelsnap.masks.decoding.scan import ManyChangesError, find_runs, too_many_changes
from labelsnap.masks.errors import MaskError
from labelsnap.memory import BeyondBudgetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from labelsnap.masks.decoding.png import Limits, Png
    from labelsnap.masks.decoding.scan import Found, Label

FIRST_CHANGES: Final = 2**19
"""Few masks change more often; for one that does, more memory is claimed, and it is read again."""
GROWTH: Final = 8
COLUMN_BYTES: Final = 64
"""What each column takes either way; bytes here are measured in masks that change at every pixel, and rounded up."""
SPARSE_CHANGE, CHANGE = 32, 128
"""What a change takes the sparse way, whose arrays are counted, and the numpy way."""
WIDEST_PIXEL: Final = 4


def read_runs(png: Png, label: Label, instances: int, limits: Limits, *, sparse: bool) -> Found:
    """Return what a checked PNG shows of instances that ``label`` tells apart, ``sparse`` or not.

    The memory for it is claimed of ``limits.memory``, for more changes as it is found to have more. Raises MaskError.
    """
    for changes in _attempts(min(limits.changes, png.height * png.width)):
        try:
            return _read(png, label, instances, replace(limits, changes=changes), sparse=sparse)
        except ManyChangesError:
            continue
        except BeyondBudgetError as error:
            raise MaskError("too_large", str(error)) from None
    raise too_many_changes(limits)


def _attempts(most: int) -> Iterator[int]:
    """Yield how many changes are allowed, time after time."""
    changes = FIRST_CHANGES
    while changes < most:
        yield changes
        changes *= GROWTH
    yield most


def _read(png: Png, label: Label, instances: int, limits: Limits, *, sparse: bool) -> Found:
    rows = png.data_bytes + png.row_bytes + COLUMN_BYTES * png.width
    if sparse and (way := _sparse_way()) and way.is_for_sparse(png):
        with limits.memory.claim(rows + SPARSE_CHANGE * limits.changes):
            found: Found | None = way.find_runs_sparse(png, label, instances, limits)
        if found:
            return found
    pixels = (WIDEST_PIXEL * png.width + WORD) * png.height
    with limits.memory.claim(rows + png.row_bytes + pixels + CHANGE * limits.changes):
        return find_runs(png, label, instances, limits)


@cache
def _sparse_way() -> ModuleType | None:
    """Load the sparse way for the first picture that comes: numba takes 60 MB, and many a run reads no picture."""
    try:
        from labelsnap.masks.decoding import sparse  # noqa: PLC0415 - see above
    except ImportError as error:  # numba supports fewer machines, and new versions of Python and numpy later
        told = f"masks are read the slower way, as numba cannot be imported: {error}"
        warnings.warn(told, RuntimeWarning, stacklevel=2)
        return None
    return sparse
