"""Clients that are gone before or after one of their store calls, in this process and in its one thread."""

from __future__ import annotations

from tests.contracts.memory_store import MemoryStore

CALLS = {"put", "create", "get", "head", "list", "delete", "delete_many"}


class Killed(BaseException):
    """The process is gone."""


class Dying:
    """A client that dies at a call, of those from the creation of the object ``begin`` on; 0: at none, it counts them.

    Of a deletion of many that it dies in, ``after`` half of the objects are gone.
    """

    def __init__(self, store, at=0, *, after=False, begin=None):
        self.store, self.at, self.after, self.begin = store, at, after, begin
        self.asked, self.has_begun = 0, begin is None

    def __getattr__(self, name):
        real = getattr(self.store, name)
        if name not in CALLS:
            return real

        def call(what, *arguments, **options):
            self.has_begun |= name == "create" and what == self.begin
            self.asked += self.has_begun
            dies = self.at != 0 and self.asked == self.at
            if dies and not self.after:
                raise Killed
            if dies and name == "delete_many":
                what = what[: len(what) // 2]
            answer = real(what, *arguments, **options)
            if dies:
                raise Killed
            return answer

        return call


def copied(store):
    """A store with the same objects at the same time."""
    return MemoryStore(now=store.now, objects=dict(store.objects))
