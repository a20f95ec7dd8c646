"""A server of images on this machine, and a downloader that reaches it."""

from __future__ import annotations

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

from labelsnap.labelbox.downloads.download import Downloader
from labelsnap.labelbox.downloads.pace import Pace
from labelsnap.labelbox.retry import Backoff

if TYPE_CHECKING:
    from collections.abc import Iterator


class ImageServer(ThreadingHTTPServer):
    """Gives ``images`` by path, and keeps which were ``asked`` for, in order, with the ``headers`` of each request.

    What has ``moved`` is redirected. ``told`` are headers that go with an image, ``statuses`` those of paths that are
    answered without one. Where a path with its query is not known, it is looked for without. A condition that names
    what is told is answered 304. ``raw`` are whole answers by path, written as they are.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.images: dict[str, bytes] = {}
        self.moved: dict[str, str] = {}
        self.told: dict[str, dict[str, str]] = {}
        self.statuses: dict[str, int] = {}
        self.raw: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []

    def url(self, path: str) -> str:
        """Give an image's address."""
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a connection that was closed before its body was read."""


class _Handler(BaseHTTPRequestHandler):
    server: ImageServer

    def do_GET(self) -> None:
        """Give an image with its length, or 404; or what else is to be answered."""
        server, path = self.server, self.path.partition("?")[0]
        server.asked.append(self.path)
        server.headers.append(dict(self.headers))
        if path in server.raw:
            self.wfile.write(server.raw[path])
            self.close_connection = True
            return
        told, body = server.told.get(path, {}), server.images.get(self.path, server.images.get(path))
        conditions = {"If-None-Match": "ETag", "If-Modified-Since": "Last-Modified"}
        stands = any(self.headers.get(asked, told) == told.get(name) for asked, name in conditions.items())
        status = server.statuses.get(path, 304 if stands else 404 if body is None else 200)
        location = server.moved.get(self.path)
        self.send_response(302 if location else status)
        if location:
            self.send_header("Location", location)
        for name, value in told.items():
            self.send_header(name, value)
        if status != 200:
            body = None
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[tuple[ImageServer, Downloader]]:
    """Serve, and give a downloader that waits for nothing between attempts."""
    with ImageServer() as server:
        Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        with Downloader(
            api_key="",
            rest_endpoint="https://api.labelbox.com/api/v1",
            allow_hosts=frozenset({"127.0.0.1"}),
            connections=2,
            pace=Pace(1_000_000),
            backoff=Backoff(base=0, cap=0),
        ) as downloader:
            yield server, downloader
        server.shutdown()
