"""Commands and Prefect's server: each uses it as Prefect's own client does, and says what keeps it from that."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from contextlib import contextmanager, nullcontext

import pytest
import requests
import yaml
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_TLS_INSECURE_SKIP_VERIFY,
    PREFECT_API_URL,
    PREFECT_CLIENT_CUSTOM_HEADERS,
    temporary_settings,
)

from deploy.sandbox.server.webhooks import delivery
from tasks.telling.progress import listening
from tests.contracts.prefect_front import answering, behind_header
from tests.contracts.store_fixtures import free_port
from tests.contracts.tls_front import tls_front, write_certificate

pytestmark = pytest.mark.prefect


@pytest.fixture
def refused(labelsnap, dataset_file, monkeypatch):
    """Runs a command against an address; gives its status, its code (None without JSON), and all that it says."""
    monkeypatch.setenv("LABELSNAP_PREFECT_SECONDS", "0.1")

    def run(command, url):
        options = [] if command == "worker" else [dataset_file(), "--json"]
        with temporary_settings({PREFECT_API_URL: url}):
            status, output, errors = labelsnap(command, *options)
        return status, json.loads(output)["error"]["code"] if output else None, output + errors

    return run


@pytest.mark.parametrize("command", ["deploy", "refresh", "worker"])
@pytest.mark.parametrize(
    ("answer", "code", "found"),
    [
        (401, "prefect_refused", "401"),
        (404, "prefect_refused", "ends with /api"),
        (200, "prefect_unreachable", "cannot be used: it answers text/html, and no JSON"),
        pytest.param(503, "prefect_unreachable", "503", marks=pytest.mark.slow),
    ],
)
def test_a_server_that_takes_nobody(refused, command, answer, code, found):
    """Status 2 before anything is started, with the address, and without what is secret in it."""
    with answering(answer) as url:
        status, told, text = refused(command, url)
    assert (status, told) == (2, None if command == "worker" else code)
    assert url.replace("user:the-password@", "") in text
    assert found in text
    assert "the-password" not in text
    assert "Traceback" not in text


def test_a_certificate_file_that_is_none(refused, tmp_path):
    """It is named: status 2."""
    with temporary_settings({PREFECT_API_SSL_CERT_FILE: str(tmp_path / "none.pem")}):
        status, code, text = refused("deploy", "https://127.0.0.1:9/api")
    assert (status, code) == (2, "prefect_unreachable")
    assert "PREFECT_API_SSL_CERT_FILE" in text


def with_own_authority(url, folder):
    """TLS by a certificate that Prefect's settings name."""
    certificate = write_certificate(folder / "certificate.pem")
    return tls_front(url, certificate), {PREFECT_API_SSL_CERT_FILE: str(certificate)}


def with_tls_unchecked(url, folder):
    """TLS that Prefect's settings do not check."""
    return tls_front(url, write_certificate(folder / "certificate.pem")), {PREFECT_API_TLS_INSECURE_SKIP_VERIFY: True}


def with_header(url, _):
    """A proxy that wants a header."""
    return behind_header(url, "X-Gate", "open"), {PREFECT_CLIENT_CUSTOM_HEADERS: {"X-Gate": "open"}}


def of_a_profile(url, _):
    """The address is in Prefect's settings, and not in the environment."""
    return nullcontext(url), {}


@pytest.mark.parametrize("way", [with_own_authority, with_tls_unchecked, with_header, of_a_profile])
def test_a_server_that_prefects_settings_lead_to(labelsnap, dataset_file, tmp_path, monkeypatch, way):
    """Where Prefect's own commands work, labelsnap's do."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    front, settings = way(PREFECT_API_URL.value().removesuffix("/api"), tmp_path)
    with front as url, temporary_settings({PREFECT_API_URL: f"{url.removesuffix('/api')}/api"} | settings):
        status, outcome = labelsnap.json("deploy", dataset_file())
    assert (status, outcome.get("error")) == (0, None)


def test_a_wrong_auth_string_is_not_in_the_error(refused):
    """It is refused, and not shown."""
    with answering(401) as url, temporary_settings({PREFECT_API_AUTH_STRING: "admin:the-auth-string"}):
        _, _, text = refused("deploy", url)
    assert "the-auth-string" not in text


@contextmanager
def listener(folder, url):
    """A listener for one dataset, without polls, that starts refreshes on this server; gives it and its port."""
    content = {"dataset": "streets", "store": f"file://{folder}/store", "source": {"project": "project-1"}}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    port = str(free_port())
    options = ("--port", port, "--quiet", "0.1", "--poll", "0")
    command = [sys.executable, "-m", "flows.cli", "listen", str(folder / "dataset.yaml"), *options]
    environment = os.environ | {
        "PREFECT_API_URL": url,
        "PREFECT_CLIENT_MAX_RETRIES": "0",
        "LABELBOX_API_KEY": "the-key",
        "LABELBOX_WEBHOOK_SECRET": "the-secret",
    }
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield process, port
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "found"),
    [
        (404, "no deployment refresh/streets"),
        (401, "401"),
        (503, "does not answer: it answers 503"),
    ],
)
def test_a_listener_that_can_start_no_refresh_says_so(tmp_path, status, found):
    """Wherever Prefect refuses it, has no such deployment, or is away; the delivery was accepted."""
    sent = delivery({"project": {"id": "project-1"}}, secret="the-secret", event="E", delivery_id="1")
    with answering(status) as url, listener(tmp_path, url) as (process, port):
        assert "listening on" in process.stderr.readline()
        with requests.Session() as session:
            answer = session.post(f"http://127.0.0.1:{port}/labelbox", data=sent.body, headers=sent.headers)
        told = process.stderr.readline()
    assert answer.status_code == 202
    assert told.startswith("streets: ")
    assert found in told
    assert "the-password" not in told


def test_a_worker_says_what_it_warns_of(labelsnap, prefect_server, monkeypatch):
    """As that the server does not say what became of its runs."""

    def work(*_):
        logging.getLogger("flows.service.started_runs").warning("It did not say.")
        return 0

    monkeypatch.setattr("flows.service.worker.work", work)
    status, _, errors = labelsnap("worker")
    assert (status, errors) == (0, "It did not say.\n")


@pytest.fixture
def asking_always(monkeypatch):
    """One window at a time, and a question before each."""
    monkeypatch.setattr("tasks.run.wanted.EVERY", 0)
    monkeypatch.setenv("LABELSNAP_EXPORTS", "1")


@pytest.mark.usefixtures("asking_always")
@pytest.mark.parametrize("end", ["cancelled", "deleted"])
def test_a_typed_backfill_ends_soon_after_its_run_does(sandbox, dataset_file, labelsnap, newest_run, end):
    """There is no worker that would end its process: it asks between windows, and leaves the others."""
    before = len(sandbox.exports)

    def change(client, run):
        if end == "deleted":
            client.delete_flow_run(run.id)
            return
        state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        client.request("POST", f"/flow_runs/{run.id}/set_state", json=state)

    def at_first_window(stage, done, _):
        if (stage, done) == ("windows", 1):
            newest_run(change)

    span = ("--from", "2022-01-01", "--to", "2025-01-01", "--windows", "12")
    with listening(at_first_window):
        status, result = labelsnap.json("backfill", dataset_file(), *span)
    assert (status, result["error"]["code"]) == (130, "run_cancelled")
    assert len(sandbox.exports) == before + 1
