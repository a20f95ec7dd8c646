"""A run's tasks on a cluster: each is with one machine that fits, and sent again where that is lost.

The one way for Dask and Ray; what they do differently is behind ``tasks.machines.roster.Cluster``.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import msgspec
from prefect.context import serialize_context
from prefect.futures import PrefectConcurrentFuture
from prefect.settings import PREFECT_API_URL

from config.settings import load_settings
from labelsnap.errors import ConfigurationError, StorageError
from tasks.machines.fitness import Misfit, carry_out, drop_terms, packed, set_terms
from tasks.machines.roster import LOOK_SECONDS, LostError, Roster

if TYPE_CHECKING:
    from concurrent.futures import Future

    from prefect.tasks import Task

    from config.dataset import Dataset
    from tasks.machines.roster import Cluster, Sent

ATTEMPTS: Final = 3
"""How many machines one task may cost."""
IN_HAND: Final = 256
"""Tasks that may be waited for at a time; ``LABELSNAP_WORKERS`` is no more."""


class Sending:
    """The tasks of one run on one cluster. ``is_ours``: its machines are processes that this one has started."""

    def __init__(self, cluster: Cluster, dataset: Dataset, *, is_ours: bool) -> None:
        self._cluster = cluster
        self._is_ours = is_ours
        self._terms = set_terms(dataset, has_server=not is_ours and bool(PREFECT_API_URL.value()))
        self._body = msgspec.json.encode(self._terms)
        self._stopped = Event()
        self._roster = Roster(cluster, self._body, patience=load_settings().worker_seconds)
        self._carriers = ThreadPoolExecutor(IN_HAND, thread_name_prefix="carry")

    def begin(self) -> None:
        """Ask every machine whether it fits. Raises ``ConfigurationError`` where none does."""
        self._roster.begin()

    def close(self) -> None:
        """Give up what is with the cluster."""
        self._stopped.set()
        self._carriers.shutdown(cancel_futures=True)
        self._roster.close()
        with suppress(StorageError):
            drop_terms(self._terms)

    def submit(
        self, task: Task[..., Any], parameters: dict[str, Any], dependencies: Any
    ) -> PrefectConcurrentFuture[Any]:
        """Hand a task over.

        Prefect's settings stay at home: they hold its API key, auth string and database password, and would override
        those of the machine that carries out the task.
        """
        number = uuid4()
        inputs: dict[str, Any] = {name: set() for name in parameters}
        asset = {"task": task, "task_run_id": number, "task_inputs": inputs, "copy_to_child_ctx": True}
        context = serialize_context(asset_ctx_kwargs=asset)
        if not self._is_ours:
            context["settings_context"] = {}
        call = packed(
            {
                "task": task,
                "task_run_id": number,
                "parameters": parameters,
                "wait_for": (),
                "return_type": "state",
                "dependencies": dependencies or inputs,
                "context": context,
            }
        )
        future: Future[Any] = self._carriers.submit(self._carry, call)
        return PrefectConcurrentFuture(number, future)

    def _carry(self, call: bytes) -> Any:
        """The state of a task that some machine has carried out."""
        lost: list[str] = []
        while len(lost) < ATTEMPTS:
            members = self._roster.await_fit()
            sent = self._cluster.send(members, carry_out, self._body, call)
            try:
                found = self._result(sent, members)
            except LostError as loss:
                lost.append(str(loss))
                continue
            if isinstance(found, Misfit):
                lost.append(f"{found.machine}: {'; '.join(found.reasons)}")
                self._roster.ask_again(lost[-1])
            elif found is not None:
                return found
        raise ConfigurationError(
            f"A task was given to {ATTEMPTS} workers, and none has carried it out: {'; '.join(lost)}.",
            remedy="Look at the workers' memory and logs; a smaller LABELSNAP_ROWS_PER_BUCKET and fewer "
            "LABELSNAP_DOWNLOAD_THREADS need less. Then run again: what is finished is kept.",
            code="worker_lost",
        )

    def _result(self, sent: Sent, members: frozenset[str]) -> Any:
        """What came of a task; None where nobody began it, or everybody who might have it is gone."""
        while True:
            try:
                return sent.result(LOOK_SECONDS)
            except TimeoutError:
                if self._stopped.is_set():
                    sent.cancel()
                    raise
                if not members & self._roster.fit():
                    sent.cancel()
                    return None
