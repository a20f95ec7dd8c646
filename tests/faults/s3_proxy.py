"""A proxy in front of an S3 server that loses, delays, cuts and refuses, as a test says."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from threading import Lock
from urllib.parse import parse_qs, urlsplit

from tests.contracts.http_service import serving

REFUSALS = {
    409: b"<Error><Code>ConditionalRequestConflict</Code><Message>again</Message></Error>",
    501: b"<Error><Code>NotImplemented</Code><Message>A header implies what is not implemented</Message></Error>",
    500: b"<Error><Code>InternalError</Code><Message>oh</Message></Error>",
    503: b"<Error><Code>SlowDown</Code><Message>slow</Message></Error>",
}


def kind_of(method, target):
    """Name what a request wants."""
    url = urlsplit(target)
    query = parse_qs(url.query, keep_blank_values=True)
    if method == "POST":
        return "begin_parts" if "uploads" in query else "end_parts"
    if method == "PUT" and "partNumber" in query:
        return "part"
    if method == "GET" and "list-type" in query:
        return "list"
    if method == "PUT":
        folders = {"_probe": "probe", "commits": "commit", "manifests": "manifest", "data": "data"}
        return next((name for folder, name in folders.items() if f"/{folder}/" in url.path), "put")
    return method.lower()


@dataclass
class Fault:
    """What happens to the first requests of a kind.

    Effects: ``lost``, it takes effect and the connection breaks; ``cut``, the connection breaks before it arrives;
    ``late``, it breaks, and the request arrives when the test says; ``truncated``, half of the answer's body arrives;
    a number, an answer with that status, and no effect.
    """

    kind: str
    effect: str | int
    times: int = 1


@dataclass
class Proxy:
    """Passes requests on but for the faults, and keeps those that are late.

    With ``unconditional`` it is a server that answers 501 to a PUT with ``If-None-Match``.
    """

    backend: str
    fault: Fault | None = None
    unconditional: bool = False
    late: list = field(default_factory=list)
    met: int = 0
    lock: Lock = field(default_factory=Lock)

    def fate(self, kind):
        """Say what happens to a request, and count it."""
        with self.lock:
            if self.fault is None or self.fault.kind != kind or self.met >= self.fault.times:
                return None
            self.met += 1
            return self.fault.effect

    def forward(self, method, target, headers, body):
        """Ask the server; return status, headers and body."""
        connection = HTTPConnection(urlsplit(self.backend).netloc, timeout=60)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def land(self):
        """Let the late requests arrive."""
        while self.late:
            self.forward(*self.late.pop(0))


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy = None

    def log_message(self, *_):
        return

    def handle_expect_100(self):
        """Let the body come; what the server would say is not asked for."""
        del self.headers["Expect"]
        return super().handle_expect_100()

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = (self.command, self.path, self.headers, body)
        conditional = self.command == "PUT" and "If-None-Match" in self.headers
        refused = 501 if conditional and self.proxy.unconditional else None
        fate = refused or self.proxy.fate(kind_of(self.command, self.path))
        if isinstance(fate, int):
            self.answer(fate, [], b"" if self.command == "HEAD" else REFUSALS[fate])
            return
        if fate == "late":
            self.proxy.late.append(request)
        answer = self.proxy.forward(*request) if fate in {None, "lost", "truncated"} else None
        if fate in {None, "truncated"}:
            self.answer(*answer, share=1 if fate is None else 0.5)
        self.close_connection = self.close_connection or fate is not None

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do  # noqa: N815 - the server's own names

    def answer(self, status, headers, content, share=1):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        length = dict(headers).get("Content-Length", len(content)) if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content[: int(len(content) * share)])


@contextmanager
def proxied(backend, fault=None, *, unconditional=False):
    """Serve the proxy on a free port; give it and its end point."""
    proxy = Proxy(backend, fault, unconditional)
    with serving(type("Bound", (Handler,), {"proxy": proxy})) as port:
        yield proxy, f"http://127.0.0.1:{port}"
