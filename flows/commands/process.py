"""How the process of a command holds memory and loads modules, said before it loads anything large."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MALLOC_HEAPS: Final = "MALLOC_ARENA_MAX"
ALLOCATORS: Final = {MALLOC_HEAPS: "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Few heaps for all threads, and no other one for Arrow: each keeps what was freed in it from all others.

The environment comes first. Processes that this one starts are told the same by it.
"""
_M_ARENA_MAX: Final = -8
"""The number by which glibc's ``mallopt`` knows ``MALLOC_ARENA_MAX``, which it reads as a process begins."""


def share_heaps() -> None:
    """Have this process, and those that it starts, allocate as ``ALLOCATORS`` says."""
    is_told = MALLOC_HEAPS in os.environ
    for name, value in ALLOCATORS.items():
        os.environ.setdefault(name, value)
    if not is_told and platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, int(ALLOCATORS[MALLOC_HEAPS]))


@contextmanager
def loading() -> Iterator[None]:
    """Load modules in the block with no look for garbage in between: of all that they make, next to nothing is.

    What there is then is not looked through any more.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def pass_over_pandas() -> None:
    """Have pyarrow find no pandas when it looks for it, which is once: 0.3 seconds and 30 MB, of no use to a run.

    Whoever asks pyarrow for something of pandas still gets it.
    """
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        import_module("pyarrow").array([])
    finally:
        sys.meta_path.remove(finder)


def pass_over_scipy() -> None:
    """Have this process find no scipy: numba looks for it as it loads, for linear algebra that no loop here has.

    That is 0.1 seconds and 16 MB before the first mask. Whatever else asks for scipy finds none either.
    """
    sys.modules.setdefault("scipy", None)  # type: ignore[arg-type]  # imports are told so that there is none


class _NoPandas(MetaPathFinder):
    """Finds that there is no pandas, and knows of nothing else."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name=name)
