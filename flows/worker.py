"""A Prefect worker that is stopped in order: its runs are told before it, and have time to end.

Prefect's own process worker kills its runs the moment that it is told to stop: they keep their leases until these
lapse, and stay *Running* in Prefect.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any, Final

PROCESSES: Final = Path("/proc")
LOOK_SECONDS: Final = 0.5
SETTLED_SECONDS: Final = 2.0
"""How long the worker has had no process before it is ended: it reports how they ended."""


def work(pool: str, limit: int | None, grace: float) -> int:
    """Run a process worker of the pool until SIGTERM or SIGINT; give its exit status, 0 after a stop in order.

    Then each of its runs gets SIGTERM, lets go of its lease and says in Prefect that it ended; those that are not done
    after ``grace`` seconds are killed with the worker.
    """
    stop = Event()

    def told(*_: Any) -> None:
        stop.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, told)
    options = ["--limit", str(limit)] if limit else []
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process", *options]
    with subprocess.Popen(command, start_new_session=True) as worker:  # noqa: S603 - our own interpreter
        while worker.poll() is None and not stop.wait(LOOK_SECONDS):
            pass
        if worker.poll() is None:
            end_runs(worker.pid, grace)
            end(worker)
    return 0 if stop.is_set() else worker.returncode


def end_runs(worker: int, grace: float) -> None:
    """Send SIGTERM to every process that the worker started, or starts meanwhile, and wait until there is none."""
    deadline, told = time.monotonic() + grace, set[int]()
    settled = time.monotonic() + SETTLED_SECONDS
    while time.monotonic() < min(deadline, settled):
        running = children_of(worker)
        for process in running - told:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
        told |= running
        if running:
            settled = time.monotonic() + SETTLED_SECONDS
        time.sleep(LOOK_SECONDS)


def end(worker: subprocess.Popen[bytes]) -> None:
    """End the worker itself, with whatever it still runs."""
    worker.terminate()
    try:
        worker.wait(10)
    except subprocess.TimeoutExpired:
        worker.kill()


def children_of(parent: int) -> set[int]:
    """The processes that a process has started, as Linux lists them; none on other systems."""
    children = set()
    for status in PROCESSES.glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                children.add(int(status.parent.name))
    return children
