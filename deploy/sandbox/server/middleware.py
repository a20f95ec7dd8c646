"""The outermost layer of the server: names each request, records it, and lets faults strike."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from deploy.sandbox.server.graphql import operation_name
from deploy.sandbox.server.traffic import ForeignRequest, Traffic

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from deploy.sandbox.server.faults import Fault, Faults

HOST = "127.0.0.1"

_KINDS = (
    (re.compile(r"^/(graphql|_gql)$"), "graphql"),
    (re.compile(r"^/files/"), "chunk"),
    (re.compile(r"^/api/v1/tasks/[^/]+/masks/"), "composite_mask"),
    (re.compile(r"^/api/v1/(projects|models)/[^/]+/annotations/"), "instance_mask"),
    (re.compile(r"^/images/"), "image"),
    (re.compile(r"^/admin$"), "admin"),
)
_STREAM = re.compile(rb'"streamType": *"([A-Z]{1,20})"')
_FOREIGN = "foreign:"
_BLOCK = 1 << 16
_WITH_KEY = ("graphql", "composite_mask", "instance_mask", "admin")
_connections: dict[tuple[object, object], asyncio.Transport] = {}


class Protocol(H11Protocol):
    """Uvicorn's HTTP protocol, with the open connections within reach so that one can be cut."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remembers the connection by its two ends."""
        super().connection_made(transport)
        _connections[self.client, self.server] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets it."""
        super().connection_lost(exc)
        _connections.pop((self.client, self.server), None)


class Observed:
    """An ASGI application around another one: the requests counted, the faults on."""

    def __init__(self, app: ASGIApp, traffic: Traffic, faults: Faults) -> None:
        self._app = app
        self._traffic = traffic
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request: named, recorded, and answered by the application or by a fault."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        kind = self._recorded(scope, body)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._traffic.answered(kind, int(message["status"]))
            await send(message)

        names = (kind,) if kind.startswith(_FOREIGN) else (kind, scope["path"], *_of_stream(kind, body))
        fault = None if kind == "admin" else self._faults.strike(*names)
        if fault is None:
            await self._app(scope, _replay(body), answer)
        else:
            await self._strike(fault, scope, body, answer)

    def _recorded(self, scope: Scope, body: bytes) -> str:
        """The request's kind, after it has been counted."""
        headers, kind = Headers(scope=scope), _kind(scope["path"], body)
        host = headers.get("host", HOST).rpartition(":")[0] or HOST
        foreign = None
        if host != HOST:
            kind, foreign = _FOREIGN + kind, ForeignRequest(host, scope["path"], tuple(headers.items()))
        leak = "authorization" in headers and kind.partition(":")[0] not in _WITH_KEY
        self._traffic.record(kind, leak=leak, foreign=foreign)
        return kind

    async def _strike(self, fault: Fault, scope: Scope, body: bytes, send: Send) -> None:
        receive = _replay(body)
        if fault.effect == "delay":
            await asyncio.sleep(fault.seconds)
            await self._app(scope, receive, send)
        elif fault.effect == "cut":
            await _cut(scope)
        elif fault.effect == "answer_lost":
            await _answered(self._app, scope, receive)
            await _cut(scope)
        elif fault.effect in {"short_body", "corrupt"}:
            start, content = await _answered(self._app, scope, receive)
            await send(start)
            damaged = content[: len(content) // 2] if fault.effect == "short_body" else _corrupted(content)
            await send({"type": "http.response.body", "body": damaged, "more_body": fault.effect == "short_body"})
        elif fault.effect == "flood":
            await _flood(fault.size, send)
        else:
            await _substitute(fault, scope)(scope, receive, send)


async def _flood(size: int, send: Send) -> None:
    """Sends zeros block by block, so that they cost the sandbox no memory; the connection may end at any of them."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for start in range(0, size, _BLOCK):
        await send({"type": "http.response.body", "body": bytes(min(_BLOCK, size - start)), "more_body": True})
    await send({"type": "http.response.body"})


def _substitute(fault: Fault, scope: Scope) -> Response:
    """The answer that stands in place of the real one."""
    if fault.effect == "status":
        headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
        return PlainTextResponse(f"the sandbox answers {fault.status} as it was told to", fault.status, headers)
    if fault.effect == "body":
        return Response(fault.body)
    if fault.effect == "wrong_type":
        return HTMLResponse("<html><body>Please sign in</body></html>")
    if fault.effect == "redirect":
        query = scope["query_string"].decode()
        return RedirectResponse(
            f"http://{fault.host}:{scope['server'][1]}{scope['path']}{'?' + query if query else ''}", 302
        )
    return JSONResponse({"errors": [{"message": fault.message, "extensions": {"code": fault.code}}]})


def _kind(path: str, body: bytes) -> str:
    kind = next((kind for pattern, kind in _KINDS if pattern.search(path)), "unknown")
    return f"graphql:{_operation(body)}" if kind == "graphql" else kind


def _operation(body: bytes) -> str:
    try:
        document = json.loads(body)
    except ValueError:
        return "anonymous"
    return operation_name(str(document.get("query"))) if isinstance(document, dict) else "anonymous"


def _of_stream(kind: str, body: bytes) -> tuple[str, ...]:
    """What a question about a stream of an export is called besides, such as ``graphql:…:ERRORS``."""
    stream = _STREAM.search(body) if kind.startswith("graphql:") else None
    return (f"{kind}:{stream[1].decode()}",) if stream else ()


def _corrupted(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 0xFF for byte in content[middle : middle + 16]) + content[middle + 16 :]


async def _body(receive: Receive) -> bytes:
    content = b""
    more = True
    while more:
        message = await receive()
        content += message.get("body", b"")
        more = message.get("more_body", False)
    return content


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _answered(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """What the application answers: its first message and the whole body."""
    messages: list[Any] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


async def _cut(scope: Scope) -> None:
    """Closes the connection as a failing network does, and lets uvicorn notice before the request ends."""
    connection = _connections.get((scope["client"], scope["server"]))
    if connection is not None:
        connection.abort()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
