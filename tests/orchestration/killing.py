"""A refresh in a process of its own, which is killed at a given request to its store or a moment later."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from threading import Lock, Timer

from localbucket import S3Handler
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_LEVEL, temporary_settings

from config.dataset import Dataset
from flows.refresh import refresh
from tests.contracts.http_service import serving
from tests.contracts.processes import PROCESSES


class Trigger:
    """Counts requests to the store; at the chosen one, or a moment later, a process is killed."""

    def __init__(self):
        self.lock = Lock()
        self.paths = []
        self.on_path = lambda _: None
        self.at, self.delay, self.process = None, 0, None

    def arm(self, process, at, delay):
        """Kill the process ``delay`` seconds after so many requests from now; never where ``at`` is None."""
        with self.lock:
            self.paths, self.at, self.delay, self.process = [], at, delay, process

    def __call__(self, path):
        with self.lock:
            self.on_path(path)
            self.paths.append(path)
            if len(self.paths) == self.at:
                Timer(self.delay, self.process.kill).start()


@contextmanager
def counting_store(directory, trigger):
    """An S3 store over a folder, each request of which is an event; gives its end point."""

    class Handler(S3Handler):
        data_root = directory.resolve()
        disable_nagle_algorithm = True

        def parse_request(self):
            whole = super().parse_request()
            trigger(f"{self.command} {self.path}")
            return whole

        def log_message(self, *_):
            """Say nothing."""

        def handle(self):
            try:
                super().handle()
            except (ConnectionError, ValueError):
                self.close_connection = True  # the client was killed

    (directory / "datasets").mkdir(parents=True)
    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}"


def run(content, environment, api_url):
    """What the process does: one refresh."""
    os.environ.update(environment)
    with temporary_settings({PREFECT_API_URL: api_url, PREFECT_LOGGING_LEVEL: "CRITICAL"}):
        refresh(Dataset.model_validate(content))


def refreshed(dataset, environment, trigger, *, at=None, delay=0):
    """Run a refresh to its end, or until it is killed; say whether it came to its end."""
    content = dataset.model_dump(mode="json")
    process = PROCESSES.Process(target=run, args=(content, environment, PREFECT_API_URL.value()))
    process.start()
    trigger.arm(process, at, delay)
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}, process.exitcode
    return process.exitcode == 0
