"""Flows without Prefect's engine: a task is its function, called at once, and a flow run is a number that a test gives.

Prefect's part in a run, its retries and its pools, has tests of its own; a history of months has hundreds of tasks.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from unittest.mock import patch

from prefect import Task

ARTIFACTS = ("image", "markdown", "progress", "table")


@dataclass(frozen=True)
class Done:
    """The future of what is done already."""

    receipt: object

    def result(self):
        """What was made."""
        return self.receipt


@contextmanager
def engine():
    """Flows called by ``fn`` run in the caller's thread.

    ``flow_run.id`` of what is given names the flow run, ``flow_run.run_count`` its attempt.
    """
    runtime = SimpleNamespace(flow_run=SimpleNamespace(id="", run_count=1))
    with ExitStack() as stack:
        stack.enter_context(patch.object(Task, "__call__", lambda task, *given, **named: task.fn(*given, **named)))
        stack.enter_context(patch.object(Task, "submit", lambda task, *given, **named: Done(task.fn(*given, **named))))
        stack.enter_context(patch("tasks.machines.window.as_completed", iter))
        for name in ARTIFACTS:
            stack.enter_context(patch(f"tasks.telling.artifacts.create_{name}_artifact", lambda *_, **__: None))
        for module in ("flows.refresh", "flows.backfill", "flows.reprocess", "tasks.machines.here"):
            stack.enter_context(patch(f"{module}.runtime", runtime))
        yield runtime
