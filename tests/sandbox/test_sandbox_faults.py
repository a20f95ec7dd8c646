"""Faults strike as told, what was asked is recorded, and everything can be steered over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox import Fault, Sandbox
from deploy.sandbox.server.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    """One server for this module."""
    with Sandbox(4) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    """The module's server without faults and with fresh counters."""
    running.reset()
    return running


def _image(sandbox: Sandbox, index: int = 1) -> requests.Response:
    return requests.get(sandbox.url + sandbox.row(index).image_path, timeout=10)


def test_status_with_retry_after_strikes_as_often_as_told(sandbox: Sandbox) -> None:
    """Two refusals with Retry-After, then the picture."""
    sandbox.faults.add(Fault("image", "status", status=429, retry_after=1.5, times=2))
    answers = [_image(sandbox) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "1.5"
    assert sandbox.requests.statuses == {("image", 429): 2, ("image", 200): 1}


@pytest.mark.parametrize("effect", ["cut", "answer_lost"])
def test_connection_is_cut_without_an_answer(sandbox: Sandbox, effect: str) -> None:
    """The client sees the connection end before any answer, and the next request succeeds."""
    sandbox.faults.add(Fault("image", effect))  # type: ignore[arg-type]
    with pytest.raises(requests.ConnectionError):
        _image(sandbox)
    assert _image(sandbox).ok


def test_short_body_is_half_of_what_was_declared(sandbox: Sandbox) -> None:
    """The body ends before its Content-Length."""
    sandbox.faults.add(Fault("image", "short_body"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        _image(sandbox)


def test_wrong_type_is_a_page_with_status_200(sandbox: Sandbox) -> None:
    """An HTML page comes where a picture was asked for."""
    sandbox.faults.add(Fault("image", "wrong_type"))
    answer = _image(sandbox)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def test_corrupt_body_has_the_right_length_and_other_bytes(sandbox: Sandbox) -> None:
    """Sixteen bytes in the middle are flipped."""
    good = _image(sandbox).content
    sandbox.faults.add(Fault("image", "corrupt"))
    bad = _image(sandbox).content
    assert len(bad) == len(good)
    assert bad.startswith(PNG)
    assert sum(one != other for one, other in zip(bad, good, strict=True)) == 16


def test_body_stands_in_place_of_the_picture(sandbox: Sandbox) -> None:
    """Any bytes can be given as an answer."""
    sandbox.faults.add(Fault("image", "body", body=PNG))
    assert _image(sandbox).content == PNG


def test_flood_sends_as_much_as_told_without_announcing_it(sandbox: Sandbox) -> None:
    """The size is not declared, and a client that hangs up does no harm."""
    sandbox.faults.add(Fault("image", "flood", times=2, size=100_001))
    answer = _image(sandbox)
    assert "Content-Length" not in answer.headers
    assert answer.content == bytes(100_001)
    with requests.get(sandbox.url + sandbox.row(1).image_path, timeout=10, stream=True):
        pass
    assert _image(sandbox).content.startswith(PNG)


def test_delay_only_delays(sandbox: Sandbox) -> None:
    """A delayed answer is whole."""
    sandbox.faults.add(Fault("image", "delay", seconds=0.01))
    assert _image(sandbox).content.startswith(PNG)


def test_redirect_leads_to_another_host_whose_headers_are_recorded(sandbox: Sandbox) -> None:
    """A mask redirected to ``localhost`` is served there without the key; a client that sends it along is recorded."""
    sandbox.exports.start({}, {})
    url = f"{sandbox.rest_endpoint}/projects/{sandbox.project_id}/annotations/none/mask"
    key = {"Authorization": f"Bearer {sandbox.api_key}"}
    sandbox.faults.add(Fault("instance_mask", "redirect", times=2))
    requests.get(url, headers=key, timeout=10)
    assert sandbox.requests.foreign[0].host == "localhost"
    assert "authorization" not in dict(sandbox.requests.foreign[0].headers)
    assert not sandbox.requests.leaks
    target = requests.get(url, headers=key, timeout=10, allow_redirects=False).headers["Location"]
    assert requests.get(target, headers=key, timeout=10).status_code == 400
    assert sandbox.requests.leaks == {"foreign:instance_mask": 1}


def test_target_may_be_one_id(sandbox: Sandbox) -> None:
    """A glob over the path hits one row's picture only."""
    sandbox.faults.add(Fault(f"*/{sandbox.row(1).id}/*", "status", status=404, times=None))
    assert [_image(sandbox, index).status_code for index in (0, 1, 1, 2)] == [200, 404, 404, 200]


@given(st.integers(0, 1000), st.floats(0.1, 0.9))
def test_probability_is_seeded(seed: int, probability: float) -> None:
    """Two sandboxes of one seed strike at the same requests."""
    one, other = Faults(seed), Faults(seed)
    for faults in (one, other):
        faults.add(Fault("image", "cut", times=None, probability=probability))
    assert [one.strike("image") for _ in range(20)] == [other.strike("image") for _ in range(20)]
    assert one.strike("chunk") is None


def test_kinds_are_counted(sandbox: Sandbox) -> None:
    """Requests are counted by kind, GraphQL by operation, and found by glob."""
    _image(sandbox)
    query = {"query": "query CurrentUserPyApi { user { timezone } }"}
    key = {"Authorization": f"Bearer {sandbox.api_key}"}
    assert requests.post(sandbox.graphql_endpoint, json=query, headers=key, timeout=10).json() == {
        "data": {"user": {"timezone": None}}
    }
    requests.post(sandbox.graphql_endpoint, data="no json", timeout=10)
    requests.get(sandbox.url + "/elsewhere", timeout=10)
    assert sandbox.requests.kinds == {
        "image": 1,
        "graphql:CurrentUserPyApi": 1,
        "graphql:anonymous": 1,
        "unknown": 1,
    }
    assert sandbox.requests.count("graphql:*") == 2


def test_unknown_operation_is_a_validation_error(sandbox: Sandbox) -> None:
    """An operation outside the SDK's few is refused by name."""
    key = {"Authorization": f"Bearer {sandbox.api_key}"}
    answer = requests.post(
        sandbox.graphql_endpoint, json={"query": "query Other { a }"}, headers=key, timeout=10
    ).json()
    assert answer["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert "Other" in answer["errors"][0]["message"]


def test_a_fault_can_let_requests_pass_first(sandbox: Sandbox) -> None:
    """The third picture is refused, and the fourth is not."""
    sandbox.faults.add(Fault("image", "status", after=2))
    assert [_image(sandbox).status_code for _ in range(4)] == [200, 200, 503, 200]


def test_a_hiccup_strikes_the_first_requests_of_its_kind(sandbox: Sandbox) -> None:
    """By name, as often as told, on the kind of requests that is asked for; an unknown name is refused."""
    sandbox.faults.hiccup("failing", 2, on="image")
    sandbox.faults.hiccup("too_many_requests")
    assert [_image(sandbox).status_code for _ in range(3)] == [503, 503, 200]
    answers = [requests.post(sandbox.graphql_endpoint, json={}, timeout=10) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [429, 200]
    with pytest.raises(LookupError):
        sandbox.faults.hiccup("hiccough")


def test_admin_steers_rows_and_faults(sandbox: Sandbox) -> None:
    """What the Python object does can be asked for over HTTP, with the key."""
    key = {"Authorization": f"Bearer {sandbox.api_key}"}

    def call(**arguments: object) -> int:
        return requests.post(sandbox.url + "/admin", json=arguments, headers=key, timeout=10).status_code

    assert call(call="edit_row", index=0) == call(call="set_status", index=1, status="TO_LABEL") == 200
    assert call(call="add_fault", target="image", effect="status", status=500) == 200
    assert call(call="hiccup", name="missing", times=2) == 200
    assert sandbox.row(0).edit.revision == 1
    assert sandbox.row(1).labels == ()
    assert _image(sandbox).status_code == 500
    assert call(call="edit_row", index=99) == call(call="set_status", index=1, status="done") == call(call="no") == 400
    assert requests.get(sandbox.url + "/admin", timeout=10).status_code == 401
    assert requests.get(sandbox.url + "/admin", headers=key, timeout=10).json()["requests"]["image"] == 1


def test_reset_forgets_every_change(sandbox: Sandbox) -> None:
    """After a reset the project, the faults and the counters are as at the start."""
    sandbox.edit_row(0)
    sandbox.remove_row(1)
    sandbox.rename_class("car", "automobile")
    sandbox.faults.add(Fault("*", "cut", times=None))
    sandbox.settings.chunk_bytes = 1
    sandbox.reset()
    assert _image(sandbox).ok
    assert sandbox.row(0).edit.revision == 0
    assert sandbox.row(0).project.rename("car") == "car"
    assert sandbox.settings.chunk_bytes > 1
    assert sandbox.requests.kinds == {"image": 1}
