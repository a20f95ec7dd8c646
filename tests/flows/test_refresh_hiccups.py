"""A Labelbox that hiccups, from outside: what passes is waited out, and what does not has a status and a remedy."""

from __future__ import annotations

import json
import socket
from contextlib import closing

import pytest

from deploy.sandbox import Fault
from tests.contracts.tls_front import tls_front, write_certificate

STARTS = "graphql:exportDataRows*"
TASKS = "graphql:GetUserCreatedTasks*"


@pytest.mark.slow
@pytest.mark.prefect
def test_a_refresh_under_all_hiccups_at_once_publishes_every_row_with_one_export(sandbox, dataset_file, labelsnap):
    """Each hits the first request of each kind; what is waited for is said."""
    sandbox.settings.polls = 4
    before = len(sandbox.exports)
    for hiccup in ("too_many_requests", "dropped", "failing", "internal_error", "not_json"):
        for kind in ("GetProject", "GetUserPyApi", "GetUserCreatedTasks", "GetExportMetadata", "GetExportFile"):
            sandbox.faults.hiccup(hiccup, on=f"graphql:{kind}*")
    for hiccup, times in (("too_many_requests", 1), ("dropped", 1)):
        sandbox.faults.hiccup(hiccup, times, on=STARTS)
    sandbox.faults.hiccup("too_many_exports", 3)
    sandbox.faults.hiccup("start_lost")
    sandbox.faults.hiccup("not_listed", 2)
    sandbox.faults.hiccup("missing")
    status, output, said = labelsnap("refresh", dataset_file(), "--json")
    assert status == 0, said
    rows = json.loads(output)["rows"]
    assert rows["exported"] == len(sandbox.rows("DONE")) == rows["published"] + sum(rows["excluded"].values())
    assert len(sandbox.exports) == before + 1
    assert "10 exports of the project run" in said
    assert "Asked again in" in said


@pytest.fixture
def impatient(monkeypatch):
    """Waits that end soon."""
    monkeypatch.setenv("LABELSNAP_QUESTION_SECONDS", "0.5")
    monkeypatch.setenv("LABELSNAP_EXPORT_TIMEOUT", "0.7")


@pytest.fixture
def refreshed(dataset_file, labelsnap, monkeypatch):
    """Refreshes with such an environment: give (exit status, the error)."""
    path = dataset_file()

    def run(environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        status, result = labelsnap.json("refresh", path)
        return status, result["error"]

    return run


def free_port():
    """A port that nothing listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def always(target, effect, **options):
    """A fault that does not pass."""
    return Fault(target, effect, times=None, **options)


ALL = "graphql:*"
EMPTY, STRANGE = '{"data": {"user": {"createdTasks": []}}}', '{"data": {"user": {}}}'
NOTHING = f"http://127.0.0.1:{free_port()}/graphql"
FAULTS = {
    "a wrong key": ({"LABELBOX_API_KEY": "wrong"}, "key_refused", "Check LABELBOX_API_KEY there"),
    "HTTP 401": (always(ALL, "status", status=401), "key_refused", "Check LABELBOX_API_KEY"),
    "HTTP 403": (always(TASKS, "status", status=403), "key_refused", "Check LABELBOX_API_KEY"),
    "a bad query": (
        always(STARTS, "graphql_error", code="GRAPHQL_VALIDATION_FAILED"),
        "labelbox_refused",
        "source, params and filters",
    ),
    "a malformed request": (
        always(STARTS, "graphql_error", code="MALFORMED_REQUEST"),
        "labelbox_refused",
        "source, params and filters",
    ),
    "too much": (
        always(STARTS, "graphql_error", code="GRAPHQL_VALIDATION_FAILED", message="Query complexity limit exceeded"),
        "export_too_large",
        "backfill in windows",
    ),
    "too many requests": (always(ALL, "status", status=429), "labelbox_limit", "Run again later"),
    "too many requests in polls": (always(TASKS, "status", status=429), "labelbox_limit", "Run again later"),
    "too many exports": (always(STARTS, "graphql_error", code="RESOURCE_CONFLICT"), "labelbox_limit", "10 may run"),
    "a limit by another name": (
        always(STARTS, "graphql_error", code="LIMITED", message="Too many running exports"),
        "labelbox_limit",
        "10 may run",
    ),
    "dropped connections": (always(ALL, "cut"), "labelbox_unreachable", "Check the network"),
    "dropped polls": (always(TASKS, "cut"), "labelbox_unreachable", "Check the network"),
    "refused connections": ({"LABELBOX_GRAPHQL_ENDPOINT": NOTHING}, "labelbox_unreachable", "Check the network"),
    "HTTP 503": (always(ALL, "status", status=503), "labelbox_failing", "status.labelbox.com"),
    "internal errors": (always(ALL, "graphql_error"), "labelbox_failing", "status.labelbox.com"),
    "pages of HTML": (always(ALL, "wrong_type"), "labelbox_answer", "stands between"),
    "JSON of another shape": (always(TASKS, "body", body=STRANGE), "labelbox_answer", "Run again"),
    "a task that is never listed": (always(TASKS, "body", body=EMPTY), "export_not_found", "Run again"),
}
PASSING = {"labelbox_limit", "labelbox_unreachable", "labelbox_failing", "labelbox_answer", "export_not_found"}


@pytest.mark.parametrize(("fault", "code", "remedy"), FAULTS.values(), ids=FAULTS)
@pytest.mark.usefixtures("impatient")
def test_each_fault_has_its_code_and_remedy(sandbox, refreshed, fault, code, remedy):
    """With status 3, in one JSON object; how long was waited for what may pass is said, and no key is repeated."""
    if isinstance(fault, Fault):
        sandbox.faults.add(fault)
    status, error = refreshed({} if isinstance(fault, Fault) else fault)
    assert (status, error["code"]) == (3, code)
    assert remedy in error["remedy"]
    assert ("It was waited for" in error["message"]) == (code in PASSING)
    assert sandbox.api_key not in str(error)


@pytest.mark.parametrize(
    ("environment", "code", "remedy"),
    [
        ({"LABELBOX_API_KEY": ""}, "no_api_key", "Set LABELBOX_API_KEY there"),
        ({"LABELBOX_GRAPHQL_ENDPOINT": "labelbox"}, "bad_setting", "Correct or unset it"),
    ],
)
def test_a_wrong_environment_is_told_before_anything_is_asked(sandbox, refreshed, environment, code, remedy):
    """With status 2, and at once."""
    status, error = refreshed(environment)
    assert (status, error["code"]) == (2, code)
    assert remedy in error["remedy"]
    assert sandbox.requests.count() == 0


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_starts_whose_answers_are_all_lost_cost_nothing(sandbox, dataset_file, labelsnap):
    """The export is found by its name."""
    before = len(sandbox.exports)
    sandbox.faults.add(always(STARTS, "answer_lost"))
    assert labelsnap("refresh", dataset_file())[0] == 0
    assert len(sandbox.exports) == before + 1


def test_an_unknown_source_is_refused_at_once(sandbox, dataset_file, labelsnap):
    """Its id is named."""
    status, result = labelsnap.json("refresh", dataset_file(source={"project": "clunknown"}))
    assert (status, result["error"]["code"]) == (3, "source_not_found")
    assert "clunknown" in result["error"]["message"]
    assert sandbox.requests.count("graphql:*") == 1


@pytest.mark.parametrize(
    ("settings", "code", "remedy"),
    [
        ({"outcome": "FAILED"}, "export_failed", "Run again"),
        ({"outcome": "CANCELED"}, "export_canceled", "Run again"),
        ({"polls": 10_000}, "export_timeout", "LABELSNAP_EXPORT_TIMEOUT"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_each_end_of_an_export_has_its_code(sandbox, refreshed, settings, code, remedy):
    """And what to do about it."""
    for name, value in settings.items():
        setattr(sandbox.settings, name, value)
    status, error = refreshed({})
    assert (status, error["code"]) == (3, code)
    assert remedy in error["remedy"]


def test_a_certificate_that_is_not_trusted_is_refused_at_once(sandbox, refreshed, tmp_path):
    """It will not be trusted later; the machine and what to set on it are named."""
    with tls_front(sandbox.url, write_certificate(tmp_path / "certificate.pem")) as url:
        status, error = refreshed({"LABELBOX_GRAPHQL_ENDPOINT": f"{url}/graphql"})
    assert (status, error["code"]) == (3, "labelbox_certificate")
    assert socket.gethostname() in error["message"]
    assert "REQUESTS_CA_BUNDLE" in error["remedy"]
