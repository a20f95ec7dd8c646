"""Labelbox's answers to the SDK's questions, and what stands between Labelbox and this machine and answers for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from labelsnap.errors import LabelsnapError
from labelsnap.labelbox.client import Account, check_source, connect
from labelsnap.labelbox.export import ExportRequest, totals, wait
from labelsnap.labelbox.ontology import ontology_of
from labelsnap.labelbox.patience import Patience
from labelsnap.labelbox.retry import Backoff
from labelsnap.labelbox.starting import start
from labelsnap.labelbox.stream import chunk_at
from labelsnap.records.tables.tables import ontology_table, write_table
from tests.fuzz.mutation import bytes_mutator, json_mutator
from tests.fuzz.target import MEBIBYTE, Target
from tests.fuzz.wires import answer, wired

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from random import Random

    from labelsnap.labelbox.client import Client
    from tests.fuzz.target import Run

ID, TASK = "cltd3vkju021907u63w2odj69", "clx0000000000000000000000"
TIMES = {"createdAt": "2024-05-06T07:08:09.000Z", "updatedAt": "2024-05-06T07:08:09.000Z"}
QUESTION = {"type": "radio", "name": "state", "instructions": "state", "featureSchemaId": "Q", "required": True}
OPTION = {"label": "parked", "value": "parked", "featureSchemaId": "O", "options": [QUESTION]}
ONTOLOGY = {
    "tools": [
        {
            "tool": "rectangle",
            "name": "car",
            "color": "#ff00aa",
            "featureSchemaId": "T",
            "classifications": [{**QUESTION, "options": [OPTION]}],
        }
    ],
    "classifications": [{**QUESTION, "type": "text", "options": []}],
}
DATA = {
    "project": {
        "id": ID,
        "name": "Street scenes",
        **TIMES,
        "autoAuditNumberOfLabels": 1,
        "autoAuditPercentage": 1,
        "dataRowCount": 3,
        "description": "A project",
        "editorTaskType": None,
        "isBenchmarkEnabled": False,
        "isConsensusEnabled": True,
        "lastActivityTime": TIMES["createdAt"],
        "allowedMediaType": "IMAGE",
        "modelSetupComplete": True,
        "setupComplete": TIMES["createdAt"],
        "uploadType": "MANUAL",
        "ontology": {"normalized": ONTOLOGY},
    },
    "user": {
        "id": "user",
        **TIMES,
        "email": "ada@labellers.example",
        "name": "Ada",
        "nickname": "ada",
        "intercomHash": "",
        "picture": "",
        "isViewer": False,
        "isExternalUser": False,
        "createdTasks": [
            {
                "id": TASK,
                "name": "a name",
                **TIMES,
                "completionPercentage": 100,
                "errors": None,
                "metadata": None,
                "result": None,
                "status": "COMPLETE",
                "type": "export-data-rows",
            }
        ],
    },
    "task": {
        "exportMetadataHeader": {"totalSize": 1000, "totalLines": 3},
        "exportFileFromOffset": {
            "offsets": {"start": 0, "end": 99},
            "lines": {"start": 0, "end": 1},
            "file": "https://files.example/chunk?signature=secret",
        },
    },
    "exportDataRowsInProject": {"taskId": TASK, "isStreamable": True},
}
ERROR = {"message": "no", "extensions": {"code": "INTERNAL_SERVER_ERROR", "exception": {"status": 400}}}
ASKED: dict[str, Callable[[Client], object]] = {
    "source": lambda client: check_source(client, "project", ID),
    "model run": lambda client: check_source(client, "model_run", ID),
    "ontology": lambda client: write_table(ontology_table(ontology_of(client, ID))),
    "start": lambda client: start(client, ExportRequest("project", ID, {}, {}), name="a name"),
    "found": lambda client: start(client, ExportRequest("project", ID, {}, {}), name="a name", perhaps_started=True),
    "wait": lambda client: wait(client, TASK, timeout=0, poll_interval=1),
    "totals": lambda client: totals(client, TASK, "RESULT"),
    "chunk": lambda client: chunk_at(client, TASK, "RESULT", 0),
}
TOKENS = (
    b'"errors":',
    b'"extensions":',
    b'"code":',
    b'"AUTHENTICATION_ERROR"',
    b'"RESOURCE_CONFLICT"',
    b'"API_LIMIT"',
    b'"MALFORMED_REQUEST"',
    b'"GRAPHQL_PARSE_FAILED"',
    b'"INTERNAL_SERVER_ERROR"',
    b'"exception":{"status":[]}',
    b"null",
    b"<html>",
    b"HTTP/1.1 500 ",
    b"HTTP/1.1 302 \r\nLocation: http://[\r\n\r\n",
    b"HTTP/1.1 302 \r\nLocation: file:///etc/passwd\r\n\r\n",
    b"HTTP/1.1 302 \r\nLocation: http://a:99999/\r\n\r\n",
    b"Content-Length: " + b"9" * 5000 + b"\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Set-Cookie: a=b; Domain=..; Max-Age=" + b"9" * 5000 + b"\r\n",
    b"Set-Cookie: a=b; expires=Wed, 21 Oct 99999 07:28:00 GMT\r\n",
    b"Retry-After: " + b"9" * 400 + b"\r\n",
)


def seeds() -> dict[str, bytes]:
    """Answers that fit every question, refusals of each kind, and whole answers of HTTP."""
    codes = ("AUTHENTICATION_ERROR", "RESOURCE_NOT_FOUND", "API_LIMIT", "GRAPHQL_PARSE_FAILED", "UNKNOWN")
    errors = [ERROR, *({"message": "no", "extensions": {"code": code}} for code in codes)]
    bodies = {"right": json.dumps({"data": DATA}).encode()}
    running = json.loads(bodies["right"])
    running["data"]["user"]["createdTasks"][0]["status"] = "IN_PROGRESS"
    bodies["running"] = json.dumps(running).encode()
    bodies |= {f"wrong {n}": json.dumps({"data": None, "errors": [each]}).encode() for n, each in enumerate(errors)}
    found = {f"{asked}/{name}": body for asked in ASKED for name, body in bodies.items()}
    kind = "Content-Type: application/json"
    whole = {
        "right": answer("200 OK", kind, f"Content-Length: {len(bodies['right'])}", body=bodies["right"]),
        "limited": answer("429 Too Many Requests", "Retry-After: 0", "Content-Length: 0"),
        "moved": answer("302 Found", "Location: http://other.example/", "Content-Length: 0"),
        "page": answer("502 Bad Gateway", "Content-Length: 6", body=b"<html>"),
    }
    return found | {f"{asked}/whole {name}": body for asked in ASKED for name, body in whole.items()}


def mutate(generator: Random, body: bytes, others: Sequence[bytes]) -> bytes:
    """Damage the values of an answer's JSON, or the bytes of a whole answer."""
    if body.startswith(b"{"):
        return json_mutator(TOKENS, share_of_bytes=0.1)(generator, body, others)
    return bytes_mutator(TOKENS)(generator, body, others)


def prepare(_: Path) -> Run:
    """Ask a question, every request of which is answered with these bytes."""
    wire = wired()
    account = Account("key", "http://labelbox.example/graphql", "http://labelbox.example/api/v1")
    backoff = Backoff(base=0, cap=0, longest_retry_after=0)
    patience = Patience(0, 0, 0, backoff, sleep=lambda _: None, say=lambda _: None)
    client = connect(account, patience)

    def run(label: str, body: bytes) -> str:
        asked, _, name = label.partition("/")
        kind = "Content-Type: application/json"
        wire.answer = (
            body if name.startswith("whole") else answer("200 OK", kind, f"Content-Length: {len(body)}", body=body)
        )
        client.sdk.connection.cookies.clear()
        for adapter in client.sdk.connection.adapters.values():
            adapter.close()
        try:
            ASKED[asked](client)
        except LabelsnapError as error:
            str(error)
            return error.code
        finally:
            wire.close()
        return "answered"

    return run


TARGET = Target("answers", seeds, prepare, mutate, budget=96 * MEBIBYTE, share=3)
