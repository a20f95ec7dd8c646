"""Deliveries to the listener: signed ones of any body, and any headers, in pieces of any size."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from config.reading import parse_dataset
from deploy.sandbox.server.webhooks import delivery
from flows.listen import Watch
from flows.service.receiver import receiver
from tests.fuzz.mutation import bytes_mutator, json_mutator
from tests.fuzz.target import MEBIBYTE, Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from random import Random

    from tests.fuzz.target import Run

SECRET = "a secret"
STATUSES = {200, 202, 400, 401, 404, 405, 413, 503}
END = b"\n\n"
TOKENS = (b"sha1=", b"sha256=", b"x-hub-signature: ", b"x-labelbox-id: ", b"project-1", b"\0", b"\xff", b"\n", END)


def seeds() -> dict[str, bytes]:
    """A delivery's body, of which a right signature is made; and whole deliveries, headers first, which are sent so."""
    sent = delivery({"project": {"id": "project-1"}}, secret=SECRET, event="E", delivery_id="1")
    headers = b"\n".join(f"{name.lower()}: {value}".encode() for name, value in sent.headers.items())
    large = json.dumps({"project": {"id": "project-2"}, "rows": ["x" * 20] * 200}).encode()
    return {"signed": sent.body, "signed large": large, "whole": headers + END + sent.body}


def mutate(generator: Random, body: bytes, others: Sequence[bytes]) -> bytes:
    """Damage a body's values, or the bytes of a whole delivery."""
    if body.startswith(b"{"):
        return json_mutator(TOKENS)(generator, body, others)
    return bytes_mutator(TOKENS)(generator, body, others)


def prepare(folder: Path) -> Run:
    """Send a delivery to the application itself, without a socket."""
    content = {"store": folder.as_uri(), "source": {"project": "project-1"}}
    watch = Watch(parse_dataset({"dataset": "street-scenes", **content}), quiet=0, poll=0)
    app = receiver([watch], SECRET)
    hints = folder / "street-scenes" / "work" / "hints"

    def run(label: str, body: bytes) -> str:
        headers, body = _signed(body) if label.startswith("signed") else _parted(body)
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/labelbox",
            "raw_path": b"/labelbox",
            "query_string": b"",
            "headers": headers,
            "server": None,
            "client": None,
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
        }
        status = asyncio.run(_answer(app, scope, body))
        assert status in STATUSES, status
        for hint in hints.glob("*"):
            hint.unlink()
        return str(status)

    return run


def _signed(body: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    signature = hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    return [(b"x-hub-signature", f"sha1={signature}".encode())], body


def _parted(body: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    head, _, rest = body.partition(END)
    parted = [line.partition(b": ") for line in head.split(b"\n")]
    return [(name.strip().lower(), value) for name, _, value in parted], rest


async def _answer(app: Any, scope: dict[str, Any], body: bytes) -> int:
    """The status of the answer to a body that comes in two pieces."""
    middle = len(body) // 2
    pieces = [body[middle:], body[:middle]]
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(), "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    await app(scope, receive, send)
    return statuses[0]


TARGET = Target("webhooks", seeds, prepare, mutate, budget=96 * MEBIBYTE, share=2)
