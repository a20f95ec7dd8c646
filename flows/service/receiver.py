"""The HTTP end of ``labelsnap listen``: checks a delivery, writes it down, and answers before anything is done."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flows.commands.console import say
from flows.commands.faults import fault_of
from flows.service.admission import Connection, Crowd
from labelsnap.errors import ConfigurationError, StorageError
from labelsnap.labelbox.webhooks import delivery_id, is_signed
from labelsnap.snapshots.manifest import NOT_SUCH_JSON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from flows.listen import Watch
    from flows.service.admission import Limits

MAX_BYTES: Final = 1 << 20
MAX_DISCARDED: Final = 16 * MAX_BYTES
"""What is read of a larger body without being kept, so that an honest sender hears why it is not taken."""
MAX_WORKING: Final = 128
"""Deliveries that wait for the store; it is asked by 40 threads at most."""
ACCEPTED_AT_ONCE: Final = 8
"""Connections that are opened in one step: some steps pass until the oldest of too many is closed."""
QUEUE: Final = 1024
"""Connections that the system keeps until they are opened."""

log = logging.getLogger(__name__)


def receiver(watches: Sequence[Watch], secret: str) -> Starlette:
    """``POST /labelbox`` for deliveries signed with the secret, ``GET /health`` for probes.

    401 for a missing or wrong signature, 413 above 1 MiB, 400 for what is no JSON, 503 while the store does not answer
    (the sender may repeat) and while too many deliveries wait for it, 202 for everything else. A delivery that came
    before is 202 too and starts nothing.
    """
    deliveries = _Deliveries(watches, secret)

    async def health(_: Request) -> Response:
        return JSONResponse({"datasets": [watch.dataset.dataset for watch in watches]})

    return Starlette(routes=[Route("/labelbox", deliveries.take, methods=["POST"]), Route("/health", health)])


@dataclass
class _Deliveries:
    """Takes deliveries for the datasets' watches."""

    watches: Sequence[Watch]
    secret: str
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_WORKING))

    async def take(self, request: Request) -> Response:
        """Answer a request, whatever becomes of it."""
        try:
            return await self._answer(request)
        except ClientDisconnect:
            return refusal(HTTPStatus.REQUEST_TIMEOUT, "the body did not come")  # nobody is there to hear it
        except Exception as error:  # noqa: BLE001 - no delivery ends the listener
            log.warning("A delivery could not be taken: %s", fault_of(error))
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of labelsnap")

    async def _answer(self, request: Request) -> Response:
        body = await bounded_body(request)
        if body is None:
            return refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MAX_BYTES} bytes")
        if not is_signed(body, request.headers, self.secret):
            return refusal(HTTPStatus.UNAUTHORIZED, "no signature by this webhook's secret")
        try:
            msgspec.json.decode(body)
        except NOT_SUCH_JSON:
            return refusal(HTTPStatus.BAD_REQUEST, "the body is not JSON")
        delivery, meant = delivery_id(body, request.headers), concerned(self.watches, body)
        del body  # not kept while the store is waited for
        return await self._note(delivery, meant)

    async def _note(self, delivery: str, meant: Sequence[Watch]) -> Response:
        if self.room.locked():
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many deliveries wait for the store; deliver again")
        try:
            async with self.room:
                new = [await run_in_threadpool(watch.accept, delivery) for watch in meant]
        except StorageError as error:
            log.warning("A delivery could not be written down: %s", error)
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the store does not answer; deliver again")
        return JSONResponse({"accepted": True, "repeated": not any(new)}, HTTPStatus.ACCEPTED)


def concerned(watches: Sequence[Watch], body: bytes) -> Sequence[Watch]:
    """The datasets whose project the delivery names anywhere; all of them where it names none, since it is a hint."""
    named = [watch for watch in watches if any(each.encode() in body for each in watch.dataset.label_sources)]
    return named or watches


async def bounded_body(request: Request) -> bytes | None:
    """The raw body; None where it is too large, whatever length it declares. Raises ``ClientDisconnect``."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_DISCARDED:
            break
        if size <= MAX_BYTES:
            chunks.append(chunk)
    return b"".join(chunks) if size <= MAX_BYTES else None


def refusal(status: HTTPStatus, reason: str) -> Response:
    """Why a delivery is not taken."""
    return JSONResponse({"accepted": False, "reason": reason}, status)


class _Server(uvicorn.Server):
    """Opens few connections at a time, of many that the system keeps; says where, once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or []:
            each.listen(QUEUE)
            host, port = each.getsockname()
            say(f"listening on http://{host}:{port}/labelbox")


def server(app: Starlette, crowd: Crowd) -> uvicorn.Server:
    """A server of HTTP/1.1 alone, with one request a connection, within the limits of the crowd."""
    connection: Any = partial(Connection, crowd)
    config = uvicorn.Config(
        app,
        http=connection,
        ws="none",
        lifespan="off",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        backlog=ACCEPTED_AT_ONCE,
        headers=[("connection", "close")],
        timeout_graceful_shutdown=5,
    )
    return _Server(config)


def serve(app: Starlette, limits: Limits, *, host: str, port: int) -> None:
    """Serve until interrupted. Raises ``ConfigurationError`` for an address that cannot be listened on."""
    crowd = Crowd(limits)
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
        server(app, crowd).run(sockets=[listening])
        crowd.tell_dropped()
