"""End to end on a real Prefect server: a schedule that fires, webhooks, and a webhook that was lost."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import requests
import yaml

from deploy.sandbox import Sandbox
from deploy.sandbox.server.webhooks import Delivery
from labelsnap.snapshots.reading.read import list_versions
from labelsnap.storage import open_store
from tests.contracts.store_fixtures import free_port
from tests.orchestration.prefect_service import BIN, prefect_service, running, until

pytestmark = pytest.mark.integration

SECRET = "the webhook's secret"
PATIENCE = 240


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A Prefect server with a worker, and a sandbox; gives the environment, the sandbox and a dataset file."""
    folder = tmp_path_factory.mktemp("service")
    with Sandbox(rows=24, directory=folder / "sandbox") as sandbox, prefect_service(folder) as served:
        path = sandbox.write_dataset_file(folder / "dataset.yaml")
        content = yaml.safe_load(path.read_text(encoding="utf-8")) | {"store": f"file://{folder}/store"}
        environment = served | sandbox.environment() | {"LABELBOX_WEBHOOK_SECRET": SECRET}

        def write(**changes):
            path.write_text(yaml.safe_dump(content | changes), encoding="utf-8")
            return str(path)

        write()
        labelsnap(environment, "deploy", str(path), "--pool", "labelsnap")
        worker = ("prefect", "worker", "start", "--pool", "labelsnap", "--type", "process")
        with running(*worker, environment=environment, log=folder / "worker.log"):
            yield environment, sandbox, write, folder


def labelsnap(environment, *arguments):
    """One command of the command line; what it prints with --json."""
    done = subprocess.run(  # noqa: S603
        [BIN / "labelsnap", *arguments, "--json"], env=os.environ | environment, capture_output=True, check=True
    )
    return json.loads(done.stdout)


def versions(folder):
    """How many versions there are."""
    return len(list_versions(open_store(f"file://{folder}/store/street-scenes")))


def runs(environment, *, states=("COMPLETED",)):
    """The runs in one of these states."""
    query = {"flow_runs": {"state": {"type": {"any_": list(states)}}}}
    return requests.post(f"{environment['PREFECT_API_URL']}/flow_runs/filter", json=query, timeout=30).json()


def test_a_schedule_fires_webhooks_refresh_and_a_lost_one_is_caught(service):
    """Version 1 by cron; version 2 by three times the same delivery, and by one run; version 3 by the poll."""
    environment, sandbox, write, folder = service
    labelsnap(environment, "deploy", write(schedule={"cron": "* * * * *"}))
    until(lambda: versions(folder) == 1, PATIENCE)
    assert until(lambda: runs(environment), PATIENCE)[0]["auto_scheduled"]
    labelsnap(environment, "deploy", write(schedule=None))
    until(lambda: not runs(environment, states=("RUNNING", "PENDING", "SCHEDULED")), PATIENCE)
    before = len(runs(environment))

    port = free_port()
    url = f"http://127.0.0.1:{port}/labelbox"
    listen = ("labelsnap", "listen", write(), "--port", str(port), "--quiet", "1", "--poll")

    def answers():
        try:
            return requests.get(f"http://127.0.0.1:{port}/health", timeout=5).ok
        except requests.ConnectionError:
            return False

    row = next(row for row in sandbox.rows("DONE") if not row.skipped)
    with running(*listen, "0", environment=environment, log=folder / "listener.log"):
        until(answers, PATIENCE)
        sandbox.edit_row(row.index)
        sent = sandbox.delivery(row.index, secret=SECRET)
        unsigned = Delivery({k: v for k, v in sent.headers.items() if "Signature" not in k}, sent.body)
        assert unsigned.send(url) == 401
        assert [sent.send(url) for _ in range(3)] == [202] * 3
        until(lambda: versions(folder) == 2, PATIENCE)
        until(lambda: not runs(environment, states=("RUNNING", "PENDING", "SCHEDULED")), PATIENCE)
        assert len(runs(environment)) == before + 1

    sandbox.edit_row(row.index)  # and nobody says so
    with running(*listen, "5", environment=environment, log=folder / "listener.log"):
        until(lambda: versions(folder) == 3, PATIENCE)
