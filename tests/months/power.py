"""A folder as a store whose clock a test moves, and at a call of which the power goes, or a row changes."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Lock
from unittest.mock import patch

from labelsnap.storage.local import LocalStore

CALLS = ("put", "create", "get", "download", "head", "list", "delete")


class PowerCutError(RuntimeError):
    """What no part of a run expects."""


@dataclass(frozen=True)
class Point:
    """A moment of a run: before or after the store is called for the ``times``th time so, told by operation and key.

    The operation "" is any.
    """

    operation: str
    key: str
    after: bool
    times: int = 1

    def is_met(self, operation, key, *, after):
        """Whether a call is such a call."""
        is_such = self.operation in {"", operation}
        return is_such and self.after == after and re.match(self.key, key) is not None


@dataclass
class Power:
    """What happens at a point, once; after a cut no call is answered until the power is back."""

    point: Point | None = None
    happens: object = None
    cut: bool = False
    met: int = 0
    is_off: bool = False
    lock: Lock = field(default_factory=Lock)

    def arm(self, point, happens, *, cut):
        """Let something happen at a point, and the power go."""
        self.point, self.happens, self.cut, self.met, self.is_off = point, happens, cut, 0, False

    def restore(self):
        """The process is started again."""
        self.is_off = False

    def __call__(self, operation, key, *, after):
        """A call of the store begins or ends."""
        with self.lock:
            if self.is_off:
                raise PowerCutError
            if self.point is None or not self.point.is_met(operation, key, after=after):
                return
            self.met += 1
            if self.met < self.point.times:
                return
            self.point = None
        self.happens()
        if self.cut:
            self.is_off = True
            raise PowerCutError


@contextmanager
def powered(clock_of, power):
    """Every folder that is a store has the clock, and tells each of its calls."""
    original = LocalStore._written

    @contextmanager
    def dated(store, body):
        with original(store, body) as (name, folder):
            moment = int(clock_of().now.timestamp() * 1000) * 10**6
            os.utime(name, ns=(moment, moment), dir_fd=folder)
            yield name, folder

    def told(name):
        call = getattr(LocalStore, name)

        def of_store(store, key, *arguments, **options):
            power(name, key, after=False)
            answer = call(store, key, *arguments, **options)
            power(name, key, after=True)
            return answer

        return of_store

    with ExitStack() as stack:
        stack.enter_context(patch.object(LocalStore, "_written", dated))
        for name in CALLS:
            stack.enter_context(patch.object(LocalStore, name, told(name)))
        yield
