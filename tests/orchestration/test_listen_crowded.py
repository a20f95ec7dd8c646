"""`labelsnap listen` under three hundred half requests, as a process that may open few files."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack

import pytest
import requests

from deploy.sandbox.server.webhooks import delivery
from tests.contracts.store_fixtures import free_port
from tests.orchestration.prefect_service import BIN, running, until

pytestmark = pytest.mark.slow

SECRET = "the webhook's secret"
HALVES = [
    b"",
    b"POST /labelbox HTTP/1.1\r\nHost: listener\r\nX-Hub-Sig",
    b"POST /labelbox HTTP/1.1\r\nHost: listener\r\nX-Hub-Signature: sha1=00\r\nContent-Length: 1000\r\n\r\n{",
]


@pytest.fixture
def listener(tmp_path):
    """Its address and its log; it may have 256 files open."""
    path, log, port = tmp_path / "dataset.yaml", tmp_path / "listener.log", free_port()
    path.write_text(
        json.dumps({"dataset": "streets", "store": f"file://{tmp_path}/store", "source": {"project": "p"}}),
        encoding="utf-8",
    )
    command = f"ulimit -n 256; exec '{BIN}/labelsnap' listen '{path}' --port {port} --poll 0 --quiet 3600"
    environment = {"LABELBOX_WEBHOOK_SECRET": SECRET, "LABELBOX_API_KEY": "a-key"}
    with running("/bin/bash", "-c", command, environment=environment, log=log):
        until(lambda: log.exists() and "listening on" in log.read_text(encoding="utf-8"), 60)
        yield port, log


def send(port, payload, number):
    """What a signed delivery is answered."""
    sent = delivery(payload, secret=SECRET, event="WORKFLOW_ACTION", delivery_id=f"delivery-{number}")
    return requests.post(f"http://127.0.0.1:{port}/labelbox", data=sent.body, headers=sent.headers, timeout=10)


def test_three_hundred_half_requests_keep_nobody_out(listener):
    """A probe and a delivery are answered while they stand, of every kind; the log says that some were dropped."""
    port, log = listener
    for number, half in enumerate(HALVES):
        with ExitStack() as opened:
            for _ in range(300):
                opened.enter_context(socket.create_connection(("127.0.0.1", port), 10)).sendall(half)
            begun = time.monotonic()
            assert requests.get(f"http://127.0.0.1:{port}/health", timeout=10).status_code == 200
            probed = time.monotonic()
            assert send(port, {"project": {"id": "p"}}, number).status_code == 202
            print(f"probe {probed - begun:.2f} s, delivery {time.monotonic() - probed:.2f} s")  # noqa: T201
    assert "Connections without a whole request that were dropped" in log.read_text(encoding="utf-8")
