"""What runners of clusters have in common: tasks go by ``tasks.machines.sending``, and workers are checked first."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from prefect.context import FlowRunContext

from labelsnap.errors import ConfigurationError
from tasks.machines.sending import Sending

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture
    from prefect.tasks import Task

    from config.dataset import Dataset
    from tasks.machines.roster import Cluster


class ClusterRunner:
    """Half of a runner of Prefect's; the other half starts the cluster or connects to it."""

    address: str | None
    _sending: Sending | None = None

    @abstractmethod
    def _cluster_here(self) -> Cluster:
        """The cluster, connected. Raises ``ConfigurationError`` where it cannot be used."""

    def prepare(self, dataset: Dataset) -> None:
        """Check the cluster and its workers for a run. Raises ``ConfigurationError`` where no worker fits."""
        self._sending = Sending(self._cluster_here(), dataset, is_ours=not self.address)
        self._sending.begin()

    def submit(
        self, task: Task[..., Any], parameters: dict[str, Any], wait_for: Any = None, dependencies: Any = None
    ) -> PrefectFuture[Any]:
        """Send a task to a worker that fits. ``wait_for`` is of no use here: no task waits for another."""
        del wait_for
        if self._sending is None:
            raise RuntimeError("the workers were not checked before a task was submitted")
        return self._sending.submit(task, parameters, dependencies)

    def __exit__(self, *error: object) -> None:
        if self._sending is not None:
            self._sending.close()
        super().__exit__(*error)  # type: ignore[misc]


def check_workers(dataset: Dataset) -> None:
    """Check the workers of the flow run that this is, where they may be other machines."""
    context = FlowRunContext.get()
    runner: Any = context.task_runner if context else None
    if isinstance(runner, ClusterRunner):
        runner.prepare(dataset)


def cluster_gone(what: str, error: BaseException, remedy: str) -> ConfigurationError:
    """A cluster that cannot be used (any more)."""
    first, *others = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    why = f"{first} {others[-1]}" if others and first.endswith(":") else first  # a heading, and a traceback's end
    return ConfigurationError(
        f"{what} ({type(error).__name__}{f': {why[:200]}' if why else ''}).", remedy=remedy, code="cluster_unusable"
    )
