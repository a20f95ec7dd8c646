"""A store whose answers trickle or do not end, and one that is another: a deadline, the one policy, a named error."""

from __future__ import annotations

import time
from contextlib import contextmanager
from io import BytesIO

import pytest

from labelsnap.errors import StorageError, StorageOutcomeUnknownError, StorageRefusedError
from labelsnap.storage import open_store
from labelsnap.storage.s3.bodies import arriving
from labelsnap.storage.s3.store import BODY_ATTEMPTS, MULTIPART_BYTES
from tests.contracts.tls_front import tls_front, write_certificate
from tests.faults.lying_store import lying, whole

KEY = f"data/formats/a-{'0' * 16}.tar"
OBJECT = b"0123456789" * 100
SLACK = 16 << 20  # bytes that wait in the sockets' buffers
PACE = "labelsnap.storage.s3.pace"


def dripping(line, status=None):
    """Send a head for this status, or none, and then a line now and then, for longer than anyone listens."""

    def drip(handler):
        if status:
            handler.send_response(status)
            first = handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0]
            handler.send_header("Content-Range", f"bytes {first}-999/1000")
            handler.send_header(*(("Content-Length", "1000") if line == b"a" else ("Transfer-Encoding", "chunked")))
            handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(line)
            time.sleep(0.02)

    return drip


@pytest.mark.parametrize("line", [b"a", b"1\r\na\r\n"], ids=["announced", "chunked"])
def test_a_body_that_trickles_is_given_up(lies, tmp_path, monkeypatch, line):
    """A byte now and then keeps the connection alive, and is no answer: it has a least speed, and the key is named.

    It is asked for again as often as one that breaks off.
    """
    monkeypatch.setattr(f"{PACE}.PATIENCE", 0.2)
    served, store = lies(dripping(line, 206))
    for read in (lambda: store.get(KEY, length=1000), lambda: store.download(KEY, tmp_path / "copy", size=999)):
        with pytest.raises(StorageError, match=KEY) as refused:
            read()
        assert (refused.value.code, refused.value.exit_status) == ("storage_slow", 4)
    assert len(served.asked) == 2 * BODY_ATTEMPTS
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"a", 200),
        (b"1\r\na\r\n", 200),
        (b"a", 403),
        (b"1\r\na\r\n", 403),
        (b"HTTP/1.1 100 Continue\r\n\r\n", None),
        (b"HTTP/1.1 200 OK", None),
    ],
    ids=["list", "chunked list", "error", "chunked error", "continue", "status"],
)
def test_an_answer_that_trickles_is_given_up(lies, monkeypatch, line, status):
    """What is no object has a least speed too, from its first line on; each is asked for again as lost ones are."""
    monkeypatch.setattr(f"{PACE}.PATIENCE", 0.1)
    monkeypatch.setattr("labelsnap.storage.s3.client.ATTEMPTS", 2)
    served, store = lies(dripping(line, status))
    with pytest.raises(StorageError, match="commits/") as refused:
        list(store.list("commits/"))
    assert (refused.value.code, refused.value.exit_status) == ("storage_slow", 4)
    assert len(served.asked) == 2


def test_a_creation_whose_answer_trickles_may_have_been_made(lies, monkeypatch):
    """It is sent once, and its outcome is unknown, not refused."""
    monkeypatch.setattr(f"{PACE}.PATIENCE", 0.1)
    served, store = lies(dripping(b"HTTP/1.1 100 Continue\r\n\r\n"))
    with pytest.raises(StorageOutcomeUnknownError) as refused:
        store.create("commits/a", b"1")
    assert refused.value.code == "storage_slow"
    assert len(served.asked) == 1


def flooding(line, start=b""):
    """Send a line again and again, as fast as it goes."""

    def flood(handler):
        handler.wfile.write(start)
        while True:
            handler.wfile.write(line * 1000)
            handler.lies.sent += 1000 * len(line)

    return flood


CHUNKED = b"HTTP/1.1 %d OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"


@pytest.mark.parametrize(
    ("line", "start", "asked"),
    [
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", b"", 2, id="continue"),
        pytest.param(b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n", b"", 2, id="with headers", marks=pytest.mark.slow),
        pytest.param(b"A: b\r\n", CHUNKED % 403, 2, id="trailers of an error", marks=pytest.mark.slow),
        pytest.param(b"A: b\r\n", CHUNKED % 200, BODY_ATTEMPTS, id="trailers of an object", marks=pytest.mark.slow),
    ],
)
def test_heads_and_trailers_without_end_are_lost_answers(lies, monkeypatch, line, start, asked):
    """They are read to their bound, asked for again as lost answers are, and named in the end."""
    monkeypatch.setattr("labelsnap.storage.s3.client.ATTEMPTS", 2)
    served, store = lies(flooding(line, start))
    for ask, times in ((lambda: list(store.list("tags/")), 2), (lambda: store.get("tags/a.json"), asked)):
        before = len(served.asked)
        with pytest.raises(StorageOutcomeUnknownError, match="EndlessHeadError") as refused:
            ask()
        assert (refused.value.code, refused.value.exit_status) == ("storage_unreachable", 4)
        assert len(served.asked) - before == times
    assert served.sent < len(served.asked) * SLACK


@pytest.mark.parametrize("after", [b"", b"A: b\r\n"], ids=["at once", "in its headers"])
def test_a_connection_that_ends_after_100_continue_is_lost(lies, tmp_path, monkeypatch, after):
    """A file is sent when the server says so; one that says so and goes is asked again, and named."""
    monkeypatch.setattr("labelsnap.storage.s3.client.ATTEMPTS", 2)
    monkeypatch.setattr("tests.faults.lying_store._Handler.handle_expect_100", lambda _handler: True)

    def leaving(handler):
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n" + after)

    served, store = lies(leaving)
    (tmp_path / "file").write_bytes(b"1")
    with pytest.raises(StorageOutcomeUnknownError, match=KEY) as refused:
        store.put(KEY, tmp_path / "file")
    assert refused.value.code == "storage_unreachable"
    assert len(served.asked) == 2


def test_a_slow_reader_makes_no_slow_store(lies, monkeypatch):
    """Only what is waited for counts: not the time between one read and the next."""
    monkeypatch.setattr(f"{PACE}.PATIENCE", 0.2)
    monkeypatch.setattr("labelsnap.storage.s3.bodies.BLOCK_BYTES", 1 << 10)
    monkeypatch.setattr(f"{PACE}.LEAST_SPEED", 1 << 30)
    _, store = lies(lambda handler: whole(handler, b"a" * (64 << 10)))
    slept = []
    monkeypatch.setattr(
        "labelsnap.storage.s3.store.arriving",
        lambda *found: (block for block in arriving(*found) if slept.append(time.sleep(0.01)) is None),
    )
    assert store.get(KEY, length=64 << 10) == b"a" * (64 << 10)
    assert len(slept) > 40


@pytest.fixture
def over_tls(aws, tmp_path, monkeypatch):
    """Return a function that serves lies by a trusted certificate for 127.0.0.1; nothing is asked twice."""
    monkeypatch.setattr("labelsnap.storage.s3.client.ATTEMPTS", 1)
    certificate = write_certificate(tmp_path / "certificate.pem")

    @contextmanager
    def serve(answer):
        with lying(answer) as (served, plain), tls_front(plain, certificate) as endpoint:
            aws(endpoint)
            monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
            yield served, endpoint

    return serve


def test_a_certificate_of_another_name_is_refused_before_anything_is_asked(over_tls, monkeypatch):
    """Though this machine trusts who signed it."""
    with over_tls(lambda handler: whole(handler, OBJECT)) as (served, endpoint):
        store = open_store("s3://bucket/street-scenes")
        assert store.get(KEY, length=1000) == OBJECT
        served.asked.clear()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint.replace("127.0.0.1", "localhost"))
        with pytest.raises(StorageOutcomeUnknownError, match="AWS_CA_BUNDLE") as refused:
            store.get(KEY)
        assert refused.value.code == "storage_certificate"
        assert served.asked == []


def test_a_body_that_trickles_over_tls_is_given_up(over_tls, monkeypatch):
    """The least speed is that of what is read."""
    monkeypatch.setattr(f"{PACE}.PATIENCE", 0.2)
    with over_tls(dripping(b"a", 206)), pytest.raises(StorageError, match=KEY) as refused:
        open_store("s3://bucket/street-scenes").get(KEY, length=1000)
    assert refused.value.code == "storage_slow"


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "other"])
def test_a_file_of_authorities_that_is_none_is_named(over_tls, monkeypatch, tmp_path, content):
    """The server has nothing to do with it, and is not asked."""
    bundle = tmp_path / "authorities.pem"
    if content:
        bundle.write_text(content)
    with over_tls(lambda handler: whole(handler, OBJECT)) as (served, _):
        monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
        with pytest.raises(StorageRefusedError, match="AWS_CA_BUNDLE") as refused:
            open_store("s3://bucket/street-scenes").get(KEY)
        assert (refused.value.code, served.asked) == ("storage_certificate", [])


def joining(handler, blanks):
    """Answer the requests of an upload in parts; the last one by blanks, as S3 does while it joins them."""
    begun = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    handler.send_response(200)
    handler.send_header("ETag", '"part"')
    if "uploadId" not in handler.path or handler.command != "POST":
        body = begun if handler.command == "POST" else b""
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        return
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(blanks):
        handler.wfile.write(b"1\r\n \r\n")
        time.sleep(0.05)
    body = b"<CompleteMultipartUploadResult><ETag>&quot;whole&quot;</ETag></CompleteMultipartUploadResult>"
    handler.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))


def test_parts_may_take_their_time_to_be_joined(lies, monkeypatch, tmp_path):
    """S3 sends a blank now and then meanwhile, slower than any answer may come; it is asked once."""
    monkeypatch.setattr(f"{PACE}.PATIENCE", 0.2)
    served, store = lies(lambda handler: joining(handler, 20))
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(MULTIPART_BYTES)
    store.put(KEY, large)
    assert [command for command, path in served.asked if "partNumber" not in path] == ["POST", "POST"]


def test_parts_of_a_large_file_are_not_held_in_memory(lies, monkeypatch, tmp_path):
    """Of an open file s3transfer reads up to ten parts of 16 MB ahead; of a path each part as it is sent."""
    held = []

    def holding(content):
        held.append(len(content))
        return BytesIO(content)

    monkeypatch.setattr("s3transfer.upload.BytesIO", holding)
    _, store = lies(lambda handler: joining(handler, 0))
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(MULTIPART_BYTES)
    store.put(KEY, large)
    assert held == []
