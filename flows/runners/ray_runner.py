"""Prefect's tasks on a Ray cluster, each on a node that fits the run."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Self

import ray
from prefect_ray.task_runners import RayTaskRunner
from ray import exceptions
from ray._private import auto_init_hook
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from flows.runners.cluster_runner import ClusterRunner, cluster_gone
from tasks.machines.fitness import look
from tasks.machines.roster import LostError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from labelsnap.errors import ConfigurationError

REMEDY: Final = (
    "Check that a head of `labelsnap[ray]`, the same version as here, runs at the address of --runner and can be "
    "reached (ray start --head --ray-client-server-port 10001), then run again: what is finished is kept."
)
LOST: Final = (
    exceptions.NodeDiedError,
    exceptions.ObjectLostError,
    exceptions.OutOfMemoryError,
    exceptions.RayTaskError,
    exceptions.WorkerCrashedError,
)
"""What says that a task's node or process is gone."""

auto_init_hook.enable_auto_connect = False  # else a call after the head is lost starts a cluster on this machine


class RayRunner(ClusterRunner, RayTaskRunner):  # type: ignore[misc]
    """Prefect's, but for what is sent and to whom."""

    _failure: BaseException | None = None

    def __enter__(self) -> Self:
        """Connect; that it failed is said when the workers are checked, where it is a refusal of the run."""
        try:
            super().__enter__()
        except Exception as error:  # noqa: BLE001 - Ray raises whatever its connection does
            self._owns_ray = False
            self._failure = error
        return self

    def _cluster_here(self) -> RayCluster:
        if self._failure is not None:
            raise _gone(self.address, "cannot be reached", self._failure)
        return RayCluster(self.address)


class RayCluster:
    """The nodes of a head that have processors."""

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._in_hand: Counter[str] = Counter()
        self._gone: set[str] = set()
        self._lock = threading.Lock()

    def members(self) -> Mapping[str, str]:
        """Nodes by their id, called by the names of their machines."""
        with _head(self._address):
            return {
                node["NodeID"]: f"{node['NodeManagerHostname']} ({node['NodeID'][:8]})"
                for node in ray.nodes()
                if node["Alive"] and node["Resources"].get("CPU", 0)
            }

    def ask(self, member: str, terms: bytes, seconds: float) -> list[str]:
        """Ask beside the node's tasks: it may be busy."""
        answer: list[str] = ray.get(_on(member, look, num_cpus=0).remote(terms), timeout=seconds)
        return answer

    def send(self, members: Collection[str], function: Callable[..., Any], *arguments: bytes) -> SentToRay:
        """The member that has the fewest tasks gets it; none that is known to be gone while there is another."""
        with self._lock, _head(self._address):
            member = min(members, key=lambda each: (each in self._gone, self._in_hand[each]), default="")
            self._in_hand[member] += 1
            return SentToRay(self, member, _on(member, function, num_cpus=1).remote(*arguments))

    def end(self, member: str) -> None:
        """Note that a member has one task less."""
        with self._lock:
            self._in_hand[member] -= 1

    def miss(self, member: str) -> None:
        """Note that a member is gone for good, as whoever looked a moment ago does not know yet."""
        with self._lock:
            self._gone.add(member)


class SentToRay:
    """A task on a node."""

    def __init__(self, cluster: RayCluster, member: str, reference: Any) -> None:
        self._cluster = cluster
        self._member = member
        self._reference = reference

    def result(self, seconds: float) -> Any:
        """What came of it; None where its node was gone before it could begin."""
        try:
            with _head(self._cluster._address):  # noqa: SLF001 - of the cluster's own module
                found = self._found(seconds)
        except LostError:
            self._cluster.end(self._member)
            raise
        self._cluster.end(self._member)
        return found

    def _found(self, seconds: float) -> Any:
        try:
            return ray.get(self._reference, timeout=seconds)
        except exceptions.TaskUnschedulableError:
            self._cluster.miss(self._member)
            return None
        except exceptions.NodeDiedError:
            self._cluster.miss(self._member)
            raise

    def cancel(self) -> None:
        """Give it up, if there is still a head."""
        self._cluster.end(self._member)
        with suppress(Exception), _head(self._cluster._address):  # noqa: SLF001 - of the cluster's own module
            ray.cancel(self._reference, force=True)


def _on(member: str, function: Callable[..., Any], *, num_cpus: int) -> Any:
    """The function, to be called on a node and on no other; anywhere without one."""
    strategy = NodeAffinitySchedulingStrategy(member, soft=False) if member else "DEFAULT"
    return ray.remote(function).options(num_cpus=num_cpus, max_retries=0, scheduling_strategy=strategy)


@contextmanager
def _head(address: str | None) -> Iterator[None]:
    """What the block raises, told as what has become of a task or of the head."""
    try:
        yield
    except TimeoutError:
        raise
    except LOST as error:
        raise LostError(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}") from None
    except Exception as error:  # noqa: BLE001 - Ray raises whatever its connection does
        raise _gone(address, "is lost", error) from None


def _gone(address: str | None, found: str, error: BaseException) -> ConfigurationError:
    return cluster_gone(f"The Ray head at {address or 'this machine'} {found}", error, REMEDY)
