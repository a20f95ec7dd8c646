"""How the process of a command holds memory and loads modules, said before it loads anything large."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import PathFinder
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

MALLOC: Final = {
    "MALLOC_ARENA_MAX": (-8, 2),
    "MALLOC_MMAP_THRESHOLD_": (-3, 1 << 20),
    "MALLOC_TRIM_THRESHOLD_": (-1, 4 << 20),
}
"""What glibc's ``malloc`` reads of the environment as a process begins: its number for ``mallopt``, and the value here.

Few heaps for all threads: each keeps what was freed in it from all others. What has a mebibyte lies in none, so that it
goes back to the system as it is freed: by itself glibc puts such buffers into its heaps once the first was freed, where
others come to lie behind them. Four mebibytes at the end of a heap are kept, for what comes next.
"""
ALLOCATORS: Final = {name: str(value) for name, (_, value) in MALLOC.items()} | {"ARROW_DEFAULT_MEMORY_POOL": "system"}
"""The same as variables, and no other heap for Arrow.

The environment comes first. Processes that this one starts are told the same by it.
"""
VERSION_CHECK: Final = "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED"


def share_heaps() -> None:
    """Have this process, and those that it starts, allocate as ``ALLOCATORS`` says."""
    untold = [each for name, each in MALLOC.items() if name not in os.environ]
    for name, value in ALLOCATORS.items():
        os.environ.setdefault(name, value)
    if platform.libc_ver()[0] == "glibc":
        for number, amount in untold:
            ctypes.CDLL(None).mallopt(number, amount)


GARBAGE: Final = (20_000, 10, 10)
"""After how many new objects there is a look for garbage: Python's own 700 take 0.15 seconds of a refresh."""


def look_seldom_for_garbage() -> None:
    """Have this process look for garbage as ``GARBAGE`` says, of which a run makes next to none."""
    gc.set_threshold(*GARBAGE)


UNUSED: Final = frozenset({"google.protobuf.timestamp_pb2", "prefect.blocks.notifications", "prefect.blocks.webhook"})
"""What Prefect and the SDK load and a run does not use: 0.2 seconds, of which certificates for webhooks take a part.

None is a package: who imports a module of one would have it before the package itself.
"""


@contextmanager
def loading() -> Iterator[None]:
    """Load modules in the block with no look for garbage in between: of all that they make, next to nothing is.

    What there is then is not looked through any more. Of the modules ``UNUSED`` each is loaded by its first use.
    """
    finder = _Later()
    sys.meta_path.insert(0, finder)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        sys.meta_path.remove(finder)


@contextmanager
def loading_runs() -> Iterator[None]:
    """Load what runs flows in the block, as ``loading`` does, with Prefect told not to ask its server for its version.

    The command asks for that itself, before it runs anything, and Prefect would three times more.
    """
    os.environ.setdefault(VERSION_CHECK, "false")
    with loading():
        yield


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


class _Later(MetaPathFinder):
    """Finds the modules ``UNUSED``, to be loaded by their first use."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002 - as importlib calls it
        spec = PathFinder.find_spec(name, path) if name in UNUSED else None
        if spec is not None and spec.loader is not None:
            spec.loader = _LaterLoader(spec.loader)
        return spec


class _LaterLoader(Loader):
    """Leaves a module empty until a name of it is asked for, which one thread loads while others wait.

    Unlike ``importlib.util.LazyLoader``'s, such a module is not loaded by ``inspect``, which looks at the file of every
    module there is, and not half there for a second thread.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The module as its own loader makes it."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Have the first name that is asked for load the module."""
        lock, names, begun = RLock(), vars(module), False

        def first_use(name: str) -> Any:
            nonlocal begun
            with lock:
                if not begun:
                    begun = True
                    self._loader.exec_module(module)
                if name in names:
                    return names[name]
                if (own := names.get("__getattr__")) is not first_use and own is not None:
                    return own(name)
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

        names["__getattr__"] = first_use
