"""On a real Prefect server: a worker that is stopped in mid-run, and a run that is cancelled after an outage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import requests
import yaml

from deploy.sandbox import ExportSettings, Sandbox
from flows.service.started_runs import children_of, run_of
from labelsnap.snapshots.reading.read import list_versions
from labelsnap.storage import open_store
from tests.orchestration.prefect_service import BIN, prefect_service, restarted, running, until

pytestmark = pytest.mark.integration

PATIENCE = 240
WORKER = ("labelsnap", "worker", "--pool", "labelsnap")


@pytest.fixture
def service(request, tmp_path):
    """A Prefect server, a sandbox whose export takes so many seconds, and a deployment of it."""
    settings = ExportSettings(polls=getattr(request, "param", 20))
    with (
        Sandbox(rows=24, directory=tmp_path / "sandbox", settings=settings) as sandbox,
        prefect_service(tmp_path) as served,
    ):
        path = sandbox.write_dataset_file(tmp_path / "dataset.yaml")
        content = yaml.safe_load(path.read_text(encoding="utf-8")) | {"store": f"file://{tmp_path}/store"}
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        environment = served | sandbox.environment() | {"LABELSNAP_POLL_INTERVAL": "1"}
        command = [BIN / "labelsnap", "deploy", path, "--json"]
        made = subprocess.run(command, env=os.environ | environment, capture_output=True, check=True)  # noqa: S603
        (deployment,) = json.loads(made.stdout)["deployments"]
        assert deployment["outcome"] == "created"
        yield Service(environment, sandbox, tmp_path, deployment["id"])


class Service:
    """What the tests ask of the server and of the store."""

    def __init__(self, environment, sandbox, folder, deployment):
        self.environment, self.sandbox, self.folder, self.deployment = environment, sandbox, folder, deployment
        self.api = environment["PREFECT_API_URL"]

    def start(self):
        """Start the deployment; the run's id."""
        made = requests.post(f"{self.api}/deployments/{self.deployment}/create_flow_run", json={}, timeout=30)
        return made.json()["id"]

    def states(self, run):
        """The names of the states that the run has been in."""
        answer = requests.get(f"{self.api}/flow_run_states/", params={"flow_run_id": run}, timeout=30)
        return [state["name"] for state in answer.json()]

    def lease(self):
        """The lease that is held, if any."""
        folder = self.folder / "store/street-scenes/work/lease"
        return list(folder.iterdir()) if folder.is_dir() else []

    def exporting(self):
        """Whether Labelbox has been asked for an export."""
        return self.sandbox.requests.count("exports") or self.lease()

    def versions(self):
        """How many versions there are."""
        return len(list_versions(open_store(f"file://{self.folder}/store/street-scenes")))


def test_a_worker_that_is_stopped_gives_the_run_to_the_next(service):
    """Its lease is let go of at once, the same run is started again within the delay, and publishes once."""
    log = service.folder / "worker.log"
    with running(*WORKER, environment=service.environment, log=log) as worker:
        run = service.start()
        until(service.lease, PATIENCE)
        time.sleep(3)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(40) == 0
    assert service.lease() == []
    assert service.states(run)[-2:] == ["Crashed", "AwaitingRetry"]
    stopped = time.monotonic()
    with running(*WORKER, environment=service.environment, log=log):
        until(lambda: service.states(run)[-1] == "Running", 120)
        assert time.monotonic() - stopped < 100
        until(lambda: service.states(run)[-1] == "Completed", PATIENCE)
    assert service.versions() == 1
    found = requests.post(f"{service.api}/flow_runs/filter", json={}, timeout=30).json()
    assert [each["id"] for each in found] == [run]


@pytest.mark.parametrize("service", [1_000_000], indirect=True, ids=["long export"])
def test_a_run_that_is_cancelled_takes_no_place_at_labelbox(service):
    """Prefect ends its process, so the worker cancels its export, by what the run noted."""
    with running(*WORKER, environment=service.environment, log=service.folder / "worker.log"):
        run = service.start()
        until(lambda: list(service.folder.glob("store/*/work/*/receipts/export-000.json")), PATIENCE)
        assert len(service.sandbox.exports.running()) == 1
        state = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": False}
        requests.post(f"{service.api}/flow_runs/{run}/set_state", json=state, timeout=30)
        until(lambda: service.states(run)[-1] == "Cancelled", PATIENCE)
        until(lambda: not service.sandbox.exports.running(), 30)
    (export,) = service.sandbox.exports
    assert service.sandbox.exports.get(export).poll()[0] == "CANCELED"


def started_by(worker, look=0.5):
    """Prefect's worker under ours, and the one process that it has begun for a run, looked for so often."""
    (prefect,) = until(lambda: children_of(worker.pid), 60)
    (process,) = until(lambda: {each for each in children_of(prefect) if run_of(each)}, PATIENCE, look)
    return prefect, process


@pytest.mark.parametrize("moment", ["at once", "while it starts", "in mid-run"])
def test_a_run_whose_process_is_killed_is_started_again(service, moment):
    """Its worker lives, and Prefect reports that end twice: the run waits for its next start, and publishes once."""
    with running(*WORKER, environment=service.environment, log=service.folder / "worker.log") as worker:
        run = service.start()
        _, process = started_by(worker, look=0.01 if moment == "at once" else 0.5)
        if moment != "at once":
            time.sleep(1)  # the worker has seen it
        if moment == "in mid-run":
            until(service.lease, PATIENCE)
        os.kill(process, signal.SIGKILL)
        until(lambda: "Crashed" in service.states(run), 60)
        until(lambda: service.states(run)[-1] == "Running" and service.states(run).count("Crashed"), 180)
        until(lambda: service.states(run)[-1] == "Completed", PATIENCE)
    assert service.versions() == 1


@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGTERM, 0), (signal.SIGHUP, 129)], ids=["sigterm", "terminal-closed"]
)
def test_a_worker_that_is_stopped_while_a_run_starts_gives_it_to_the_next(service, sent, status):
    """No hook of Prefect's runs then: the worker itself schedules the run, and leaves no process."""
    with running(*WORKER, environment=service.environment, log=service.folder / "worker.log") as worker:
        run = service.start()
        prefect, process = started_by(worker)
        worker.send_signal(sent)
        assert worker.wait(60) == status
    assert service.states(run)[-1] == "AwaitingRetry"
    assert not Path(f"/proc/{prefect}").exists()
    assert not Path(f"/proc/{process}").exists()


def test_a_worker_whose_own_worker_is_killed_ends_in_order(service):
    """A sentence and status 2; its run lets go of its lease, and is scheduled again."""
    log = service.folder / "worker.log"
    with running(*WORKER, environment=service.environment, log=log) as worker:
        run = service.start()
        prefect, _ = started_by(worker)
        until(service.lease, PATIENCE)
        os.kill(prefect, signal.SIGKILL)
        assert worker.wait(60) == 2
    assert "Prefect's worker ended by signal 9" in log.read_text(encoding="utf-8")
    assert service.lease() == []
    assert service.states(run)[-1] == "AwaitingRetry"


@pytest.mark.parametrize("service", [60], indirect=True)
def test_a_run_that_is_cancelled_after_an_outage_publishes_nothing(service):
    """The server is away for 30 seconds, so that Prefect's observer gives up; then the run is cancelled."""
    log = service.folder / "worker.log"
    with running(*WORKER, environment=service.environment, log=log):
        run = service.start()
        until(service.lease, PATIENCE)
        restarted(service.environment, away=30)
        state = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": False}
        answer = requests.post(f"{service.api}/flow_runs/{run}/set_state", json=state, timeout=30).json()
        assert answer["status"] == "ACCEPT"
        until(lambda: service.states(run)[-1] == "Cancelled", PATIENCE)
        until(lambda: not service.lease(), 60)
    assert service.versions() == 0
