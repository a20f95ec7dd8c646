"""What is kept of runs by a server that Prefect starts for a command."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest
from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowFilter,
    FlowFilterName,
)
from prefect.exceptions import PrefectException
from prefect.states import Completed, Running

from flows.backfill import backfill
from flows.refresh import refresh
from flows.reprocess import reprocess
from flows.service import own_records
from flows.service.own_records import trim, trim_own_records

pytestmark = pytest.mark.prefect


@flow
def told():
    """Leave an artifact."""
    create_markdown_artifact(markdown="told", key="told")


@pytest.fixture
def client(prefect_server):
    """A client of a server on which other things run too."""
    with get_client(sync_client=True) as asked:
        yield asked


@pytest.fixture
def ours(monkeypatch):
    """A flow that no other test runs, as if it were labelsnap's."""
    name = f"ours-{uuid4()}"
    monkeypatch.setattr(own_records, "FLOWS", (name,))
    return told.with_options(name=name)


def runs_of(client, named):
    """The ids of the runs of a flow."""
    return {run.id for run in client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[named.name])))}


def test_the_flows_are_those_of_the_commands():
    """By the names under which Prefect knows them."""
    assert set(own_records.FLOWS) == {refresh.name, backfill.name, reprocess.name}


def test_the_newest_runs_stay_and_older_ones_go(client, ours):
    """Some at a time; what is under way stays, and so does what is not labelsnap's."""
    states = [Running(), *(Completed() for _ in range(5))]
    made = [client.create_flow_run(ours, state=state).id for state in states]
    other = told.with_options(name=f"others-{uuid4()}")
    client.create_flow_run(other, state=Completed())

    assert trim(client, kept=2, at_once=2) == 2
    assert trim(client, kept=2, at_once=2) == 1
    assert trim(client, kept=2, at_once=2) == 0
    assert runs_of(client, ours) == {made[0], *made[-2:]}
    assert runs_of(client, other)


def test_the_artifacts_of_a_run_go_with_it(client, ours):
    """Prefect's server would keep them for ever."""
    ours()
    (run,) = runs_of(client, ours)
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
    assert client.read_artifacts(artifact_filter=of_run)
    assert trim(client, kept=0) == 1
    assert not client.read_artifacts(artifact_filter=of_run)
    assert not runs_of(client, ours)


def test_two_commands_that_trim_at_once(client, ours, monkeypatch):
    """What the other one has deleted meanwhile is gone, and no reason for a refresh not to begin."""
    for _ in range(3):
        client.create_flow_run(ours, state=Completed())
    read = client.read_flow_runs

    def met(**asked):
        found = read(**asked)
        with get_client(sync_client=True) as other:
            assert trim(other, kept=0) == 3
        return found

    monkeypatch.setattr(client, "read_flow_runs", met)
    trim(client, kept=0)
    monkeypatch.undo()
    assert not runs_of(client, ours)


@pytest.mark.parametrize("fault", [httpx.ReadTimeout("slow"), PrefectException("locked")])
def test_what_fails_of_it_stops_no_command(client, monkeypatch, caplog, fault):
    """A server that is busy keeps its older runs for the next command."""

    def fail(_):
        raise fault

    monkeypatch.setattr(own_records, "trim", fail)
    monkeypatch.setattr(own_records.PREFECT_API_URL, "value", lambda: None)
    trim_own_records()
    assert str(fault) in caplog.text


@pytest.mark.slow
def test_a_server_that_is_named_keeps_what_its_operator_says(client, ours):
    """Nothing of it is deleted, however much there is."""
    made = {client.create_flow_run(ours, state=Completed()).id for _ in range(own_records.KEPT + 1)}
    trim_own_records()
    assert runs_of(client, ours) == made
