"""Clients of one store that take turns, call by call, as a test says: explicit interleavings of real code."""

from __future__ import annotations

from threading import Semaphore, Thread, current_thread

from labelsnap.errors import StorageOutcomeUnknownError

OPERATIONS = {"put", "create", "get", "download", "head", "list", "delete", "delete_many", "uploads", "abort"}
WRITES = {"put", "create", "delete", "delete_many"}


class Killed(BaseException):
    """The client's process is gone."""


class Client:
    """A piece of work in a thread of its own that stops before each of its store calls until it is told to go on.

    Calls of threads that the work starts itself (readers of many small records) pass with the call that waits for them.
    """

    def __init__(self, store, work):
        self._store = store
        self._work = work
        self._turn, self._back = Semaphore(0), Semaphore(0)
        self._fate = None
        self.pending = None
        self.outcome = None
        self.error = None
        self.late = []
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        self._back.acquire()

    @property
    def finished(self):
        """Whether the work has ended, well or not."""
        return self.pending is None

    def go(self, fate="answered"):
        """Let the pending call happen, and the work go on to its next one.

        The fate: ``answered``; ``lost``, it takes effect and its answer is lost; ``cut``, it never arrives; ``late``,
        the client gives it up, and it arrives when ``late`` is called; ``killed``, the process dies before it.
        """
        self._fate = fate
        self._turn.release()
        self._back.acquire()

    def finish(self):
        """Let all that is left happen."""
        while not self.finished:
            self.go()

    def kill(self):
        """End the process."""
        while not self.finished:
            self.go("killed")

    def _run(self):
        try:
            self.outcome = self._work(Gate(self))
        except Killed:
            pass
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            self.pending = None
            self._back.release()

    def call(self, name, arguments, options):
        """Do a call of the work when its turn comes."""

        def happen():
            answer = getattr(self._store, name)(*arguments, **options)
            return iter(list(answer)) if name in {"list", "uploads"} else answer

        if current_thread() is not self._thread:
            return happen()
        self.pending = (name, *arguments)
        self._back.release()
        self._turn.acquire()
        fate = self._fate if name in WRITES or self._fate == "killed" else "answered"
        if fate == "killed":
            raise Killed
        if fate == "answered":
            return happen()
        if fate == "lost":
            happen()
        if fate == "late":
            self.late.append(happen)
        raise StorageOutcomeUnknownError("The answer was lost.", remedy="Repeat.", code="storage_unreachable")


class Gate:
    """The store as a client sees it."""

    def __init__(self, client):
        self._client = client
        self.url = client._store.url
        self.capabilities = client._store.capabilities

    def __getattr__(self, name):
        assert name in OPERATIONS
        return lambda *arguments, **options: self._client.call(name, arguments, options)
