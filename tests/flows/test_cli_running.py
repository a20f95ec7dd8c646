"""What a command leaves out of what Prefect does around a run: nothing that anybody sees."""

from __future__ import annotations

import ssl
import threading
from types import SimpleNamespace

import pytest
from prefect import flow, flow_engine
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_TLS_INSECURE_SKIP_VERIFY, PREFECT_API_URL, temporary_settings
from prefect.task_runners import ProcessPoolTaskRunner

from config.dataset import Dataset
from flows.commands.process import VERSION_CHECK
from flows.commands.running import ending_at_once, reading_certificates_once, run_here
from flows.refresh import refresh
from tests.flows.test_cli_process import told


@pytest.fixture
def served(monkeypatch):
    """A Prefect server that is there and keeps nothing of older runs: none is asked, or started."""
    monkeypatch.setattr("flows.commands.running.check_server", lambda: None)
    monkeypatch.setattr("flows.commands.running.trim_own_records", lambda: None)


@pytest.fixture
def joined(monkeypatch):
    """The daemon threads that were waited for."""
    waited = []
    join = threading.Thread.join

    def note(thread, timeout=None):
        if thread.daemon:
            waited.append(thread.name)
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", note)
    return waited


def beaten():
    """Whether a run's heartbeat came, and whether its thread goes on, once the block of its engine has ended."""
    came, logger = threading.Event(), SimpleNamespace(debug=lambda *_, **__: None)
    engine = SimpleNamespace(
        heartbeat_seconds=30,
        flow_run=None,
        logger=logger,
        _build_heartbeat_event_template=lambda: ({}, []),
        _emit_flow_run_heartbeat=lambda *_: came.set(),
    )
    with flow_engine._send_heartbeats(engine):
        return came.wait(10)


def test_the_end_of_a_run_does_not_wait_for_the_thread_of_its_heartbeats(joined):
    """It sends them as ever, and sleeps for a second at a time, half of which each command would wait."""
    with ending_at_once():
        assert beaten()
    assert joined == []
    assert beaten()
    assert len(joined) == 1, "other runs of this process end as Prefect has them end"


def test_an_engine_that_knows_no_such_choice_has_its_way(monkeypatch):
    """Another version of Prefect may send heartbeats by other means."""
    monkeypatch.delattr(flow_engine, "_send_heartbeats")
    with ending_at_once():
        assert not hasattr(flow_engine, "_send_heartbeats")
    assert not hasattr(flow_engine, "_send_heartbeats")


def test_prefects_clients_read_one_list_of_certificates_once(monkeypatch):
    """In a run that was typed; outside of it Prefect is as it was, and one that trusts whomever shares nothing."""
    read, own = [], ssl.create_default_context

    def reading(**named):
        read.append(named)
        return own(**named)

    monkeypatch.setattr(ssl, "create_default_context", reading)
    named = temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"})
    with named, reading_certificates_once():
        for _ in range(3):
            get_client(sync_client=True)
        assert [each.keys() for each in read] == [{"cafile"}]
        with temporary_settings({PREFECT_API_TLS_INSECURE_SKIP_VERIFY: True}):
            get_client(sync_client=True)
            get_client(sync_client=True)
        assert read[1:] == [{}, {}]
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"}):
        get_client(sync_client=True)
    assert len(read) == 4


def test_the_server_keeps_the_parameters_that_prefect_would_send(served, monkeypatch):
    """What is shown of a run, and what a run of a deployment is started with, is one form."""
    given = Dataset.model_validate(
        {
            "dataset": "streets",
            "store": "file:///tmp/store",
            "source": {"project": "cltd3vkju021907u63w2odj69"},
            "filters": {"last_activity_at": ["2024-01-01T00:00:00Z", None]},
            "formats": {"coco": {"panoptic": False}, "yolo": {"task": "segment"}},
        }
    )
    monkeypatch.setattr("prefect.Flow.__call__", lambda self, dataset: self.serialize_parameters({"dataset": dataset}))
    assert run_here(refresh, "thread", given) == refresh.serialize_parameters({"dataset": given})


def test_parameters_that_are_no_models_go_prefects_own_way(served, monkeypatch):
    """The dates and lengths of a backfill."""

    @flow
    def counted(number: int) -> dict:
        return {"number": number}

    monkeypatch.setattr("prefect.Flow.__call__", lambda self, number: self.serialize_parameters({"number": number}))
    assert run_here(counted, "thread", 7) == {"number": 7}


def test_the_runner_that_is_chosen_is_the_runs_alone(served, monkeypatch):
    """The flow that the run was made of keeps its own, and whatever else a flow of Prefect's has is the same."""
    before = refresh.task_runner
    monkeypatch.setattr("prefect.Flow.__call__", lambda self: self)
    run = run_here(refresh, "process")
    assert isinstance(run.task_runner, ProcessPoolTaskRunner)
    assert refresh.task_runner is before
    same = vars(refresh.with_options(task_runner=run.task_runner))
    left_out = {"serialize_parameters"}
    assert {name: vars(run)[name] for name in vars(run).keys() - left_out} == same


@pytest.mark.parametrize(
    ("environment", "asks"), [({}, False), pytest.param({VERSION_CHECK: "true"}, True, marks=pytest.mark.slow)]
)
def test_prefect_does_not_ask_again_for_the_version_that_the_command_has_asked_for(environment, asks):
    """Unless the environment says that it shall."""
    code = """
from flows.commands.process import loading_runs
with loading_runs():
    from prefect.settings import get_current_settings
print(json.dumps(get_current_settings().client.server_version_check_enabled))
"""
    assert told(code, **environment) is asks
