"""A Prefect worker that is stopped in order: its runs are told before it, and have time to end.

Prefect's own process worker kills its runs the moment that it is told to stop: they keep their leases until these
lapse, and stay *Running* in Prefect.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from socket import gethostname
from threading import Event
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from flows.commands.faults import stops
from flows.service.started_runs import MARK, StartedRuns
from labelsnap.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_SECONDS: Final = 0.5
SETTLED_SECONDS: Final = 2.0
"""How long the worker has had no process before it is ended: it reports how they ended."""
HUNG_UP: Final = 129
"""The shell's exit status for a terminal that was closed."""
PR_SET_PDEATHSIG: Final = 1
LEVEL: Final = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
HEARD: Final = {LEVEL: "WARNING"}
"""What the worker and its runs warn of is printed: there is no command that tells it in its own words."""


def work(pool: str, limit: int | None, grace: float) -> int:
    """Run a process worker of the pool until it is told to stop; give the exit status, 0 after a stop in order.

    Then, or where Prefect's worker ends by itself, each run gets SIGTERM and lets go of its lease; those that are not
    done after ``grace`` seconds are killed with the worker; and all are scheduled again.
    Raises ``ConfigurationError`` where Prefect's worker ended by itself.
    """
    stop, sent = Event(), list[int]()

    def told(number: int, _: Any) -> None:
        sent.append(number)
        stop.set()

    for each in (*stops(), signal.SIGINT):
        signal.signal(each, told)
    options = ["--limit", str(limit)] if limit else []
    mark = uuid4().hex
    name = f"labelsnap {gethostname()} {mark[:12]}"
    start = ["worker", "start", "--pool", pool, "--type", "process", "--name", name]
    command = [sys.executable, "-m", "prefect", *start, *options]
    environment = os.environ | {MARK: mark} | (HEARD if os.environ.get(LEVEL) == "CRITICAL" else {})
    with subprocess.Popen(command, start_new_session=True, preexec_fn=ending_with_us(), env=environment) as worker:  # noqa: S603, PLW1509 - our own interpreter, before there are threads
        runs = StartedRuns(worker.pid, mark, name)

        def look() -> set[int]:
            gone = worker.poll() is not None
            living = runs.processes(gone=gone)
            runs.look_after(gone=gone)
            return living

        while worker.poll() is None and not stop.wait(LOOK_SECONDS):
            look()
        ended = worker.poll()
        end_runs(look, grace)
        end(worker)
    for process in runs.processes(gone=True):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    runs.leave()
    if ended is not None and not stop.is_set():
        raise _ended_by_itself(ended)
    return HUNG_UP if signal.SIGHUP in sent else 0


def _ended_by_itself(status: int) -> ConfigurationError:
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    return ConfigurationError(
        f"Prefect's worker ended {how}; its runs were told to end and are started again where a worker is.",
        remedy="Its last words are above; after signal 9 look whether the machine ran out of memory. Start it again.",
        code="worker_ended",
    )


def ending_with_us() -> Callable[[], None] | None:
    """What makes a new process get SIGTERM when the one that started it is killed; None where only Linux has that."""
    if sys.platform != "linux":
        return None
    control = ctypes.CDLL(None).prctl

    def ask() -> None:
        control(PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask


def end_runs(processes: Callable[[], set[int]], grace: float) -> None:
    """Send SIGTERM to every process of the worker, also to those it starts meanwhile, and wait until there is none."""
    deadline, told = time.monotonic() + grace, set[int]()
    settled = time.monotonic() + SETTLED_SECONDS
    while time.monotonic() < min(deadline, settled):
        running = processes()
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
