"""Exports through the real SDK against the sandbox."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from deploy.sandbox import Fault
from labelsnap.errors import ConfigurationError, LabelboxAnswerError, LabelboxRefusedError
from labelsnap.labelbox.client import Account, check_source, connect
from labelsnap.labelbox.export import LIST_LIMIT, ExportRequest, Totals, split_lists, totals, wait
from labelsnap.labelbox.patience import Patience
from labelsnap.labelbox.starting import start
from labelsnap.labelbox.stream import chunk_at

PARAMS = {"project_details": True, "label_details": True}


def account(sandbox):
    """The sandbox's account."""
    return Account(sandbox.api_key, sandbox.graphql_endpoint, sandbox.rest_endpoint)


@pytest.fixture
def client(sandbox):
    """The real SDK's client, pointed at the sandbox."""
    return connect(account(sandbox))


@pytest.fixture
def hasty(sandbox):
    """The same, without patience."""
    return connect(account(sandbox), Patience(place=0, question=0))


def project(sandbox, **filters):
    """A request for the sandbox's project."""
    return ExportRequest("project", sandbox.project_id, PARAMS, filters)


def test_a_finished_export_has_the_rows_that_the_filter_asks_for(sandbox, client):
    """An export filtered on Done has one line for each row that stands on Done."""
    task = start(client, project(sandbox, workflow_status="Done"), name="test")
    wait(client, task, timeout=10, poll_interval=0.01)
    assert totals(client, task, "RESULT").lines == len(sandbox.rows("DONE"))
    assert totals(client, task, "ERRORS").size == 0


def test_a_model_run_is_exported_too(sandbox, client):
    """The model run's export has one line for each row of the project that the run covers."""
    request = ExportRequest("model_run", sandbox.model_run_id, {"predictions": True}, {})
    task = start(client, request, name="test")
    wait(client, task, timeout=10, poll_interval=0.01)
    assert totals(client, task, "RESULT").lines > 0


def test_progress_is_reported_while_the_export_runs(sandbox, client):
    """Each poll reports a percentage, and the last report is 100."""
    sandbox.settings.polls = 3
    task = start(client, project(sandbox), name="test")
    seen = []
    wait(client, task, timeout=10, poll_interval=0, on_progress=seen.append)
    assert len(seen) >= 3
    assert seen[-1] == 100


def test_pauses_between_polls_grow_to_the_interval(sandbox, client):
    """A small export is soon looked at again, and a long one no more often than the interval says."""
    sandbox.settings.polls = 6
    task = start(client, project(sandbox), name="test")
    pauses = []
    client = connect(account(sandbox), Patience(sleep=pauses.append))
    wait(client, task, timeout=10, poll_interval=2)
    assert pauses[:5] == [0.25, 0.5, 1, 2, 2]


@pytest.mark.parametrize(("outcome", "code"), [("FAILED", "export_failed"), ("CANCELED", "export_canceled")])
def test_a_failed_or_cancelled_export_is_an_error(sandbox, client, outcome, code):
    """The SDK's wait returns as if nothing had happened; ours raises and names the task."""
    sandbox.settings.outcome = outcome
    task = start(client, project(sandbox), name="test")
    with pytest.raises(LabelboxRefusedError, match=task) as caught:
        wait(client, task, timeout=10, poll_interval=0)
    assert caught.value.code == code


def test_an_export_that_takes_too_long_is_an_error(sandbox, client):
    """When the time is over the wait raises and says which setting to raise."""
    sandbox.settings.polls = 1000
    task = start(client, project(sandbox), name="test")
    with pytest.raises(LabelboxRefusedError, match="LABELSNAP_EXPORT_TIMEOUT"):
        wait(client, task, timeout=0, poll_interval=0)


def test_a_wrong_key_is_refused_without_naming_it(sandbox):
    """The error says which variable to check, and does not repeat the key."""
    client = connect(Account("not-the-key-1234", sandbox.graphql_endpoint, sandbox.rest_endpoint))
    with pytest.raises(LabelboxRefusedError, match="LABELBOX_API_KEY") as caught:
        check_source(client, "project", sandbox.project_id)
    assert "not-the-key-1234" not in str(caught.value)


def test_no_key_is_a_configuration_error(sandbox):
    """Without a key nothing is sent."""
    with pytest.raises(ConfigurationError, match="LABELBOX_API_KEY"):
        connect(Account("", sandbox.graphql_endpoint, sandbox.rest_endpoint))
    assert sandbox.requests.count() == 0


def test_the_key_is_not_in_the_accounts_repr():
    """An account can be logged without giving the key away."""
    assert "secret-key" not in repr(Account("secret-key", "https://a", "https://b"))


def test_an_unknown_project_is_refused_by_its_id(client):
    """The error names the project and where its id stands."""
    with pytest.raises(LabelboxRefusedError, match="clunknown") as caught:
        check_source(client, "project", "clunknown")
    assert caught.value.code == "source_not_found"


def test_a_limit_of_the_service_is_told_with_a_remedy(sandbox, hasty):
    """When Labelbox refuses one more export, the error says how many may run."""
    sandbox.faults.add(Fault("graphql:*", "graphql_error", code="RESOURCE_CONFLICT"))
    with pytest.raises(LabelboxRefusedError, match="10 may run"):
        check_source(hasty, "project", sandbox.project_id)


def test_a_service_that_is_not_there_is_named(sandbox):
    """A refused connection is Labelbox's fault and says which endpoint to check."""
    client = connect(Account("key", "http://127.0.0.1:9/graphql", sandbox.rest_endpoint), Patience(question=0))
    with pytest.raises(LabelboxAnswerError, match="LABELBOX_GRAPHQL_ENDPOINT"):
        check_source(client, "project", "x")


@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError])
def test_what_the_sdk_stumbles_over_may_pass(hasty, error):
    """It is no refusal: an answer that it cannot read is asked for again, and no export is given up for it."""

    def call(_sdk):
        raise error("no task in the answer")

    with pytest.raises(LabelboxAnswerError, match="no task in the answer") as caught:
        hasty.asked("export task 1", call)
    assert caught.value.code == "labelbox_answer"


def test_a_chunk_that_does_not_begin_where_asked_is_refused(sandbox, client):
    """Bytes are never put where they do not belong: an offset beyond the stream gives an error."""
    task = start(client, project(sandbox), name="test")
    wait(client, task, timeout=10, poll_interval=0.01)
    size = totals(client, task, "RESULT").size
    assert chunk_at(client, task, "RESULT", 0).start == 0
    with pytest.raises((LabelboxAnswerError, LabelboxRefusedError)):
        chunk_at(client, task, "RESULT", size + 1)


def test_lists_longer_than_labelbox_takes_become_several_exports():
    """4,500 ids are asked for in three exports, each id once and in order, the other filters in each."""
    ids = [f"id-{number}" for number in range(4500)]
    request = ExportRequest("project", "p", {}, {"data_row_ids": ids, "workflow_status": "Done"})
    parts = list(split_lists(request))
    assert [len(part.filters["data_row_ids"]) for part in parts] == [LIST_LIMIT, LIST_LIMIT, 500]
    assert [name for part in parts for name in part.filters["data_row_ids"]] == ids
    assert all(part.filters["workflow_status"] == "Done" for part in parts)
    assert json.dumps(parts[0].params) == "{}"


def test_the_totals_of_a_stream_are_one_question(sandbox, client):
    """The SDK asks for the user, and for the task, before each."""
    task = start(client, project(sandbox), name="test")
    wait(client, task, timeout=10, poll_interval=0.01)
    before = Counter(sandbox.requests.kinds)
    totals(client, task, "RESULT")
    assert Counter(sandbox.requests.kinds) - before == Counter(["graphql:GetExportMetadataHeaderPyApi"])


def test_totals_that_are_written_as_text_are_counts(sandbox, client):
    """The SDK takes them, too: the protocol's numbers have 64 bits."""
    header = {"data": {"task": {"exportMetadataHeader": {"totalSize": "9007199254740992", "totalLines": "12"}}}}
    sandbox.faults.add(Fault("graphql:GetExportMetadata*", "body", body=json.dumps(header)))
    assert totals(client, "task", "RESULT") == Totals(size=1 << 53, lines=12)


def test_an_export_is_started_when_it_may_be(sandbox, client):
    """What starts nothing is asked for before; where it may not be started it is not."""
    asked = []

    def ready():
        asked.extend(sandbox.requests.kinds)
        raise RuntimeError("not yet")

    with pytest.raises(RuntimeError):
        start(client, project(sandbox), name="test", ready=ready)
    assert asked == list(sandbox.requests.kinds) == ["graphql:GetProjectPyApi"]


def test_clients_of_a_process_share_their_connections(sandbox, client):
    """None of a run's five connects, and over TLS reads whom it trusts, anew."""
    other = connect(account(sandbox))
    for url in (sandbox.graphql_endpoint, "https://api.labelbox.com/graphql"):
        assert client.sdk.connection.get_adapter(url) is other.sdk.connection.get_adapter(url)
