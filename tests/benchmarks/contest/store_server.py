"""An S3 store with a latency and a count of requests: the sandbox's, which keeps files in a folder.

``python -m tests.benchmarks.contest.store_server FOLDER BUCKET`` is steered as ``steering`` says.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Final

from localbucket import S3Handler

from tests.benchmarks.contest.steering import obey

HOST: Final = "127.0.0.1"


class Counting:
    """The requests by method since they were last asked for, and the latency of each in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._requests: Counter[str] = Counter()
        self._lock = Lock()

    def met(self, method: str) -> None:
        """Count a request, and keep it waiting."""
        with self._lock:
            self._requests[method] += 1
        if self.seconds:
            time.sleep(self.seconds)

    def set(self, milliseconds: int) -> None:
        """Answer so late."""
        self.seconds = milliseconds / 1000

    def counted(self) -> dict[str, int]:
        """The requests by method since the last call."""
        with self._lock:
            counted, self._requests = dict(self._requests), Counter()
        return counted


class Server(ThreadingHTTPServer):
    """A thread a connection; many may come at once."""

    daemon_threads = True
    request_queue_size = 1024


def main(folder: str, bucket: str) -> None:
    """Serve until standard input ends."""
    Path(folder, bucket).mkdir(parents=True, exist_ok=True)
    counting = Counting()

    class Handler(S3Handler):  # type: ignore[misc]
        data_root = Path(folder).resolve()
        disable_nagle_algorithm = True

        def parse_request(self) -> bool:
            parsed: bool = super().parse_request()
            if parsed:
                counting.met(self.command)
            return parsed

    with Server((HOST, 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        obey(f"http://{HOST}:{server.server_port}", {"set": counting.set, "counted": counting.counted})
        server.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
