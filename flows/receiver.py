"""The HTTP end of ``labelsnap listen``: checks a delivery, writes it down, and answers before anything is done."""

from __future__ import annotations

import logging
import socket
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flows.console import say
from tasks.errors import ConfigurationError, StorageError
from tasks.labelbox.webhooks import delivery_id, is_signed
from tasks.snapshots.manifest import NOT_SUCH_JSON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from flows.listen import Watch

MAX_BYTES: Final = 1 << 20

log = logging.getLogger(__name__)


def receiver(watches: Sequence[Watch], secret: str) -> Starlette:
    """``POST /labelbox`` for deliveries signed with the secret, ``GET /health`` for probes.

    401 for a missing or wrong signature, 413 above 1 MiB, 400 for what is no JSON, 503 while the store does not answer
    (the sender may repeat), 202 for everything else. A delivery that came before is 202 too and starts nothing.
    """

    async def labelbox(request: Request) -> Response:
        body = await bounded_body(request)
        if body is None:
            return refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MAX_BYTES} bytes")
        if not is_signed(body, request.headers, secret):
            return refusal(HTTPStatus.UNAUTHORIZED, "no signature by this webhook's secret")
        try:
            msgspec.json.decode(body)
        except NOT_SUCH_JSON:
            return refusal(HTTPStatus.BAD_REQUEST, "the body is not JSON")
        delivery = delivery_id(body, request.headers)
        try:
            new = [await run_in_threadpool(watch.accept, delivery) for watch in concerned(watches, body)]
        except StorageError as error:
            log.warning("A delivery could not be written down: %s", error)
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the store does not answer; deliver again")
        return JSONResponse({"accepted": True, "repeated": not any(new)}, HTTPStatus.ACCEPTED)

    async def health(_: Request) -> Response:
        return JSONResponse({"datasets": [watch.dataset.dataset for watch in watches]})

    return Starlette(routes=[Route("/labelbox", labelbox, methods=["POST"]), Route("/health", health)])


def concerned(watches: Sequence[Watch], body: bytes) -> Sequence[Watch]:
    """The datasets whose project the delivery names anywhere; all of them where it names none, since it is a hint."""
    named = [watch for watch in watches if watch.dataset.source.id.encode() in body]
    return named or watches


async def bounded_body(request: Request) -> bytes | None:
    """The raw body; None as soon as it is too large, whatever length it declares."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BYTES:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def refusal(status: HTTPStatus, reason: str) -> Response:
    """Why a delivery is not taken."""
    return JSONResponse({"accepted": False, "reason": reason}, status)


def serve(app: Starlette, *, host: str, port: int) -> None:
    """Serve until interrupted. Raises ``ConfigurationError`` for an address that cannot be listened on."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with closing(listening):
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"Nothing can listen on {host}:{port}: {error.strerror or error}.",
                remedy="Give another --host or --port.",
                code="address_in_use",
            ) from None
        say(f"listening on http://{host}:{listening.getsockname()[1]}/labelbox")
        config = uvicorn.Config(app, lifespan="off", proxy_headers=False, log_config=None, timeout_graceful_shutdown=5)
        uvicorn.Server(config).run(sockets=[listening])
