"""The HTTP face of the sandbox: Labelbox's endpoints on 127.0.0.1, and one to steer it by."""

from __future__ import annotations

import hmac
import json
import socket
from dataclasses import asdict, dataclass
from http import HTTPStatus
from threading import Thread
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.sandbox.oddities.odd_pictures import odd_composite, odd_mask, odd_picture
from deploy.sandbox.project.identifiers import decode
from deploy.sandbox.project.labels import LABEL_STRIDE, Label, composite_mask, instance_mask
from deploy.sandbox.scenes.drawing import picture
from deploy.sandbox.server.faults import Fault, Faults
from deploy.sandbox.server.graphql import Api, GraphqlError
from deploy.sandbox.server.middleware import HOST, Observed, Protocol
from deploy.sandbox.server.pictures import answered, check_signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from deploy.sandbox.project.rows import Row
    from deploy.sandbox.server.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Handlers:
    """The endpoints. What needs drawing runs in a thread of Starlette's, so slow pictures do not hold up polls."""

    api: Api
    traffic: Traffic
    faults: Faults
    api_key: Callable[[], str]

    def routes(self) -> list[Route]:
        """Every path the sandbox answers."""
        rest = "/api/v1"
        return [
            Route("/graphql", self.graphql, methods=["POST"]),
            Route("/_gql", self.graphql, methods=["POST"]),
            Route("/files/{task}/{stream}/{start:int}-{end:int}", self.chunk),
            Route("/images/{data_row}/{name}", self.image),
            Route(rest + "/projects/{owner}/annotations/{feature}/mask", self.instance_mask),
            Route(rest + "/{kind:str}/{owner}/annotations/{feature}/index/1/mask", self.instance_mask),
            Route(rest + "/tasks/{task}/masks/{composite}", self.composite_mask),
            Route(rest + "/tasks/{task}/masks/{composite}/index/1", self.composite_mask),
            Route("/admin", self.counters, methods=["GET"]),
            Route("/admin", self.steer, methods=["POST"]),
        ]

    async def graphql(self, request: Request) -> Response:
        """GraphQL: errors come with status 200 and a code, as at Labelbox."""
        if not self._has_key(request):
            return _graphql_error("AUTHENTICATION_ERROR", "Invalid API key")
        document = json.loads(await request.body())
        try:
            return JSONResponse(
                {"data": await run_in_threadpool(self.api.answer, document["query"], document.get("variables"))}
            )
        except GraphqlError as error:
            return _graphql_error(error.code, str(error))

    def chunk(self, request: Request) -> Response:
        """One signed slice of an export's stream; as at S3, a second credential is refused."""
        path = request.url.path
        if not hmac.compare_digest(request.query_params.get("signature", ""), self.api.exports.signature(path)):
            raise HTTPException(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch")
        _refuse_credential(request)
        parts = request.path_params
        task = self.api.exports.get(parts["task"])
        with task.files[parts["stream"]].open("rb") as file:
            file.seek(parts["start"])
            return Response(file.read(parts["end"] - parts["start"] + 1), media_type="application/x-ndjson")

    def image(self, request: Request) -> Response:
        """A row's picture as it is now, for whoever has its URL."""
        _refuse_credential(request)
        row = self._row(decode(self._seed, "data row", request.path_params["data_row"]))
        if odd := odd_picture(self._seed, row.index, request.path_params["name"]):
            return Response(odd, media_type="application/octet-stream")
        check_signature(request, self.api.exports)
        body, kind = picture(self._seed, row.index, row.image_format, row.edit.picture), row.image_format.lower()
        if self.api.exports.settings.no_validators:
            return Response(body, media_type=f"image/{kind}")
        return answered(request, body, f"image/{kind}", row.pictured_at)

    def instance_mask(self, request: Request) -> Response:
        """One instance: grey, 255 where it is seen."""
        self._check_credential(request)
        if odd := odd_mask(request.path_params["feature"]):
            return Response(odd, media_type="image/png")
        label, part = self._label(decode(self._seed, "feature", request.path_params["feature"]))
        mask = instance_mask(label, part)
        if mask is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no such mask")
        return Response(mask, media_type="image/png")

    def composite_mask(self, request: Request) -> Response:
        """All instances of a label, each in its colour; only under the task id of an export of this sandbox."""
        self._check_credential(request)
        if request.path_params["task"] not in self.api.exports:
            raise HTTPException(HTTPStatus.NOT_FOUND, "this export's masks are gone")
        if odd := odd_composite(request.path_params["composite"]):
            return Response(odd, media_type="image/png")
        address = decode(self._seed, "composite", request.path_params["composite"])
        row = self._row(address)
        label = Label.of_composite(self._seed, row.index, address[1] if address else 0)
        return Response(composite_mask(label, row.style), media_type="image/png")

    def counters(self, request: Request) -> Response:
        """The requests so far."""
        self._check_credential(request)
        foreign = [asdict(seen) for seen in self.traffic.foreign]
        return JSONResponse({"requests": self.traffic.kinds, "leaks": self.traffic.leaks, "foreign": foreign})

    async def steer(self, request: Request) -> Response:
        """One change to the sandbox: ``{"call": NAME, …arguments}``."""
        self._check_credential(request)
        arguments: dict[str, Any] = json.loads(await request.body())
        call = self._calls().get(arguments.pop("call", ""))
        if call is None:
            return JSONResponse({"error": f"call is none of {', '.join(self._calls())}"}, HTTPStatus.BAD_REQUEST)
        try:
            call(**arguments)
        except (LookupError, TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        return JSONResponse({"done": True})

    def _calls(self) -> dict[str, Callable[..., None]]:
        workspace = self.api.workspace
        rows = (
            workspace.edit_row,
            workspace.replace_image,
            workspace.set_status,
            workspace.remove_row,
            workspace.add_rows,
            workspace.rename_class,
            workspace.add_class,
            workspace.remove_class,
            workspace.colour_class,
        )
        calls: dict[str, Callable[..., None]] = {call.__name__: call for call in rows}
        return calls | {
            "add_fault": lambda **fault: self.faults.add(Fault(**fault)),
            "hiccup": self.faults.hiccup,
            "clear_faults": self.faults.clear,
            "clear_requests": self.traffic.clear,
        }

    @property
    def _seed(self) -> int:
        return self.api.project.seed

    def _has_key(self, request: Request) -> bool:
        expected = f"Bearer {self.api_key()}"
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), expected.encode())

    def _check_credential(self, request: Request) -> None:
        """The key on Labelbox's own host; no credential on another name, as after a redirect to signed storage."""
        if request.url.hostname != HOST:
            _refuse_credential(request)
        elif not self._has_key(request):
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "Invalid API key")

    def _row(self, address: tuple[int, int] | None) -> Row:
        if address is not None:
            try:
                return self.api.workspace.row(address[0])
            except LookupError as error:
                raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from None
        raise HTTPException(HTTPStatus.NOT_FOUND, "no such id")

    def _label(self, address: tuple[int, int] | None) -> tuple[Label, int]:
        """The label as it is now, and the part within it."""
        row = self._row(address)
        number, part = divmod(address[1] if address else 0, LABEL_STRIDE)
        return Label(self._seed, row.index, number, row.edit.revision), part


def _refuse_credential(request: Request) -> None:
    if "authorization" in request.headers:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "only one auth mechanism allowed")


def _graphql_error(code: str, message: str) -> Response:
    return JSONResponse({"data": None, "errors": [{"message": message, "extensions": {"code": code}}]})


class Server:
    """Uvicorn in a thread on 127.0.0.1. The port is taken at once, so that URLs are known before it serves."""

    def __init__(self, port: int = 0) -> None:
        # asyncio switches Nagle's delay off only for sockets that are declared to be TCP
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, port))
        self._socket.listen(socket.SOMAXCONN)
        self.port: int = self._socket.getsockname()[1]
        self._uvicorn: uvicorn.Server | None = None
        self._thread: Thread | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{HOST}:{self.port}"

    def start(self, handlers: Handlers) -> None:
        """Serves until ``stop``; the socket queues what comes before uvicorn is ready."""
        app = Observed(Starlette(routes=handlers.routes()), handlers.traffic, handlers.faults)
        config = uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="off",
            proxy_headers=False,
            log_config=None,
            log_level="critical",
            timeout_graceful_shutdown=1,
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = Thread(target=self._uvicorn.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Closes every connection and the socket."""
        if self._uvicorn is not None and self._thread is not None:
            self._uvicorn.should_exit = True
            self._thread.join()
        self._socket.close()
