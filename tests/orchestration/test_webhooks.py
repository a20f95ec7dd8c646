"""Deliveries: which are believed, which were there before, and what the receiver answers."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from config.reading import parse_dataset
from deploy.sandbox.server.webhooks import delivery
from flows.listen import Watch
from flows.service.receiver import MAX_BYTES, receiver
from labelsnap.labelbox.webhooks import is_signed

SECRET = "a secret"
PAYLOAD = {"project": {"id": "project-1"}, "dataRow": {"id": "row"}}


def test_a_signature_is_that_of_the_documented_algorithm():
    """RFC 2202, test case 2, and RFC 4231, test case 2."""
    body = b"what do ya want for nothing?"
    sha1 = {"x-hub-signature": "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"}
    sha256 = {"x-hub-signature-256": "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"}
    assert is_signed(body, sha1, "Jefe")
    assert is_signed(body, sha256, "Jefe")
    assert is_signed(body, sha1 | sha256, "Jefe")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature": ""},
        {"x-hub-signature": "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
        {"x-hub-signature": "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c78"},
        {"x-hub-signature": "sha1=é"},
        {"x-hub-signature": "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", "x-hub-signature-256": "sha256=00"},
    ],
)
def test_anything_else_is_no_signature(headers):
    """None, an empty or cut one, one wrong digit, letters beyond ASCII, and one right beside one wrong."""
    assert not is_signed(b"what do ya want for nothing?", headers, "Jefe")


def test_without_a_secret_nothing_is_signed():
    """Not even what an empty secret signs."""
    sent = delivery(PAYLOAD, secret="", event="E", delivery_id="1")
    assert not is_signed(sent.body, {name.lower(): value for name, value in sent.headers.items()}, "")


class Listener:
    """A receiver for two datasets of two projects, of which nobody looks after the hints."""

    def __init__(self, folder):
        self.watches = [
            Watch(
                parse_dataset({"dataset": f"d{n}", "store": folder.as_uri(), "source": {"project": f"project-{n}"}}),
                quiet=0,
                poll=0,
            )
            for n in (1, 2)
        ]
        self.client = TestClient(receiver(self.watches, SECRET), raise_server_exceptions=False)

    def send(self, sent, **headers):
        answer = self.client.post("/labelbox", content=sent.body, headers=sent.headers | headers)
        return answer.status_code, answer.json()

    def hints(self, folder):
        return sorted(path.parts[-4] for path in folder.glob("d*/work/hints/*.json"))


@pytest.fixture
def listener(tmp_path):
    """A receiver over a folder."""
    return Listener(tmp_path)


def signed(payload=PAYLOAD, number=1):
    """A delivery signed with the secret."""
    return delivery(payload, secret=SECRET, event="WORKFLOW_ACTION", delivery_id=f"delivery-{number}")


def test_a_delivery_is_written_down_once_before_it_is_acknowledged(listener, tmp_path):
    """For the dataset of the project that it names; repeated, also to a listener that started anew, it is not new."""
    assert listener.send(signed()) == (202, {"accepted": True, "repeated": False})
    assert listener.hints(tmp_path) == ["d1"]
    assert listener.send(signed()) == (202, {"accepted": True, "repeated": True})
    assert Listener(tmp_path).send(signed()) == (202, {"accepted": True, "repeated": True})
    assert listener.hints(tmp_path) == ["d1"]


def test_a_delivery_that_names_no_known_project_is_a_hint_for_all(listener, tmp_path):
    """The body of a workflow action is not documented."""
    assert listener.send(signed({"moved": True}))[0] == 202
    assert listener.hints(tmp_path) == ["d1", "d2"]


def test_what_is_not_signed_or_too_large_or_no_json_is_refused(listener, tmp_path):
    """401, 413 and 400; nothing is written down."""
    unsigned = delivery(PAYLOAD, secret="another", event="E", delivery_id="1")
    assert listener.send(unsigned)[0] == 401
    large = signed({"filler": "x" * MAX_BYTES})
    assert listener.send(large)[0] == 413
    text = delivery(PAYLOAD, secret=SECRET, event="E", delivery_id="1")
    broken = type(text)(text.headers, text.body[:-1])
    assert listener.send(broken)[0] == 401
    for body in (b"no json", b'{"project": "\xff"}', b"[" * 100_000 + b"]" * 100_000, b""):
        assert listener.client.post("/labelbox", content=body, headers=resigned(body)).status_code == 400
    assert listener.hints(tmp_path) == []


def resigned(body):
    """Headers that sign any body."""
    import hmac  # noqa: PLC0415 - for this one

    return {"X-Hub-Signature": f"sha1={hmac.new(SECRET.encode(), body, 'sha1').hexdigest()}"}


def test_where_the_store_does_not_answer_the_sender_is_asked_to_repeat(listener, tmp_path):
    """503: nothing was written down, so nothing is acknowledged."""
    (tmp_path / "d1").write_text("a file", encoding="utf-8")
    assert listener.send(signed())[0] == 503


def test_a_probe_is_answered(listener):
    """With the datasets that are listened for."""
    assert json.loads(listener.client.get("/health").content) == {"datasets": ["d1", "d2"]}
