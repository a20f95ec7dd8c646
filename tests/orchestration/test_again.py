"""A run whose process ended: when it is started again, and when it is not; and what a silent server says of it."""

from __future__ import annotations

import logging
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import AwaitingRetry, Cancelling, Crashed, Pending, Retrying, Running

from flows.again import STARTS, run_again
from labelsnap.errors import RunStoppedError
from labelsnap.storage import open_store, probe
from tasks.export import start_exports
from tasks.machines.here import here_of
from tasks.run.beginning import Beginning, Head
from tasks.run.unfinished import note_beginning
from tasks.run.wanted import Wanted, check_wanted
from tests.contracts.prefect_front import served

JSON = "application/json"


@flow(name="again")
def nothing(dataset):
    """A flow to have runs of."""


@pytest.fixture
def crashed(prefect_server, dataset):
    """Makes a run that went through such states and crashed; gives its states after it was looked after.

    ``begin`` is told the run's dataset and id before it is looked after.
    """
    chosen = dataset()
    parameters = {"dataset": chosen.model_dump(mode="json")}

    def make(*states, deployed=True, begin=lambda *_: None):
        with get_client(sync_client=True) as client:
            flow_id = client.create_flow(nothing)
            if deployed:
                deployment = client.create_deployment(flow_id, name=uuid4().hex)
                run = client.create_flow_run_from_deployment(deployment, parameters=parameters)
            else:
                run = client.create_flow_run(nothing, parameters=parameters)
            begin(chosen, str(run.id))
            for state in (*states, Crashed()):
                client.set_flow_run_state(run.id, state, force=True)
            run_again(nothing, client.read_flow_run(run.id), Crashed())
            return client.read_flow_run(run.id).state.name

    return make


def test_a_crashed_run_of_a_deployment_is_started_again_a_few_times(crashed):
    """As often as it may be started; then it stays crashed."""
    starts = (Running(), Crashed()) * (STARTS - 2)
    assert crashed(*starts, Running()) == "AwaitingRetry"
    assert crashed(*starts, Running(), Crashed(), Running()) == "Crashed"


def test_an_export_goes_with_the_last_start(crashed, sandbox):
    """A run that is started again goes on with its export; when it is given up, the export is cancelled."""
    sandbox.settings.polls = 1_000_000
    before = set(sandbox.exports)

    def running():
        return set(sandbox.exports.running()) - before

    def begin(chosen, cause):
        store = open_store(chosen.url)
        now = probe(store)
        begun = Beginning("run-1", cause, Head(), now, now, now)
        note_beginning(store, chosen, begun)
        start_exports.fn(chosen, "run-1")
        here_of(chosen.url).settle()

    starts = (Running(), Crashed()) * (STARTS - 1)
    assert crashed(Running(), begin=begin) == "AwaitingRetry"
    assert len(running()) == 1
    assert crashed(*starts, Running(), begin=lambda *_: None) == "Crashed"
    assert len(running()) == 1, "another run's export is left alone"
    assert crashed(*starts, Running(), begin=begin) == "Crashed"
    assert running() == set()


def test_a_run_that_never_ran_is_started_again_a_few_times(crashed):
    """Prefect does not count a start that ended before the flow began; it is one of as many all the same."""
    assert crashed(Pending()) == "AwaitingRetry"
    assert crashed(*(Pending(), Crashed()) * (STARTS - 1), Pending()) == "Crashed"


@pytest.mark.slow
def test_prefects_own_retries_are_no_starts(crashed):
    """They are of one process: the one whose third try it ends in was the first."""
    tries = (Running(), AwaitingRetry(), Retrying(), AwaitingRetry(), Retrying())
    assert crashed(Pending(), *tries) == "AwaitingRetry"
    again = (Crashed(), AwaitingRetry(), Pending(), *tries)
    assert crashed(Pending(), *tries, *again * (STARTS - 2)) == "AwaitingRetry"
    assert crashed(Pending(), *tries, *again * (STARTS - 1)) == "Crashed"


def test_what_a_person_started_or_cancelled_is_not_started_again(crashed):
    """A command's run has no deployment; one that was being cancelled is to end."""
    assert crashed(Running(), deployed=False) == "Crashed"
    assert crashed(Running(), Cancelling()) == "Crashed"


@pytest.mark.slow
def test_a_silent_server_is_no_cancellation(prefect_server, monkeypatch, caplog):
    """It is asked again for a while; then the run goes on, and says so. A flow run that is gone is one."""
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(uuid4()))
    pauses = []
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), caplog.at_level(logging.WARNING):
        check_wanted(6, clock=lambda: 2 * len(pauses), sleep=pauses.append)
    assert len(pauses) == 3
    assert "did not say for 6 seconds" in caplog.text
    with pytest.raises(RunStoppedError) as caught:
        check_wanted(1)
    assert caught.value.code == "run_cancelled"


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [(503, "text/html", b""), (404, "text/html", b"no such page"), (200, "text/html", b"<html>"), (200, JSON, b"[1]")],
)
def test_a_page_is_no_cancellation(monkeypatch, caplog, status, kind, body):
    """Before it publishes a run asks until a server answers: a proxy's page that there is no such page is none."""
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(uuid4()))
    pauses = []
    with served(lambda *_: (status, kind, body)) as url, temporary_settings({PREFECT_API_URL: url}):
        check_wanted(4, clock=lambda: 2 * len(pauses), sleep=pauses.append)
    assert len(pauses) == 2
    assert "did not say for 4 seconds" in caplog.text


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [(503, "text/html", b""), (404, "text/html", b"no such page"), (200, "text/html", b"<html>"), (200, JSON, b"[1]")],
)
def test_a_server_that_says_nothing_costs_long_work_one_question(monkeypatch, status, kind, body):
    """It is asked again when the time for the next one has come; before the first nothing is asked."""
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(uuid4()))
    asked, now = [], [0.0]

    def answer(request, _):
        asked.append(request.path)
        return status, kind, body

    with served(answer) as url, temporary_settings({PREFECT_API_URL: url}):
        wanted = Wanted(clock=lambda: now[0])
        for moment in (1, 29, 31, 32, 60, 62):
            now[0] = moment
            wanted.check()
    assert len(asked) == 2
