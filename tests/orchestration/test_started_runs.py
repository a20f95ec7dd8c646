"""A worker's runs whose processes were killed: what becomes of them, in whatever order their end is reported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed, Crashed, Pending, Running

from flows.service import started_runs
from flows.service.started_runs import StartedRuns
from flows.service.worker import ending_with_us
from tests.orchestration.prefect_service import until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc"),
]


NOBODY = 1 << 30
"""A process id that Linux never gives."""
OURS = "labelsnap here 0123"


@flow(name="started")
def nothing():
    """A flow to have runs of."""


class Killed:
    """A run whose process was killed while the run was in such a state."""

    def __init__(self, state, tags):
        self.runs = StartedRuns(os.getpid(), uuid4().hex, OURS)
        with get_client(sync_client=True) as client:
            deployment = client.create_deployment(client.create_flow(nothing), name=uuid4().hex, tags=tags)
            self.id = client.create_flow_run_from_deployment(deployment).id
        self.set(state)
        environment = os.environ | {"PREFECT__FLOW_RUN_ID": str(self.id)}
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        with subprocess.Popen(command, env=environment) as process:  # noqa: S603
            until(lambda: process.pid in self.runs._living or not self.runs.processes(), 20)
            process.kill()
        assert process.pid not in self.runs.processes()

    def set(self, state):
        """Report a state of it."""
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(self.id, state, force=True)

    @property
    def state(self):
        """The name of its state."""
        with get_client(sync_client=True) as client:
            return client.read_flow_run(self.id).state.name


@pytest.fixture
def killed(prefect_server, monkeypatch):
    """Makes one."""
    monkeypatch.setattr(started_runs, "LOOK_SECONDS", 0)
    monkeypatch.setattr(started_runs, "LAST_SECONDS", 0)
    return lambda state, tags=("labelsnap",): Killed(state, list(tags))


@pytest.mark.parametrize("state", [Pending, Running])
def test_an_end_that_is_reported_twice(killed, state):
    """The second report comes over what was made of the first: the run is scheduled after each."""
    run = killed(state())
    run.runs.look_after()
    assert run.state == state().name
    for _ in range(2):
        run.set(Crashed())
        run.runs.look_after()
        assert run.state == "AwaitingRetry"


@pytest.mark.parametrize("state", [Pending, Running])
def test_an_end_that_nobody_reports(killed, state):
    """The worker is gone too: its runs are given to the next one."""
    run = killed(state())
    run.runs.leave()
    assert run.state == "AwaitingRetry"


@pytest.mark.slow
def test_what_is_not_to_be_started_again(killed):
    """A run that ended well, and one of somebody else's deployment in the same pool."""
    well, foreign = killed(Completed()), killed(Running(), tags=())
    for run, state in ((well, "Completed"), (foreign, "Running")):
        run.runs.leave()
        assert run.state == state


def test_a_run_that_may_have_begun_elsewhere_is_left(killed, monkeypatch):
    """Long after its process ended, *Running* is another worker's word."""
    run = killed(Running())
    before = time.monotonic()
    monkeypatch.setattr("flows.service.started_runs.time.monotonic", lambda: before + 90)
    run.runs.leave()
    assert run.state == "Running"


def test_a_run_that_was_started_just_before_the_worker_was_killed(killed):
    """Nobody saw it as the worker's child, and it is none any more: its environment says whose it is."""
    run, mark = killed(Running()), uuid4().hex
    run.runs = StartedRuns(NOBODY, mark, OURS)
    environment = os.environ | {"LABELSNAP_STARTED_BY": mark, "PREFECT__FLOW_RUN_ID": str(run.id)}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=environment) as process:
        before = run.runs.processes()
        found = until(lambda: run.runs.processes(gone=True), 20)
        process.kill()
    assert (before, found) == (set(), {process.pid})
    run.runs.leave()
    assert run.state == "AwaitingRetry"


class Unseen(Killed):
    """A run whose process ended before anybody looked, in such a state, and with a worker's label."""

    def __init__(self, state, worker=OURS, tags=("labelsnap",)):
        super().__init__(state, list(tags))
        labels = f"{PREFECT_API_URL.value()}/flow_runs/{self.id}/labels"
        requests.patch(labels, json={"prefect.worker.name": worker}, timeout=30).raise_for_status()
        self.runs = StartedRuns(NOBODY, uuid4().hex, OURS)


@pytest.mark.parametrize("end", [StartedRuns.look_after, pytest.param(StartedRuns.leave, marks=pytest.mark.slow)])
def test_a_process_that_ended_between_two_looks(killed, end, monkeypatch):
    """The server says whose run it was: it is started again each time that it ends, and another worker's is left."""
    monkeypatch.setattr(started_runs, "UNSEEN_SECONDS", 0)
    run, foreign = Unseen(Crashed()), Unseen(Crashed(), worker="labelsnap there 4567")
    for _ in range(2):
        run.set(Crashed())
        end(run.runs)
        assert (run.state, foreign.state) == ("AwaitingRetry", "Crashed")


@pytest.mark.slow
def test_a_process_that_ended_unseen_with_its_worker(killed):
    """Nobody reports it: it is found by its label, and another worker's run is left."""
    run, foreign = Unseen(Pending()), Unseen(Pending(), worker="labelsnap there 4567")
    run.runs.leave()
    assert (run.state, foreign.state) == ("AwaitingRetry", "Pending")


def test_a_crash_that_was_told_is_not_started_again_for_ever(killed, monkeypatch):
    """One that ended its process three times stays Crashed, however often the server is asked."""
    monkeypatch.setattr(started_runs, "UNSEEN_SECONDS", 0)
    run = Unseen(Crashed())
    for _ in range(3):
        for state in (Pending(), Running(), Crashed()):
            run.set(state)
        run.runs.look_after()
    for _ in range(2):
        run.runs.look_after()
    assert run.state == "Crashed"


@pytest.mark.slow
def test_a_child_ends_with_a_parent_that_is_killed():
    """Nobody is left to tell it: the system does."""
    program = (
        "import subprocess, sys, time; from flows.service.worker import ending_with_us;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " start_new_session=True, preexec_fn=ending_with_us());"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    assert ending_with_us() is not None
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    until(lambda: not living(child), 20)


def living(process):
    """Whether it is one that still runs."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
