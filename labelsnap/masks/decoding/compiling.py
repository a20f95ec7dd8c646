"""How loops are compiled: by numba, to code that runs without the interpreter's lock.

Without numba a loop of plain arithmetic is run as it stands; one with a ``builtin`` has no other way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

try:
    import numba
    from numba.extending import intrinsic
except ImportError:  # numba supports fewer machines, and new versions of Python and numpy later
    numba = intrinsic = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., object]")

COMPILES = numba is not None
builtin: Any = intrinsic  # a function written as LLVM's instructions
int64: Any = np.int64  # numba's cast: of a mixture of signed and unsigned numbers it makes a float


def compiled(function: Function) -> Function:
    """Compile at the first call; keep the code beside its file or in the user's cache, where either can be written.

    The kept code is made anew when the file changes that its function stands in, and not when another one does: so a
    function stands in one file with those that it calls.
    """
    if not COMPILES:
        return function
    try:
        return numba.njit(function, nogil=True, cache=True)
    except RuntimeError:  # no directory for the cache: each process compiles for itself
        return numba.njit(function, nogil=True)


def inlined(function: Function) -> Function:
    """Compile as a part of each function that calls it."""
    return numba.njit(function, nogil=True, forceinline=True) if COMPILES else function
