"""What stands where Prefect's server is looked for: one that refuses, a page, a proxy that wants a header."""

from __future__ import annotations

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import requests

from tests.contracts.http_service import serving

PASSED_ON = ("Content-Type", "Prefect-Csrf-Token", "Prefect-Csrf-Client", "X-Prefect-Api-Version")
PAGE = b"<!DOCTYPE html><title>Sign in</title>"


@contextmanager
def served(answer):
    """Serve what ``answer`` gives for a request and its body: (status, content type, body); give the address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self):
            status, kind, body = answer(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - http.server's names

        def log_message(self, *_):
            """Say nothing."""

    with serving(Handler) as port:
        yield f"http://user:the-password@127.0.0.1:{port}/api"


def answering(status):
    """One that tells everybody that it is well, and answers all else with this status and a page."""
    return served(
        lambda request, _: (
            (200, "application/json", b"true") if request.path == "/api/health" else (status, "text/html", PAGE)
        )
    )


def behind_header(target, name, value):
    """A proxy before a Prefect server that lets through who sends this header."""

    def answer(request, body):
        if request.headers.get(name) != value:
            return 403, "text/html", PAGE
        headers = {each: request.headers[each] for each in PASSED_ON if each in request.headers}
        found = requests.request(request.command, f"{target}{request.path}", data=body, headers=headers, timeout=30)
        return found.status_code, found.headers.get("Content-Type", ""), found.content

    return served(answer)
