"""A whole Prefect server, with the scheduler that the test harness leaves out, and what runs beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.contracts.store_fixtures import free_port

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
}
BIN = Path(sys.executable).parent


def until(condition, seconds):
    """What the condition gives as soon as it is true; fails when it is not in so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.5)
    return found


@contextmanager
def running(*command, environment, log):
    """A command of this environment while the block runs; SIGTERM ends it, and SIGKILL what does not listen."""
    with (
        log.open("ab") as output,
        subprocess.Popen(  # noqa: S603 - commands of our own environment
            [str(BIN / command[0]), *command[1:]],
            env=os.environ | environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def prefect_service(folder):
    """The environment that leads to a new server."""
    port = free_port()
    environment = QUIET | {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    start = ("prefect", "server", "start", "--port", str(port), "--no-ui")
    with running(*start, environment=environment, log=folder / "server.log") as server:

        def answers():
            assert server.poll() is None, (folder / "server.log").read_text(encoding="utf-8")[-2000:]
            try:
                return requests.get(f"{environment['PREFECT_API_URL']}/health", timeout=5).ok
            except requests.ConnectionError:
                return False

        until(answers, 240)
        yield environment
