"""What Labelbox refuses now and allows later: asked again, by one policy, with one export."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, closing
from types import SimpleNamespace

import labelbox
import pytest
from requests.adapters import HTTPAdapter

from deploy.sandbox import Fault, Sandbox
from labelsnap.errors import LabelboxAnswerError, LabelboxRefusedError
from labelsnap.labelbox.answers import first_line
from labelsnap.labelbox.client import Account, check_source, connect
from labelsnap.labelbox.export import ExportRequest, totals, wait
from labelsnap.labelbox.patience import HiccupError, Patience
from labelsnap.labelbox.retry import Backoff
from labelsnap.labelbox.starting import start
from labelsnap.labelbox.stream import chunk_at
from tasks.machines.retries import may_pass

QUICK = Backoff(base=0.01, cap=0.02)
STARTS = "graphql:exportDataRows*"
TASKS = "graphql:GetUserCreatedTasks*"


class Recording(HTTPAdapter):
    """Sends what it is given, and remembers the bodies."""

    def __init__(self):
        super().__init__()
        self.bodies = []

    def send(self, request, *args, **options):
        self.bodies.append(request.body)
        return super().send(request, *args, **options)

    def mutations(self):
        return [body for body in self.bodies if json.loads(body)["query"].startswith("mutation")]


class Clock:
    """Time that passes only by sleeping, and what was said."""

    def __init__(self):
        self.now, self.said, self.pauses = 0.0, [], []

    def patience(self, **options):
        """A patience by this clock."""
        return Patience(clock=lambda: self.now, sleep=self.sleep, say=self.said.append, **options)

    def sleep(self, seconds):
        """Let it pass."""
        self.pauses.append(seconds)
        self.now += seconds


def account(sandbox):
    """The sandbox's account."""
    return Account(sandbox.api_key, sandbox.graphql_endpoint, sandbox.rest_endpoint)


def client(sandbox, **options):
    """The sandbox, asked with little patience."""
    return connect(
        account(sandbox), Patience(**{"place": 5, "question": 5, "listing": 0.2, "backoff": QUICK} | options)
    )


def project(sandbox, **filters):
    """A request for the sandbox's project."""
    return ExportRequest("project", sandbox.project_id, {"label_details": True}, filters)


@pytest.mark.parametrize(
    ("kind", "filters"),
    [
        ("project", {}),
        (
            "project",
            {
                "last_activity_at": ["2024-01-01T00:00:00+0000", None],
                "label_created_at": ["2024-01-01 00:00:00", "2024-02-01 00:00:00"],
                "workflow_status": "Done",
                "batch_ids": ["a", "b"],
                "global_keys": ["c"],
            },
        ),
        ("model_run", {}),
    ],
)
def test_the_request_is_the_sdks_own_byte_for_byte(sandbox, kind, filters):
    """Whatever the installed SDK writes for a project or model run is what is sent, and nothing is asked after it."""
    source = sandbox.project_id if kind == "project" else sandbox.model_run_id
    params = {"attachments": True, "data_row_details": True, "predictions": True}
    sdk = labelbox.Client(sandbox.api_key, endpoint=sandbox.graphql_endpoint, rest_endpoint=sandbox.rest_endpoint)
    theirs, ours = Recording(), Recording()
    sdk.connection.mount("http://", theirs)
    if kind == "project":
        sdk.get_project(source).export("a name", filters, params)
    else:
        sdk.get_model_run(source).export("a name", params)
    asking = client(sandbox)
    asking.sdk.connection.mount("http://", ours)
    start(asking, ExportRequest(kind, source, params, filters), name="a name")
    assert len(theirs.mutations()) == 1
    assert ours.mutations() == theirs.mutations()
    assert ours.bodies[-1] == ours.mutations()[0]


@pytest.mark.parametrize(
    "hiccup",
    [
        pytest.param("too_many_requests", marks=pytest.mark.slow),
        "too_many_exports",
        "start_lost",
        "not_listed",
        "missing",
        "dropped",
        "failing",
        "internal_error",
        "not_json",
    ],
)
@pytest.mark.parametrize("times", [1, 3])
def test_each_hiccup_is_waited_out_with_one_export(sandbox, hiccup, times):
    """Once, and three times one after another."""
    asking = client(sandbox)
    sandbox.settings.polls = 5
    before = len(sandbox.exports)
    everywhere = (STARTS, TASKS, "graphql:GetProject*", "graphql:GetExportMetadata*", "graphql:GetExportFile*")
    for on in (None,) if hiccup in {"not_listed", "missing"} else everywhere:
        sandbox.faults.hiccup(hiccup, times, on=on)
    check_source(asking, "project", sandbox.project_id)
    task = start(asking, project(sandbox), name=f"a {hiccup} {times}")
    wait(asking, task, timeout=10, poll_interval=0.01)
    assert totals(asking, task, "RESULT").lines == len(sandbox.rows())
    assert chunk_at(asking, task, "RESULT", 0).start == 0
    assert len(sandbox.exports) == before + 1


def test_an_export_whose_answer_was_lost_is_found_by_its_name(sandbox):
    """Though it is not listed at the first two looks; the mutation is sent once."""
    before = set(sandbox.exports)
    sandbox.faults.hiccup("start_lost")
    sandbox.faults.hiccup("not_listed", 2)
    said = []
    task = start(client(sandbox, listing=5, say=said.append), project(sandbox), name="a lost one")
    assert set(sandbox.exports) - before == {task}
    assert sandbox.requests.count(STARTS) == 1
    assert any("'a lost one', of which no answer came, was started" in line for line in said)


def test_an_export_that_never_arrived_is_sent_again(sandbox):
    """After it was looked for as long as a new one may be missing from the list."""
    before = len(sandbox.exports)
    sandbox.faults.hiccup("failing", on=STARTS)
    start(client(sandbox), project(sandbox), name="a failed one")
    assert (sandbox.requests.count(STARTS), len(sandbox.exports)) == (2, before + 1)
    assert sandbox.requests.count(TASKS) >= 2


def test_where_tasks_cannot_be_looked_for_by_name_an_export_is_sent_twice_at_most(sandbox):
    """That there may be two of it is said."""
    sandbox.faults.add(Fault(TASKS, "graphql_error", code="GRAPHQL_VALIDATION_FAILED", times=None))
    sandbox.faults.hiccup("start_lost", 5)
    said = []
    with pytest.raises(LabelboxAnswerError) as caught:
        start(client(sandbox, say=said.append), project(sandbox), name="a blind one")
    assert caught.value.code == "export_not_listed"
    assert sandbox.requests.count(STARTS) == 2
    assert any("there may be two of it" in line for line in said)


@pytest.mark.slow
def test_a_place_among_running_exports_is_waited_for_as_long_as_an_export(sandbox):
    """Two hours, in which other hiccups count anew; then the refusal says so, and speaks of a limit."""
    clock = Clock()
    sandbox.faults.hiccup("dropped", on=STARTS)
    sandbox.faults.hiccup("too_many_exports", 10_000)
    with pytest.raises(LabelboxRefusedError, match=r"waited for 72\d\d seconds") as caught:
        start(connect(account(sandbox), clock.patience()), project(sandbox), name="one too many")
    assert caught.value.code == "labelbox_limit"
    assert 7200 <= clock.now <= 7500
    assert any("10 exports of the project run" in line for line in clock.said)
    assert len(clock.said) < 30


def test_an_outage_in_the_middle_of_a_wait_does_not_end_it(sandbox):
    """Polls fail for longer than one question may take, in four ways; the export's own time is what counts."""
    clock = Clock()
    asking = connect(account(sandbox), clock.patience(question=60))
    task = start(asking, project(sandbox), name="a long one")
    for hiccup in ("dropped", "failing", "too_many_requests", "not_json"):
        sandbox.faults.hiccup(hiccup, 30)
    wait(asking, task, timeout=7200, poll_interval=2)
    assert clock.now > 60


def test_a_task_that_is_not_listed_is_given_up_sooner(sandbox):
    """It is gone, or another user's: no reason to wait for two hours."""
    clock = Clock()
    asking = connect(account(sandbox), clock.patience())
    with pytest.raises(LabelboxRefusedError, match="no-such-task") as caught:
        wait(asking, "no-such-task", timeout=7200, poll_interval=2)
    assert caught.value.code == "export_not_found"
    assert 300 <= clock.now < 360


def test_what_retry_after_asks_for_is_waited_for(sandbox):
    """And no more than two minutes of it at a time."""
    clock = Clock()
    asking = connect(account(sandbox), clock.patience())
    sandbox.faults.add(Fault("graphql:*", "status", status=429, retry_after=50))
    sandbox.faults.add(Fault("graphql:*", "status", status=503, retry_after=999_999))
    check_source(asking, "project", sandbox.project_id)
    assert clock.pauses == [50, 120]


WITHOUT_END = Fault("graphql:*", "flood")
NESTED = Fault("graphql:*", "body", body="[" * 100_000)
NO_ERRORS = Fault("graphql:*", "body", body='{"data": {}, "errors": null}')


@pytest.mark.parametrize("fault", [WITHOUT_END, NESTED, NO_ERRORS])
def test_an_answer_without_end_is_not_read_to_its_end(sandbox, fault):
    """Nor one that is nested without end, or whose errors are no list; the next answer counts."""
    sandbox.faults.add(fault)
    assert check_source(client(sandbox), "project", sandbox.project_id)


def test_a_mutation_is_never_repeated_by_the_sdk(sandbox):
    """It would repeat one that was answered with a 5xx or too late, unseen: a second export."""
    sandbox.faults.add(Fault("graphql:*", "status", status=502, times=None))
    with pytest.raises(LabelboxAnswerError):
        check_source(client(sandbox, question=0), "project", sandbox.project_id)
    assert sandbox.requests.count() == 1


@pytest.mark.parametrize("effect", [{"code": "AUTHENTICATION_ERROR"}, {"code": "GRAPHQL_VALIDATION_FAILED"}])
def test_what_cannot_pass_is_refused_at_once(sandbox, effect):
    """A wrong key and a bad query are asked once."""
    sandbox.faults.add(Fault(STARTS, "graphql_error", times=None, **effect))
    with pytest.raises(LabelboxRefusedError):
        start(client(sandbox), project(sandbox), name="a refused one")
    assert sandbox.requests.count(STARTS) == 1


def test_what_labelbox_says_is_one_printable_line(sandbox):
    """It goes to logs and terminals."""
    told = "first \x1b[31m" + "x" * 500 + "\nsecond"
    sandbox.faults.add(Fault("graphql:*", "graphql_error", code="OPERATION_NOT_ALLOWED", message=told))
    with pytest.raises(LabelboxRefusedError) as caught:
        check_source(client(sandbox), "project", sandbox.project_id)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("message", [0, None, [], {"a": 1}])
def test_a_refusal_whose_message_is_no_text_is_a_refusal(sandbox, message):
    """The SDK's own text of such an error cannot be had: it raises a TypeError."""
    refusal = {"message": message, "extensions": {"code": "GRAPHQL_PARSE_FAILED"}}
    sandbox.faults.add(Fault("graphql:*", "body", body=json.dumps({"data": None, "errors": [refusal]})))
    with pytest.raises(LabelboxRefusedError) as caught:
        check_source(client(sandbox), "project", sandbox.project_id)
    assert caught.value.code == "labelbox_refused"


@pytest.mark.parametrize("told", ["1e999", "9" * 400, "-1", '"many"', "[]"])
def test_a_count_that_no_export_has_is_no_answer(sandbox, told):
    """An infinity, a number of 400 digits, one below zero, a word: in what counts bytes and lines, and in a chunk."""
    asking = client(sandbox, question=0)
    task = start(asking, project(sandbox), name="a counted one")
    wait(asking, task, timeout=10, poll_interval=0.01)
    header = f'{{"data": {{"task": {{"exportMetadataHeader": {{"totalSize": {told}, "totalLines": 1}}}}}}}}'
    sandbox.faults.add(Fault("graphql:GetExportMetadata*", "body", body=header))
    with pytest.raises(LabelboxAnswerError) as counted:
        totals(asking, task, "RESULT")
    place = f'{{"offsets": {{"start": 0, "end": {told}}}, "lines": {{"start": 0, "end": 1}}, "file": "a"}}'
    chunk = f'{{"data": {{"task": {{"exportFileFromOffset": {place}}}}}}}'
    sandbox.faults.add(Fault("graphql:GetExportFile*", "body", body=chunk))
    with pytest.raises(LabelboxAnswerError) as found:
        chunk_at(asking, task, "RESULT", 0)
    assert (counted.value.code, found.value.code) == ("labelbox_answer", "bad_chunk")


@pytest.mark.parametrize("told", ["1e999", '"half"', "[1]", "-3"])
def test_a_percentage_that_is_none_ends_no_wait(sandbox, told):
    """It is shown only."""
    asking = client(sandbox)
    task = start(asking, project(sandbox), name="a shown one")
    entity = (
        f'{{"id": "{task}", "name": "a", "createdAt": "2024-05-06T07:08:09Z", "updatedAt": "2024-05-06T07:08:09Z", '
        f'"completionPercentage": {told}, "errors": null, "metadata": null, "result": null, "status": "IN_PROGRESS", '
        f'"type": "export-data-rows"}}'
    )
    body = f'{{"data": {{"user": {{"createdTasks": [{entity}]}}}}}}'
    sandbox.faults.add(Fault(TASKS, "body", body=body))
    seen = []
    wait(asking, task, timeout=10, poll_interval=0.01, on_progress=seen.append)
    assert (seen[0], seen[-1]) == (0, 100)


def test_a_labelbox_that_comes_back_is_found_again(sandbox):
    """Connections are refused for a while; what was asked is answered when they are not."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clock = Clock()
    with ExitStack() as stack:

        def come_back(seconds):
            clock.sleep(seconds)
            if clock.now > 100 and len(clock.pauses) < 1000:
                clock.pauses += [0.0] * 1000
                stack.enter_context(Sandbox(4, port=port))

        patience = Patience(clock=lambda: clock.now, sleep=come_back, say=clock.said.append)
        asking = connect(Account(sandbox.api_key, f"http://127.0.0.1:{port}/graphql", sandbox.rest_endpoint), patience)
        assert check_source(asking, "project", sandbox.project_id) == "Street scenes"
    assert "no connection" in clock.said[0]


@pytest.mark.parametrize(("code", "repeated"), [("labelbox_unreachable", False), ("bad_chunk", True)])
def test_what_was_waited_for_is_not_repeated_at_once(code, repeated):
    """A task that failed after the whole wait would wait as long again, twice."""
    failure = LabelboxAnswerError("It failed.", remedy="Repeat.", code=code)
    state = SimpleNamespace(result=lambda **_: failure)
    assert may_pass(None, None, state) is repeated


def test_hiccups_of_different_kinds_each_have_a_questions_time():
    """One that follows another is not blamed for it; the whole ends all the same."""
    clock = Clock()
    codes = iter(["labelbox_failing"] * 3 + ["labelbox_unreachable"] * 1000)

    def ask():
        raise HiccupError(LabelboxAnswerError("It failed.", remedy="Repeat.", code=next(codes)), wait=90)

    with pytest.raises(LabelboxAnswerError, match="It was waited for 570 seconds") as caught:
        clock.patience(question=300).outlast(ask, whole=10_000)
    assert caught.value.code == "labelbox_unreachable"


def test_what_a_server_says_is_shown_as_everything_is():
    """One line, cut, in which what a terminal would obey is spelled out."""
    assert first_line("wrong \x1b[2Jname\u202e\nsecond line") == "wrong \\x1b[2Jname\\u202e"
    assert first_line("a" * 300) == f"{'a' * 200}… (300 characters)"
    assert first_line("") == "no reason given"
