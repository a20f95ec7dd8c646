"""Deletions of many objects: a thousand a request, and what servers answer that keep some, or know no such request."""

from __future__ import annotations

import re
from http.server import BaseHTTPRequestHandler

import pytest

from labelsnap.errors import StorageRefusedError
from labelsnap.storage import open_store
from labelsnap.storage.s3.store import DELETED_AT_ONCE
from tests.contracts.http_service import serving

KEPT = "data/kept-0123456789abcdef.txt"
DENIED = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"


class Answering(BaseHTTPRequestHandler):
    """Removes what is asked for, but for one object; ``knows_many`` says whether it knows the request for many."""

    knows_many = True

    def do_POST(self):
        """Answer a request for many."""
        keys = re.findall(r"<Key>([^<]+)</Key>", self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.asked.append(len(keys))
        if not self.knows_many:
            self.answer(501, b"<Error><Code>NotImplemented</Code><Message>no</Message></Error>")
            return
        errors = "".join(
            f"<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
            for key in keys
            if key.endswith(KEPT)
        )
        self.answer(200, f"<DeleteResult>{errors}</DeleteResult>".encode())

    def do_DELETE(self):
        """Answer a request for one."""
        self.server.asked.append(self.path.partition("/dataset/")[2])
        self.answer(403, DENIED) if self.path.endswith(KEPT) else self.answer(204, b"")

    def answer(self, status, body):
        """Answer with XML."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(params=[True, False], ids=["many", "one by one"])
def server(request, aws, monkeypatch):
    """A server of either kind; gives the list of what it was asked."""
    monkeypatch.setattr("labelsnap.storage.s3.store._ONE_BY_ONE", set())
    asked = []
    handler = type("Handler", (Answering,), {"knows_many": request.param})

    def made(*arguments):
        arguments[2].asked = asked
        return handler(*arguments)

    with serving(made) as port:
        aws(f"http://127.0.0.1:{port}")
        yield request.param, asked


def test_a_thousand_go_by_one_request(server):
    """A server that knows no such request is asked for each, side by side."""
    knows_many, asked = server
    keys = [f"data/{number}.txt" for number in range(DELETED_AT_ONCE + 2 if knows_many else 3)]
    open_store("s3://bucket/dataset").delete_many(keys)
    assert (asked if knows_many else [asked[0], *sorted(asked[1:])]) == ([1000, 2] if knows_many else [3, *keys])


def test_what_a_server_keeps_is_named_once_all_others_are_gone(server):
    """By its own key and the server's reason."""
    knows_many, asked = server
    keys = ["data/a.txt", KEPT, "data/z.txt"]
    with pytest.raises(StorageRefusedError, match=KEPT) as refused:
        open_store("s3://bucket/dataset").delete_many(keys)
    assert refused.value.code == "access_denied"
    assert [asked[0], *sorted(asked[1:])] == ([3, KEPT] if knows_many else [3, *sorted(keys)])


def test_a_server_is_asked_once_whether_it_knows_a_request_for_many(server):
    """From then on this process asks it for each."""
    knows_many, asked = server
    for key in ("data/a.txt", "data/b.txt"):
        open_store("s3://bucket/dataset").delete_many([key])
    assert asked == ([1, 1] if knows_many else [1, "data/a.txt", "data/b.txt"])
