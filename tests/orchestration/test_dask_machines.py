"""Dask workers that share nothing but the store: those that fit do the work, and every other fault has a sentence."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from contextlib import ExitStack, closing
from threading import Thread

import pytest
from machines import SECRETS, Recorder, another_version, files, machine, needs_namespaces, without_labelsnap
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.refresh import refresh
from flows.runners.runners import runner_of
from labelsnap.errors import ConfigurationError, LabelboxRefusedError
from labelsnap.storage import open_store
from tasks.telling.progress import listening
from tests.contracts.store_fixtures import free_port
from tests.orchestration.prefect_service import BIN, prefect_service, until

pytestmark = pytest.mark.slow


class Machines:
    """A scheduler, and workers of one thread, each on a machine of its own."""

    def __init__(self, stack, sandbox, folder):
        self._stack, self._log, self.port = stack, folder / "dask.log", free_port()
        self.environment = sandbox.environment() | {"PREFECT_API_URL": PREFECT_API_URL.value()}
        self.environment |= {"PREFECT_LOGGING_LEVEL": "CRITICAL", "DASK_DISTRIBUTED__COMM__COMPRESSION": "False"}

        self.address = f"tcp://127.0.0.1:{self.port}"

    def _start(self, name, *command, environment):
        started = machine(name, "-m", "dask", *command, environment=environment, log=self._log)
        return self._stack.enter_context(started)

    def scheduler(self, **changes):
        """Start the scheduler."""
        command = ("scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")
        return self._start("scheduler", *command, environment=self.environment | changes)

    def worker(self, name, *lacking, **changes):
        """Start a worker, without some variables."""
        environment = {each: value for each, value in self.environment.items() if each not in lacking} | changes
        command = ("worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny")
        return self._start(name, *command, environment=environment)

    def await_workers(self, count):
        """Wait until so many workers have come."""
        until(lambda: self._log.read_text(encoding="utf-8").count("Registered to:") >= count, 60)


@pytest.fixture
def machines(clustered, prefect_server, tmp_path):
    """Machines to be started."""
    needs_namespaces()
    with ExitStack() as stack:
        yield Machines(stack, clustered, tmp_path)


def over(machines, dataset, *, port=None):
    """Refresh over the scheduler."""
    runner = runner_of(f"dask:tcp://127.0.0.1:{port or machines.port}")
    return refresh.with_options(task_runner=runner)(dataset)


def test_machines_that_share_nothing_give_the_same_bytes_and_see_no_secret(machines, chosen):
    """One of them comes late, another dies; no byte before the scheduler is one of Prefect's or Labelbox's secrets."""
    threads = refresh(chosen("threads"))
    machines.scheduler()
    first = machines.worker("first")
    late = []

    def change(stage, done, total):
        if stage == "rows" and not late:
            late.append(machines.worker("late"))
        if stage == "files" and done and first.poll() is None:
            os.kill(first.pid, signal.SIGKILL)

    with closing(Recorder("127.0.0.1", machines.port)) as recorder, temporary_settings(SECRETS), listening(change):
        result = over(machines, chosen("dask"), port=recorder.port)
    assert first.wait(10) == -signal.SIGKILL
    assert files(result) == files(threads)
    assert result["rows"] == threads["rows"]
    assert b"carry_out" in recorder.bytes
    secrets = ["8675309", machines.environment["LABELBOX_API_KEY"]]
    assert [secret for secret in secrets if secret.encode() in recorder.bytes] == []
    assert list(open_store(chosen("dask").url).list("_probe/")) == []


def test_machines_that_do_not_fit_get_no_work(machines, chosen, seen_by_all, caplog):
    """Alone they end the run at once, each told with what it lacks; beside one that fits all rows are published."""
    wrong = {
        "LABELBOX_API_KEY is not what it is": (["LABELBOX_API_KEY"], {}),
        "AWS_ACCESS_KEY_ID": (["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], {"AWS_EC2_METADATA_DISABLED": "true"}),
        "software digest is": ([], {"PYTHONPATH": another_version(seen_by_all / "other")}),
        "no labelsnap, or another version": ([], {"PYTHONPATH": without_labelsnap(seen_by_all / "none")}),
        "no scratch space": ([], {"LABELSNAP_TEMPORARY_DIRECTORY": "/proc/none"}),
        "PREFECT_API_URL is not set": (["LABELSNAP_ALLOW_HOSTS", "PREFECT_API_URL"], {}),
    }
    machines.scheduler()
    for number, (lacking, changes) in enumerate(wrong.values()):
        machines.worker(f"misfit-{number}", *lacking, **changes)
    machines.await_workers(len(wrong))
    with pytest.raises(ConfigurationError) as caught:
        over(machines, chosen("dask"))
    assert (caught.value.code, caught.value.exit_status) == ("no_worker", 2)
    assert [reason for reason in wrong if reason not in caught.value.message] == []
    assert "the machine misfit-1" in caught.value.message
    assert "LABELSNAP_ALLOW_HOSTS is not what it is" in caught.value.message
    machines.worker("fitting")
    machines.await_workers(len(wrong) + 1)
    caplog.clear()
    result = over(machines, chosen("dask"))
    assert (result["rows"]["problems"], result["published"]) == (0, True)
    assert caplog.text.count("gets no work") == len(wrong)


def test_a_port_that_says_nothing_is_told(machines, chosen, monkeypatch):
    """It takes connections, as a listener whose scheduler hangs, and the run ends by a deadline."""
    monkeypatch.setattr("flows.runners.dask_runner.SECONDS", 1.0)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent, pytest.raises(ConfigurationError) as caught:
        over(machines, chosen("dask"), port=silent.getsockname()[1])
    assert (caught.value.code, caught.value.exit_status) == ("cluster_unusable", 2)


def test_a_run_without_any_worker_ends(machines, chosen):
    """After the time that is given to workers to come."""
    machines.scheduler()
    with pytest.raises(ConfigurationError, match="there is none") as caught:
        over(machines, chosen("dask"))
    assert caught.value.code == "no_worker"


def test_a_run_whose_last_worker_dies_ends(machines, chosen):
    """In the middle of its rows."""
    machines.scheduler()
    worker = machines.worker("first")

    def kill(stage, done, _):
        if stage == "rows" and done:
            worker.kill()

    with listening(kill), pytest.raises(ConfigurationError) as caught:
        over(machines, chosen("dask"))
    assert caught.value.code == "no_worker"


def test_a_run_whose_scheduler_dies_ends(machines, chosen):
    """At once, in words; another run goes on with its work."""
    scheduler = machines.scheduler()
    machines.worker("first")
    killed = []

    def kill(stage, done, _):
        if stage == "rows" and done and not killed:
            killed.append(Thread(target=scheduler.kill))
            killed[0].start()

    with listening(kill), pytest.raises(ConfigurationError, match=r"scheduler .* is lost") as caught:
        over(machines, chosen("dask"))
    assert caught.value.code == "cluster_unusable"


def test_a_scheduler_that_is_restarted_in_mid_run_ends_it(machines, chosen, clustered):
    """In words, though it is at its address again; the next run takes over what is finished."""
    threads = refresh(chosen("threads"))
    masks = clustered.requests.count("*mask")
    scheduler = machines.scheduler()
    machines.worker("first")
    restarts = []

    def restart():
        scheduler.kill()
        scheduler.wait()
        machines.scheduler()
        machines.worker("second")

    def on_rows(stage, done, _):
        if stage == "rows" and done and not restarts:
            restarts.append(Thread(target=restart))
            restarts[0].start()

    with listening(on_rows), pytest.raises(ConfigurationError, match=r"scheduler .* is lost") as caught:
        over(machines, chosen("dask"))
    assert (caught.value.code, caught.value.exit_status) == ("cluster_unusable", 2)
    assert "dask scheduler --port" in caught.value.remedy
    restarts[0].join()
    machines.await_workers(2)
    clustered.requests.clear()
    result = over(machines, chosen("dask"))
    assert files(result) == files(threads)
    assert 0 < clustered.requests.count("*mask") < masks


def test_a_key_that_is_rotated_in_mid_run_ends_it(machines, chosen, clustered, monkeypatch, caplog):
    """It names the worker, and leaves nothing of a refused task; the next run has the new key, and all rows."""
    machines.scheduler()
    machines.worker("holder")
    machines.await_workers(1)

    def rotate(stage, done, _):
        if stage == "rows" and done:
            clustered.rotate_key("rotated-8675309")

    with listening(rotate), pytest.raises(LabelboxRefusedError, match="key of the machine holder for masks") as caught:
        over(machines, chosen("dask"))
    assert (caught.value.code, caught.value.exit_status) == ("key_refused", 3)
    store = open_store(chosen("dask").url)
    receipts = [json.loads(store.get(info.key)) for info in store.list("work/") if "/receipts/bucket-" in info.key]
    assert 0 < len(receipts) < 8
    assert {receipt["receipt"]["tally"]["problems"] for receipt in receipts} == {0}
    monkeypatch.setenv("LABELBOX_API_KEY", clustered.api_key)
    machines.worker("renewed", LABELBOX_API_KEY=clustered.api_key)
    machines.await_workers(2)
    result = over(machines, chosen("dask"))
    assert caplog.text.count("gets no work: LABELBOX_API_KEY is not what it is") == 1
    assert (result["rows"]["problems"], result["published"]) == (0, True)


def test_a_worker_that_prefect_refuses_is_told_before_work_is_sent(machines, clustered, dataset_file, tmp_path):
    """It has another auth string than the server, or none; beside one that has the server's all rows are published."""
    right = "admin:right-8675309"
    source = {"source": {"project": clustered.project_id}, "store": "s3://datasets/dask"}
    command = (BIN / "labelsnap", "refresh", dataset_file(**source), "--json", "--runner", f"dask:{machines.address}")
    with prefect_service(tmp_path, PREFECT_SERVER_API_AUTH_STRING=right) as service:
        own = os.environ | service | clustered.environment() | {"PREFECT_API_AUTH_STRING": right}
        url = {"PREFECT_API_URL": service["PREFECT_API_URL"]}
        machines.scheduler()
        machines.worker("without", **url)
        machines.worker("wrong", **url, PREFECT_API_AUTH_STRING="admin:wrong")
        machines.await_workers(2)
        refused = subprocess.run(command, env=own, capture_output=True, check=False)  # noqa: S603
        error = json.loads(refused.stdout)["error"]
        assert (refused.returncode, error["code"]) == (2, "no_worker")
        assert error["message"].count("refuses it (401): PREFECT_API_AUTH_STRING") == 2
        assert clustered.requests.count("*mask") == 0
        machines.worker("fitting", **url, PREFECT_API_AUTH_STRING=right)
        machines.await_workers(3)
        done = subprocess.run(command, env=own, capture_output=True, check=False)  # noqa: S603
    result = json.loads(done.stdout)
    assert (done.returncode, result["rows"]["problems"], result["published"]) == (0, 0, True)
    assert done.stderr.count(b"gets no work") == 2


def test_a_scheduler_without_labelsnap_is_told(machines, chosen, seen_by_all):
    """Before any work."""
    machines.scheduler(PYTHONPATH=without_labelsnap(seen_by_all / "none"))
    with pytest.raises(ConfigurationError, match="has no labelsnap") as caught:
        over(machines, chosen("dask"))
    assert caught.value.code == "cluster_unusable"
