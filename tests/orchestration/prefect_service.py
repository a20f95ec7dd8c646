"""A whole Prefect server, with the scheduler that the test harness leaves out, and what runs beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
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


def until(condition, seconds, look=0.5):
    """What the condition gives as soon as it is true, looked at so often; fails when it is not in so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(look)
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
def prefect_service(folder, **settings):
    """The environment that leads to a new server, which has these settings beside."""
    port = free_port()
    environment = QUIET | {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    server = Server(environment | settings, port, folder / "server.log")
    SERVERS[environment["PREFECT_API_URL"]] = server
    server.start()
    try:
        yield environment
    finally:
        server.stop()
        del SERVERS[environment["PREFECT_API_URL"]]


class Server:
    """A Prefect server that may be ended and started again on the same port and database."""

    def __init__(self, environment, port, log):
        self.environment, self.port, self.log = environment, port, log
        self.stack = ExitStack()

    def start(self):
        """Start it, and return when it answers."""
        start = ("prefect", "server", "start", "--port", str(self.port), "--no-ui")
        server = self.stack.enter_context(running(*start, environment=self.environment, log=self.log))

        def answers():
            assert server.poll() is None, self.log.read_text(encoding="utf-8")[-2000:]
            try:
                return requests.get(f"{self.environment['PREFECT_API_URL']}/health", timeout=5).ok
            except requests.ConnectionError:
                return False

        until(answers, 240)

    def stop(self):
        """End it."""
        self.stack.close()


SERVERS = {}


def restarted(environment, *, away):
    """End the server of an environment, and start it again after so many seconds."""
    server = SERVERS[environment["PREFECT_API_URL"]]
    server.stop()
    time.sleep(away)
    server.start()
