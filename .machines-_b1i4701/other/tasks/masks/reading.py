"""Two ways from a PNG to runs, with one result: the sparse one where it can be had, the numpy one for the rest."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from tasks.masks.scan import find_runs

if TYPE_CHECKING:
    from tasks.masks.png import Limits, Png
    from tasks.masks.scan import Found, Label

try:
    from tasks.masks.sparse import find_runs_sparse
except ImportError as error:  # numba supports fewer machines, and new versions of Python and numpy later
    warnings.warn(f"masks are read the slower way, as numba cannot be imported: {error}", RuntimeWarning, stacklevel=2)
    HAS_SPARSE = False
else:
    HAS_SPARSE = True


def read_runs(png: Png, label: Label, instances: int, limits: Limits, *, sparse: bool) -> Found:
    """Return what a checked PNG shows of instances that ``label`` tells apart, ``sparse`` or not. Raises MaskError."""
    found = find_runs_sparse(png, label, instances, limits) if sparse and HAS_SPARSE else None
    return found or find_runs(png, label, instances, limits)
