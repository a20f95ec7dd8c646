"""Ray nodes that share nothing but the store: those that fit do the work, and every other fault has a sentence."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

import pytest
from machines import files, machine, needs_namespaces
from prefect.settings import PREFECT_API_URL

from flows.refresh import refresh
from flows.runners import runner_of
from tasks.errors import ConfigurationError
from tasks.steps.progress import listening
from tests.contracts.store_fixtures import free_port

pytest.importorskip("prefect_ray", reason="the extra labelsnap[ray] is not installed")
import ray

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]


class Nodes:
    """A head without processors, and nodes with one each, each on a machine of its own."""

    def __init__(self, stack, sandbox, folder):
        self._stack, self._log = stack, folder / "ray.log"
        self.port, self.client_port = free_port(), free_port()
        self.environment = sandbox.environment() | {"PREFECT_API_URL": PREFECT_API_URL.value()}
        self.environment |= {"PREFECT_LOGGING_LEVEL": "CRITICAL", "RAY_USAGE_STATS_ENABLED": "0"}

    def _start(self, name, *arguments, environment):
        command = ("-m", "ray.scripts.scripts", "start", "--block", "--node-ip-address", "127.0.0.1", *arguments)
        return self._stack.enter_context(machine(name, *command, environment=environment, log=self._log))

    def head(self):
        """Start the head."""
        ports = ("--port", str(self.port), "--ray-client-server-port", str(self.client_port))
        options = ("--head", *ports, "--include-dashboard", "false", "--num-cpus", "0")
        return self._start("head", *options, environment=self.environment)

    def node(self, name, *lacking):
        """Start a node, without some variables."""
        environment = {each: value for each, value in self.environment.items() if each not in lacking}
        options = ("--address", f"127.0.0.1:{self.port}", "--num-cpus", "1")
        return self._start(name, *options, environment=environment)


@pytest.fixture
def nodes(clustered, prefect_server, tmp_path):
    """Nodes to be started."""
    needs_namespaces()
    with ExitStack() as stack:
        yield Nodes(stack, clustered, tmp_path)
        ray.shutdown()


def over(nodes, dataset):
    """Refresh over the head."""
    runner = runner_of(f"ray:ray://127.0.0.1:{nodes.client_port}")
    return refresh.with_options(task_runner=runner)(dataset)


def test_nodes_that_share_nothing_give_the_same_bytes(nodes, chosen, caplog, monkeypatch):
    """One has no key and gets no work, another dies in the middle: the snapshot is that of threads."""
    monkeypatch.setenv("LABELSNAP_WORKER_SECONDS", "30")
    threads = refresh(chosen("threads"))
    nodes.head()
    nodes.node("misfit", "LABELBOX_API_KEY")
    first = nodes.node("first")
    nodes.node("second")

    def kill(stage, done, _):
        if stage == "rows" and done > 8 and first.poll() is None:
            os.kill(first.pid, signal.SIGKILL)

    with listening(kill):
        result = over(nodes, chosen("ray"))
    assert files(result) == files(threads)
    assert result["rows"] == threads["rows"]
    assert "misfit" in caplog.text
    assert "LABELBOX_API_KEY is not what it is" in caplog.text


def test_a_head_that_is_absent_is_told(nodes, chosen):
    """In words, before any work."""
    with pytest.raises(ConfigurationError, match="cannot be reached") as caught:
        over(nodes, chosen("ray"))
    assert caught.value.code == "cluster_unusable"
