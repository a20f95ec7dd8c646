"""Which failures a task is repeated for: those that may pass, a bounded number of times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from prefect.cache_policies import NO_CACHE

from labelsnap.errors import LabelboxAnswerError, StorageOutcomeUnknownError
from labelsnap.labelbox.patience import WAITED_OUT
from tasks.machines.room import scratch_fault

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State, TaskRun
    from prefect.tasks import Task


def may_pass(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 - Prefect's signature
    """Whether a failed task is worth repeating: a lost answer is; a refusal, and what was waited for, are not."""
    failure = state.result(raise_on_failure=False)
    if isinstance(failure, LabelboxAnswerError):
        return failure.code not in WAITED_OUT
    if isinstance(failure, OSError):
        return scratch_fault(failure) is None
    return isinstance(failure, StorageOutcomeUnknownError)


RETRIES: Final[dict[str, Any]] = {
    "retries": 2,
    "retry_delay_seconds": [2, 10],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": may_pass,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
"""Options of every task. Receipts are kept in our own ledger, so Prefect caches and persists nothing."""
