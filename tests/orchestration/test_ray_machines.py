"""Ray nodes that share nothing but the store: those that fit do the work, and every other fault has a sentence."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from threading import Thread

import pytest
from machines import SECRETS, Recorder, another_version, files, machine, needs_namespaces, without_labelsnap
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.refresh import refresh
from flows.runners.runners import runner_of
from labelsnap.errors import ConfigurationError
from tasks.telling.progress import listening
from tests.contracts.store_fixtures import free_port
from tests.orchestration.prefect_service import until

pytest.importorskip("prefect_ray", reason="the extra labelsnap[ray] is not installed")
import ray

pytestmark = pytest.mark.slow

STARTING_SECONDS = 120
"""A node that has not started within so many ends by itself; within 30, where Ray is told nothing else."""


class Nodes:
    """A head without processors, and nodes with one each, each on a machine of its own."""

    def __init__(self, stack, sandbox, folder):
        self._stack, self._log = stack, folder / "ray.log"
        self._started = 0
        self.port, self.client_port = free_port(), free_port()
        self.environment = sandbox.environment() | {"PREFECT_API_URL": PREFECT_API_URL.value()}
        self.environment |= {"PREFECT_LOGGING_LEVEL": "CRITICAL", "RAY_USAGE_STATS_ENABLED": "0"}
        self.environment["RAY_raylet_start_wait_time_s"] = str(STARTING_SECONDS)
        self.environment["GRPC_ENABLE_FORK_SUPPORT"] = "false"  # else one client in forty fails: see ray#63202

    def _start(self, name, *arguments, environment):
        self._started += 1
        ports = ("--min-worker-port", "0", "--max-worker-port", "0")  # any that are free: nodes share this network
        command = ("-m", "ray.scripts.scripts", "start", "--block", *ports, *arguments)
        return self._stack.enter_context(machine(name, *command, environment=environment, log=self._log))

    def head(self):
        """Start the head, and wait for it."""
        ports = ("--port", str(self.port), "--ray-client-server-port", str(self.client_port))
        options = ("--head", *ports, "--include-dashboard", "false", "--num-cpus", "0")
        head = self._start("head", *options, environment=self.environment)
        self.await_started()
        return head

    def node(self, name, *lacking, **changes):
        """Start a node, without some variables."""
        environment = {each: value for each, value in self.environment.items() if each not in lacking} | changes
        options = ("--address", f"127.0.0.1:{self.port}", "--num-cpus", "1")
        return self._start(name, *options, environment=environment)

    def await_started(self):
        """Wait until all that were started run."""
        until(
            lambda: self._log.read_text(encoding="utf-8").count("Ray runtime started.") >= self._started,
            STARTING_SECONDS,
        )


@pytest.fixture
def nodes(clustered, prefect_server, tmp_path):
    """Nodes to be started."""
    needs_namespaces()
    with ExitStack() as stack:
        yield Nodes(stack, clustered, tmp_path)
        ray.shutdown()


def over(nodes, dataset, *, port=None):
    """Refresh over the head."""
    runner = runner_of(f"ray:ray://127.0.0.1:{port or nodes.client_port}")
    return refresh.with_options(task_runner=runner)(dataset)


def test_nodes_that_share_nothing_give_the_same_bytes_and_see_no_secret(nodes, chosen):
    """One of them dies in the middle; no byte before the head is one of Prefect's or Labelbox's secrets."""
    threads = refresh(chosen("threads"))
    nodes.head()
    first = nodes.node("first")
    nodes.node("second")
    nodes.await_started()

    def kill(stage, done, _):
        if stage == "rows" and done and first.poll() is None:
            os.kill(first.pid, signal.SIGKILL)

    with closing(Recorder("127.0.0.1", nodes.client_port)) as recorder, temporary_settings(SECRETS), listening(kill):
        result = over(nodes, chosen("ray"), port=recorder.port)
        ray.shutdown()
    assert first.wait(10) == -signal.SIGKILL
    assert files(result) == files(threads)
    assert result["rows"] == threads["rows"]
    assert b"carry_out" in recorder.bytes
    secrets = ["8675309", nodes.environment["LABELBOX_API_KEY"]]
    assert [secret for secret in secrets if secret.encode() in recorder.bytes] == []


def test_nodes_that_do_not_fit_get_no_work(nodes, chosen, seen_by_all):
    """Alone they end the run at once, each told with what it lacks; beside one that fits all rows are published."""
    wrong = {
        "LABELBOX_API_KEY is not what it is": (["LABELBOX_API_KEY"], {}),
        "AWS_ACCESS_KEY_ID": (["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], {"AWS_EC2_METADATA_DISABLED": "true"}),
        "software digest is": ([], {"PYTHONPATH": another_version(seen_by_all / "other")}),
        "no labelsnap, or another version": ([], {"PYTHONPATH": without_labelsnap(seen_by_all / "none")}),
    }
    nodes.head()
    for number, (lacking, changes) in enumerate(wrong.values()):
        nodes.node(f"misfit-{number}", *lacking, **changes)
        nodes.await_started()  # one after another: each start takes a processor for seconds
    with pytest.raises(ConfigurationError) as caught:
        over(nodes, chosen("ray"))
    assert (caught.value.code, caught.value.exit_status) == ("no_worker", 2)
    assert [reason for reason in wrong if reason not in caught.value.message] == []
    assert "misfit-1" in caught.value.message
    nodes.node("fitting")
    nodes.await_started()
    result = over(nodes, chosen("ray"))
    assert (result["rows"]["problems"], result["published"]) == (0, True)


def test_a_node_that_comes_late_does_the_work(nodes, chosen, monkeypatch, caplog):
    """The run says that it waits for the first one, and gives it everything."""
    monkeypatch.setenv("LABELSNAP_WORKER_SECONDS", "120")
    nodes.head()

    def start():
        until(lambda: "There is no worker yet. It is waited for one that fits for 120 seconds." in caplog.text, 120)
        nodes.node("late")

    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(start)
        result = over(nodes, chosen("ray"))
        started.result()
    assert (result["rows"]["problems"], result["published"]) == (0, True)


def test_a_run_whose_last_node_dies_ends(nodes, chosen):
    """In the middle of its rows."""
    nodes.head()
    node = nodes.node("first")
    nodes.await_started()

    def kill(stage, done, _):
        if stage == "rows" and done:
            node.kill()

    with listening(kill), pytest.raises(ConfigurationError) as caught:
        over(nodes, chosen("ray"))
    assert caught.value.code == "no_worker"


def test_a_run_whose_head_dies_ends(nodes, chosen, caplog):
    """Once Ray has given up, in words, and without a cluster that Ray starts here in its place."""
    head = nodes.head()
    nodes.node("first")
    nodes.await_started()
    killed = []

    def kill(stage, done, _):
        if stage == "rows" and done and not killed:
            killed.append(Thread(target=head.kill))
            killed[0].start()

    with listening(kill), pytest.raises(ConfigurationError, match=r"head .* is lost") as caught:
        over(nodes, chosen("ray"))
    assert caught.value.code == "cluster_unusable"
    assert "Started a local Ray instance" not in caplog.text


def test_a_head_that_is_absent_is_told(nodes, chosen):
    """In words, before any work."""
    with pytest.raises(ConfigurationError, match="cannot be reached") as caught:
        over(nodes, chosen("ray"))
    assert caught.value.code == "cluster_unusable"
