"""The places that a run's exports take at Labelbox: none is left taken by a run that nobody goes on with."""

from __future__ import annotations

import logging
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest
from prefect.settings import PREFECT_API_URL

from deploy.sandbox import Fault
from flows.backfill import backfill
from flows.refresh import refresh
from labelsnap.errors import LabelboxRefusedError
from tasks.poll import done_since
from tests.contracts.processes import PROCESSES
from tests.orchestration.killing import run

pytestmark = pytest.mark.prefect

ENDLESS = 1_000_000
"""Polls until an export is complete."""
REFUSED = Fault("graphql:CancelTask*", "graphql_error", code="FORBIDDEN", message="no task of yours")


@pytest.fixture
def running(sandbox):
    """Which exports are in progress that the test has started."""
    before = frozenset(sandbox.exports)
    return lambda: [task for task in sandbox.exports.running() if task not in before]


@pytest.fixture
def impatient(monkeypatch):
    """Exports are waited for a second."""
    monkeypatch.setenv("LABELSNAP_EXPORT_TIMEOUT", "1")
    monkeypatch.setenv("LABELSNAP_POLL_INTERVAL", "0.2")


@pytest.mark.usefixtures("impatient")
def test_an_export_that_takes_too_long_is_cancelled(sandbox, dataset, running):
    """Nobody waits for it any more: a person started the run."""
    sandbox.settings.polls = ENDLESS
    with pytest.raises(LabelboxRefusedError) as error:
        refresh(dataset())
    assert error.value.code == "export_timeout"
    assert running() == []
    assert sandbox.requests.count("graphql:CancelTaskPyApi") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_an_export_that_a_retry_waits_for_is_not(sandbox, dataset, running):
    """The same flow run goes on with it: it is cancelled when the last retry has failed, and none is started beside."""
    sandbox.settings.polls = ENDLESS
    before = len(sandbox.exports)
    with pytest.raises(LabelboxRefusedError):
        refresh.with_options(retries=1, retry_delay_seconds=0)(dataset())
    assert len(sandbox.exports) == before + 1
    assert sandbox.requests.count("graphql:CancelTaskPyApi") == 1
    assert running() == []


def test_parts_that_were_started_before_one_was_refused_are_cancelled(sandbox, dataset, running):
    """Of two exports of a long list the second is refused: the first is of no use."""
    sandbox.settings.polls = ENDLESS
    refused = Fault("graphql:export*", "graphql_error", after=1, code="FORBIDDEN", message="not this one")
    sandbox.faults.add(refused)
    with pytest.raises(LabelboxRefusedError, match="not this one"):
        refresh(dataset(filters={"data_row_ids": [f"none-{number}" for number in range(2001)]}))
    assert running() == []
    assert sandbox.requests.count("graphql:CancelTaskPyApi") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_windows_that_take_too_long_are_cancelled(sandbox, dataset, running):
    """Each is exported in halves then, down to an hour, and no half waits for the place of a whole."""
    sandbox.settings.polls = ENDLESS
    start = datetime(2024, 1, 1, tzinfo=UTC)
    before = len(sandbox.exports)
    with pytest.raises(LabelboxRefusedError) as error:
        backfill(dataset(), start, start + timedelta(hours=2), timedelta(hours=2))
    assert error.value.code == "export_timeout"
    assert len(sandbox.exports) == before + 2
    assert running() == []


@pytest.mark.usefixtures("impatient")
def test_a_look_that_takes_too_long_is_cancelled(sandbox, dataset, running):
    """What a poll asks Labelbox for rows that are Done is an export, too."""
    sandbox.settings.polls = ENDLESS
    with pytest.raises(LabelboxRefusedError):
        done_since(dataset(), datetime(2024, 1, 1, tzinfo=UTC))
    assert running() == []


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_what_labelbox_does_not_cancel_is_told(sandbox, dataset, running, caplog):
    """The run ends as it would have, and the log names the task that runs on."""
    sandbox.settings.polls = ENDLESS
    sandbox.faults.add(REFUSED)
    with pytest.raises(LabelboxRefusedError) as error, caplog.at_level(logging.WARNING):
        refresh(dataset())
    assert error.value.code == "export_timeout"
    (task,) = running()
    assert f"Export task {task} is not cancelled" in caplog.text
    assert "no task of yours" in caplog.text


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_cancelling_takes_its_time_at_most(sandbox, dataset, monkeypatch, caplog):
    """Where Labelbox does not answer, the run ends with its own error, and the log says that the export may run on."""
    monkeypatch.setattr("tasks.run.exports.SECONDS", 0.5)
    sandbox.settings.polls = ENDLESS
    sandbox.faults.add(Fault("graphql:GetCancelable*", "delay", seconds=20))
    with pytest.raises(LabelboxRefusedError) as error, caplog.at_level(logging.WARNING):
        refresh(dataset())
    assert error.value.code == "export_timeout"
    assert "In 0.5 seconds exports could not all be cancelled" in caplog.text


@pytest.mark.usefixtures("impatient")
def test_a_fault_of_cancelling_is_not_the_runs(dataset, sandbox, monkeypatch, caplog):
    """Whatever comes up meanwhile is logged, and the error that the run ends with is its own."""

    def broken(*_):
        raise RuntimeError("no such thing")

    monkeypatch.setattr("tasks.run.exports._noted", broken)
    sandbox.settings.polls = ENDLESS
    with pytest.raises(LabelboxRefusedError) as error, caplog.at_level(logging.WARNING):
        refresh(dataset())
    assert error.value.code == "export_timeout"
    assert "no such thing" in caplog.text


def begun(sandbox, chosen, prefect_api):
    """A refresh in a process of its own that waits for its export; it is killed once that is started."""
    before = len(sandbox.exports)
    process = PROCESSES.Process(target=run, args=(chosen.model_dump(mode="json"), sandbox.environment(), prefect_api))
    process.start()
    until = time.monotonic() + 120
    while len(sandbox.exports) == before and process.is_alive() and time.monotonic() < until:
        time.sleep(0.05)
    return process


@pytest.mark.slow
@pytest.mark.parametrize("noted", [True, False], ids=["noted", "killed before its id was noted"])
def test_the_next_run_cancels_what_a_killed_one_left(sandbox, dataset, running, tmp_path, monkeypatch, *, noted):
    """Its export is cancelled, by its id or by the name that it was asked for under, and the next run has its own."""
    monkeypatch.setenv("LABELSNAP_LEASE_SECONDS", "2")
    chosen = dataset()
    sandbox.settings.polls = ENDLESS
    process = begun(sandbox, chosen, PREFECT_API_URL.value())
    receipts = "street-scenes/work/*/receipts/export-000.json"
    while not (found := list((tmp_path / "store").glob(receipts))):
        time.sleep(0.05)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (left,) = running()
    if not noted:
        found[0].unlink()
    sandbox.settings.polls = 0
    assert refresh(chosen)["version"] == 1
    assert running() == []
    assert sandbox.exports.get(left).poll()[0] == "CANCELED"
