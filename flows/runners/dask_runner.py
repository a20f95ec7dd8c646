"""Prefect's tasks on a Dask cluster, each with a worker that fits the run."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import copy_context
from threading import Thread
from typing import TYPE_CHECKING, Any

from distributed import CancelledError, KilledWorker
from prefect_dask.task_runners import DaskTaskRunner

from flows.runners.cluster_runner import ClusterRunner, cluster_gone
from tasks.machines.fitness import look_aside, versions
from tasks.machines.roster import LostError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from distributed import Future as SentFuture

    from labelsnap.errors import ConfigurationError

REMEDY = (
    "Check that a scheduler of `labelsnap[dask]`, the same version as here, runs at the address of --runner and can be "
    "reached (dask scheduler --port 8786), then run again: what is finished is kept."
)
SECONDS = 30.0
"""Within which a scheduler answers."""


class DaskRunner(ClusterRunner, DaskTaskRunner):  # type: ignore[misc]
    """Prefect's, but for what is sent and to whom."""

    def _cluster_here(self) -> DaskCluster:
        with _scheduler(self.address, "cannot be reached"):
            client = _within(2 * SECONDS, lambda: self.client)
        cluster = DaskCluster(client, self.address)
        cluster.check_scheduler()
        return cluster


class DaskCluster:
    """The workers of a scheduler."""

    def __init__(self, client: Any, address: str | None) -> None:
        self._client = client
        self._address = address

    def check_scheduler(self) -> None:
        """Raise ``ConfigurationError`` for a scheduler that could not read what is sent, or does not answer."""
        silent: OSError | None = None
        with _scheduler(self._address, "has no labelsnap, or another version of it"):
            try:
                self._client.run_on_scheduler(versions, callback_timeout=SECONDS)
            except OSError as error:  # also a time-out, and a connection that is closed
                silent = error
        if silent is not None:
            raise _gone(self._address, "does not answer", silent)

    def members(self) -> Mapping[str, str]:
        """Workers by their address."""
        with _scheduler(self._address, "is lost"):
            if self._client.status != "running":
                raise ConnectionError(f"the connection to it is {self._client.status}")
            return {address: address for address in self._client.nthreads(callback_timeout=SECONDS)}

    def ask(self, member: str, terms: bytes, seconds: float) -> list[str]:
        """Ask beside the worker's tasks: it may be busy."""
        answers: dict[str, list[str]] = self._client.run(look_aside, terms, workers=[member], callback_timeout=seconds)
        return answers[member]

    def send(self, members: Collection[str], function: Callable[..., Any], *arguments: bytes) -> SentToDask:
        """The scheduler chooses among the members."""
        with _scheduler(self._address, "is lost"):
            future = self._client.submit(function, *arguments, workers=sorted(members) or None, pure=False)
        return SentToDask(future, self._address)


class SentToDask:
    """A task at the scheduler."""

    def __init__(self, future: SentFuture[Any], address: str | None) -> None:
        self._future = future
        self._address = address

    def result(self, seconds: float) -> Any:
        """What came of it."""
        try:
            return self._future.result(timeout=seconds)
        except KilledWorker as killed:
            raise LostError(f"{killed.last_worker.address} died, and those before it") from None
        except (Exception, CancelledError) as error:
            if self._future.status == "error":
                raise LostError(f"{type(error).__name__}: {error}") from None
            if isinstance(error, TimeoutError):
                raise
            raise _gone(self._address, "is lost", error) from None

    def cancel(self) -> None:
        """Give it up, if there is still a scheduler."""
        with suppress(OSError, TimeoutError, CancelledError):
            self._future.cancel()  # type: ignore[no-untyped-call]


@contextmanager
def _scheduler(address: str | None, found: str) -> Iterator[None]:
    """What the block raises, told as what the scheduler is: the block asks nothing of anybody else."""
    try:
        yield
    except (Exception, CancelledError) as error:  # noqa: BLE001 - a client of Dask's raises whatever its connection does
        raise _gone(address, found, error) from None


def _gone(address: str | None, found: str, error: BaseException) -> ConfigurationError:
    return cluster_gone(f"The Dask scheduler at {address or 'this machine'} {found}", error, REMEDY)


def _within(seconds: float, made: Callable[[], Any]) -> Any:
    """Return what is made; a client of Dask's waits for ever at a port that takes it and says nothing.

    Raises what is raised, and TimeoutError, with which the thread that waits is left to itself.
    """
    answer: Future[Any] = Future()

    def make() -> None:
        try:
            answer.set_result(made())
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            answer.set_exception(error)

    Thread(target=copy_context().run, args=(make,), daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        if answer.done():
            raise
        raise TimeoutError(f"it did not answer for {seconds:g} seconds") from None
