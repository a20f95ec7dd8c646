"""The same flow on threads and on a Dask cluster, one of whose workers dies."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from machines import files
from prefect.settings import PREFECT_API_URL
from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

from deploy.sandbox import Sandbox, row_truth
from flows.refresh import refresh
from flows.runners.cluster_runner import cluster_gone
from flows.runners.dask_runner import DaskCluster
from flows.runners.runners import runner_of
from labelsnap.buckets.grouping import bucket_count, bucket_of
from labelsnap.errors import ConfigurationError
from tasks.telling.progress import listening
from tests.contracts.store_fixtures import free_port
from tests.orchestration.prefect_service import running


def test_a_runner_is_named_by_its_kind_and_address():
    """Dask takes an address of a scheduler that runs already."""
    assert isinstance(runner_of("thread"), ThreadPoolTaskRunner)
    assert isinstance(runner_of("process"), ProcessPoolTaskRunner)
    assert runner_of("dask:tcp://127.0.0.1:8786").address == "tcp://127.0.0.1:8786"


@pytest.mark.parametrize("text", ["", "threads", "thread:8", "process:8", "spark", "tcp://127.0.0.1:8786"])
def test_another_runner_is_refused(text):
    """With those that there are."""
    with pytest.raises(ConfigurationError, match="dask") as caught:
        runner_of(text)
    assert caught.value.code == "unknown_runner"


@pytest.mark.parametrize(
    "text", ["dask:tcp://127.0.0.1", "dask:scheduler", "dask:http://a:1", "ray:ray://head", "ray:x y:1"]
)
def test_an_address_that_leads_nowhere_is_refused(text):
    """One without a port, or of another scheme, before anything is asked."""
    with pytest.raises(ConfigurationError, match="host and a port") as caught:
        runner_of(text)
    assert caught.value.code == "bad_runner_address"


def test_a_runner_that_is_not_installed_is_refused(monkeypatch):
    """The error names the extra that brings it, for here and for the cluster."""
    monkeypatch.setitem(sys.modules, "prefect_ray", None)  # an import fails as where it is not installed
    with pytest.raises(ConfigurationError, match="'ray' is not installed") as caught:
        runner_of("ray")
    assert caught.value.code == "runner_not_installed"
    assert "labelsnap[ray]" in caught.value.remedy


class Busy:
    """A client of a scheduler that does not answer in time."""

    def run_on_scheduler(self, *_, callback_timeout):
        """Wait for as long."""
        raise TimeoutError(f"timed out after {callback_timeout:g} s.")


def test_a_scheduler_that_does_not_answer_is_told_as_that():
    """Nothing is known of its labelsnap then."""
    with pytest.raises(ConfigurationError, match=r"does not answer \(TimeoutError: timed out after 30 s") as caught:
        DaskCluster(Busy(), "tcp://127.0.0.1:8786").check_scheduler()
    assert caught.value.code == "cluster_unusable"
    assert "no labelsnap" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "ConnectionAbortedError"),
        ("refused\nat line 1", "ConnectionAbortedError: refused"),
        ("Failure from server:", "ConnectionAbortedError: Failure from server:"),
        (
            'Failure from server:\nTraceback:\n  File "a"\nRuntimeError: no process\n',
            "ConnectionAbortedError: Failure from server: RuntimeError: no process",
        ),
    ],
)
def test_why_a_cluster_cannot_be_used_is_told_in_a_line(text, told):
    """Ray's client has a heading and then its head's traceback, whose last line is the reason."""
    assert cluster_gone("The head is lost", ConnectionAbortedError(text), "").message == f"The head is lost ({told})."


@pytest.mark.slow
@pytest.mark.parametrize("name", ["process", "ray"])
def test_another_runner_on_this_machine_gives_the_same_bytes(sandbox, dataset, monkeypatch, tmp_path, name):
    """Processes of our own, or of Ray where the extra `ray` is installed: the snapshot is that of threads."""
    if name == "ray":
        pytest.importorskip("ray", reason="the extra labelsnap[ray] is not installed")
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "8")
    monkeypatch.setenv("LABELSNAP_WORKERS", "2")
    threads = refresh(dataset(store=f"file://{tmp_path}/threads"))
    result = refresh.with_options(task_runner=runner_of(name))(dataset(store=f"file://{tmp_path}/{name}"))
    assert files(result) == files(threads)
    assert result["rows"] == threads["rows"]


def largest_bucket(sandbox, rows_per_bucket=8):
    """As many masks as the bucket with the most instances has; each is fetched once at most, with others or alone."""
    rows = sandbox.rows("DONE")
    count, masks = bucket_count(len(rows), rows_per_bucket), Counter()
    for row in rows:
        masks[bucket_of(row.id.encode(), count)] += len(row_truth(row))
    return max(masks.values())


@pytest.fixture
def cluster(prefect_server, tmp_path, monkeypatch):
    """Starts a Dask scheduler and two workers of one thread, in processes of their own, with this environment."""
    with ExitStack() as stack:

        def start():
            address = f"tcp://127.0.0.1:{free_port()}"
            environment = {"PREFECT_API_URL": PREFECT_API_URL.value(), "PREFECT_LOGGING_LEVEL": "CRITICAL"}
            environment["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = "3"
            log, python = tmp_path / "dask.log", Path(sys.executable).name
            scheduler = (python, "-m", "dask", "scheduler", "--host", address, "--no-dashboard")
            worker = (python, "-m", "dask", "worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny")
            stack.enter_context(running(*scheduler, environment=environment, log=log))
            workers = [stack.enter_context(running(*worker, environment=environment, log=log)) for _ in range(2)]
            return address, workers

        yield start


@pytest.mark.integration
def test_dask_gives_the_same_bytes_and_a_dead_worker_costs_its_bucket(cluster, dataset, monkeypatch, tmp_path):
    """Two workers, one killed in the middle: the snapshot is that of threads, and few masks are fetched twice."""
    with Sandbox(rows=96, directory=tmp_path / "own") as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "8")
        monkeypatch.setenv("LABELSNAP_WORKERS", "2")
        source = {"source": {"project": sandbox.project_id}}
        threads = refresh(dataset(store=f"file://{tmp_path}/threads", **source))
        masks = sandbox.requests.count("*mask")
        sandbox.requests.clear()
        address, workers = cluster()

        def kill(stage, done, total):
            if stage == "rows" and done >= total / 3 and workers[0].poll() is None:
                os.kill(workers[0].pid, signal.SIGKILL)

        distributed = refresh.with_options(task_runner=runner_of(f"dask:{address}"))
        with listening(kill):
            result = distributed(dataset(store=f"file://{tmp_path}/dask", **source))
        assert workers[0].wait(10) == -signal.SIGKILL
        assert 0 <= sandbox.requests.count("*mask") - masks <= largest_bucket(sandbox)
    assert files(result) == files(threads)
    assert result["rows"] == threads["rows"]
