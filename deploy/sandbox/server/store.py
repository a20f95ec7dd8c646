"""The embedded S3 store: localbucket over a folder, in a thread. It has no authentication and does not sync to disk."""

from __future__ import annotations

from http.server import ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

from localbucket import S3Handler

from deploy.sandbox.server.middleware import HOST

if TYPE_CHECKING:
    from pathlib import Path

BUCKET = "datasets"
POLL_SECONDS = 0.01
"""How long ``stop`` waits for the server to look whether it is to end."""


class Store:
    """An S3 endpoint on 127.0.0.1 whose buckets are the folders in ``directory``; the bucket ``datasets`` is there."""

    def __init__(self, directory: Path, port: int = 0) -> None:
        (directory / BUCKET).mkdir(parents=True, exist_ok=True)
        handler = type("Handler", (S3Handler,), {"data_root": directory.resolve(), "disable_nagle_algorithm": True})
        self._server = ThreadingHTTPServer((HOST, port), handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=[POLL_SECONDS], daemon=True)

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{HOST}:{self._server.server_port}"

    def start(self) -> None:
        """Serves until ``stop``."""
        self._thread.start()

    def stop(self) -> None:
        """Closes the socket; the folder stays."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
