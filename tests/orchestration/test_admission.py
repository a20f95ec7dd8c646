"""The listener's connections: slow, half and too many ones keep nobody else out."""

from __future__ import annotations

import hmac
import json
import socket
import time
from contextlib import ExitStack, contextmanager
from threading import Thread

import pytest
import requests

from config.reading import parse_dataset
from config.settings import load_settings
from flows.listen import Watch
from flows.service.admission import Crowd, Limits, limits_of
from flows.service.receiver import MAX_BYTES, receiver, server

SECRET = "a secret"
HEAD = b"POST /labelbox HTTP/1.1\r\nHost: listener\r\nX-Hub-Sig"
BODY = b"POST /labelbox HTTP/1.1\r\nHost: listener\r\nContent-Length: 1000\r\n\r\n{"
CHUNKS = b"POST /labelbox HTTP/1.1\r\nHost: listener\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
UPGRADE = b"GET /health HTTP/1.1\r\nHost: listener\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket"
PATIENCE = 20


def limits(**changes):
    """Few connections, with all the time in the world."""
    return Limits(**({"connections": 8, "of_client": 8, "head_seconds": 600, "body_seconds": 600} | changes))


@contextmanager
def listening(folder, **changes):
    """A listener in a thread, on a real socket; gives its address, its crowd and how to open a connection."""
    content = {"dataset": "streets", "store": folder.as_uri(), "source": {"project": "project-1"}}
    crowd = Crowd(limits(**changes))
    serving = server(receiver([Watch(parse_dataset(content), quiet=0, poll=0)], SECRET), crowd)
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        address = listener.getsockname()
        thread = Thread(target=serving.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()

        def connect(begun=b""):
            opened = stack.enter_context(socket.create_connection(address, PATIENCE))
            opened.sendall(begun)
            return opened

        try:
            yield f"http://127.0.0.1:{address[1]}", crowd, connect
        finally:
            serving.should_exit = serving.force_exit = True
            thread.join()


def until(condition):
    """Wait for it."""
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def answered(url):
    """The statuses of a probe and of a signed delivery."""
    body = json.dumps({"project": {"id": "project-1"}}).encode()
    signed = {"X-Hub-Signature": f"sha1={hmac.new(SECRET.encode(), body, 'sha1').hexdigest()}"}
    probe = requests.get(f"{url}/health", timeout=PATIENCE).status_code
    return probe, requests.post(f"{url}/labelbox", data=body, headers=signed, timeout=PATIENCE).status_code


def is_closed(connection):
    """Whether the listener closes a connection without a word, in time."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("begun", [b"", HEAD, BODY, CHUNKS, UPGRADE])
def test_half_requests_keep_nobody_out(tmp_path, begun):
    """Of too many connections the one that has waited longest goes, so that a probe and a delivery always get in."""
    with listening(tmp_path) as (url, crowd, connect):
        opened = [connect(begun) for _ in range(30)]
        assert answered(url) == (200, 202)
        assert all(is_closed(each) for each in opened[:22])
        until(lambda: crowd.dropped >= 22)


@pytest.mark.parametrize(
    ("begun", "trickle", "changes"),
    [
        (b"", b"", {"head_seconds": 0.2}),
        (HEAD, b"a", {"head_seconds": 0.2}),
        (b"\r\n", b"\r\n", {"head_seconds": 0.2}),
        (BODY, b" ", {"body_seconds": 0.2}),
        (CHUNKS, b"1\r\n \r\n", {"body_seconds": 0.2}),
    ],
)
def test_a_request_comes_in_time_or_not_at_all(tmp_path, begun, trickle, changes):
    """Bytes that trickle win no time."""
    with listening(tmp_path, **changes) as (_, crowd, connect):
        slow = connect(begun)
        slow.settimeout(0.01)
        deadline = time.monotonic() + PATIENCE
        ended = False
        while not ended and time.monotonic() < deadline:
            try:
                slow.sendall(trickle)
                ended = slow.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                ended = True
        assert ended
        until(lambda: crowd.dropped in {0, 1} and not crowd._waiting)


def test_a_body_that_is_too_large_is_refused_in_words(tmp_path):
    """The sender hears so, though it sent all of it; one without an end is cut off."""
    with listening(tmp_path) as (url, _, connect):
        large = b" " * (3 * MAX_BYTES)
        assert requests.post(f"{url}/labelbox", data=large, timeout=PATIENCE).status_code == 413
        endless = connect(b"POST /labelbox HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            endless.sendall((b"100000\r\n" + b" " * MAX_BYTES + b"\r\n") * 64)


def test_a_connection_has_one_request(tmp_path):
    """Nothing that a client does after its answer is waited for."""
    request = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    with listening(tmp_path) as (_, crowd, connect):
        twice = connect(request + request)
        text = b""
        while read := twice.recv(1000):
            text += read
        assert text.lower().count(b"connection: close") == text.count(b"HTTP/1.1 200") == 1
        until(lambda: not crowd._waiting)


def test_what_is_no_http_is_answered_and_counted(tmp_path):
    """In words, once; the log is told of the first and of no other for a minute."""
    with listening(tmp_path) as (_, crowd, connect):
        for _ in range(3):
            assert connect(b"\x16\x03\x01\r\n\r\n").recv(12) == b"HTTP/1.1 400"
        until(lambda: crowd.dropped == 2)


def test_who_has_most_connections_loses_one_first():
    """A client within its limit loses none to the many of others."""
    crowd = Crowd(limits(connections=4, of_client=3))
    assert [crowd.enter("many", f"m{n}") for n in range(5)] == [None, None, None, "m0", "m1"]
    assert crowd.enter("one", "o0") is None
    assert crowd.enter("two", "t0") == "m2"
    crowd.leave("many", "m3")
    assert crowd.enter("two", "t1") is None
    assert crowd.enter("two", "t2") == "t0"


def test_few_files_are_few_connections(monkeypatch):
    """A quarter of those that the process may open, so that the store can be asked too."""
    monkeypatch.setattr("resource.getrlimit", lambda _: (256, 4096))
    assert limits_of(load_settings()).connections == 64
    monkeypatch.setattr("resource.getrlimit", lambda _: (-1, -1))
    assert limits_of(load_settings()).connections == 128


@pytest.mark.slow
@pytest.mark.parametrize("begun", [b"", HEAD, BODY])
def test_three_hundred_half_requests_delay_nothing_for_long(tmp_path, begun):
    """With the limits that hold unless the environment says otherwise."""
    with listening(tmp_path, connections=128, of_client=64, head_seconds=10, body_seconds=30) as (url, _, connect):
        for _ in range(300):
            connect(begun)
        start = time.monotonic()
        assert answered(url) == (200, 202)
        assert time.monotonic() - start < 30  # a second or two where the machine does nothing else
