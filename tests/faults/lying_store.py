"""An S3 server that lies: bodies longer than announced or without end, wrong ranges, lists without end, redirects."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler

from tests.contracts.http_service import serving

MODIFIED = "2024-05-06T07:08:09.000Z"
PAGE = (
    '<?xml version="1.0"?><ListBucketResult><IsTruncated>true</IsTruncated>'
    "<NextContinuationToken>{token}</NextContinuationToken>{items}</ListBucketResult>"
)
ITEM = "<Contents><Key>{key}</Key><Size>{size}</Size><LastModified>{modified}</LastModified></Contents>"


class LyingStore:
    """What the server answers, by a function of the handler; ``sent`` counts bytes, ``asked`` has the requests."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []
        self.sent = 0


def endless(handler, *, announced=None, status=200, headers=()):
    """Send a body that does not end: in chunks, or longer than is announced."""
    handler.send_response(status)
    for name, value in headers:
        handler.send_header(name, value)
    if announced is None:
        handler.send_header("Transfer-Encoding", "chunked")
    else:
        handler.send_header("Content-Length", str(announced))
    handler.end_headers()
    block = b"a" * (1 << 16)
    while True:
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if announced is None else block)
        handler.lies.sent += len(block)


def whole(handler, body, *, status=200, headers=()):
    """Send a body with its length."""
    handler.send_response(status)
    for name, value in (*headers, ("Content-Length", str(len(body)))):
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body if handler.command != "HEAD" else b"")


def page(handler, keys, token, size="1", modified=MODIFIED):
    """Send a page of a list that goes on."""
    items = "".join(ITEM.format(key=key, size=size, modified=modified) for key in keys)
    whole(handler, PAGE.format(token=token, items=items).encode())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lies = None

    def log_message(self, *_):
        return

    def do(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.lies.asked.append((self.command, self.path))
        with suppress(OSError):  # whoever asked has heard enough
            self.lies.answer(self)
        self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do  # noqa: N815 - the server's own names


@contextmanager
def lying(answer):
    """Serve the lies on a free port; give them and their end point."""
    lies = LyingStore(answer)
    with serving(type("Bound", (_Handler,), {"lies": lies})) as port:
        yield lies, f"http://127.0.0.1:{port}"
