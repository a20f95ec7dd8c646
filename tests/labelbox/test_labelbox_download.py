"""Downloads: keys, redirects, addresses, repetitions and limits."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import socket
import socketserver
import threading
import time
import tracemalloc
from contextlib import contextmanager

import pytest
import requests

from deploy.sandbox import Fault
from labelsnap.labelbox.client import Account, connect
from labelsnap.labelbox.downloads import connections
from labelsnap.labelbox.downloads.bodies import HELD, collected
from labelsnap.labelbox.downloads.download import Downloader
from labelsnap.labelbox.downloads.failures import DownloadError
from labelsnap.labelbox.downloads.known import Known
from labelsnap.labelbox.downloads.object_sources import ObjectSource, ObjectSources
from labelsnap.labelbox.downloads.pace import Pace
from labelsnap.labelbox.export import ExportRequest, wait
from labelsnap.labelbox.retry import Backoff
from labelsnap.labelbox.starting import start
from labelsnap.labelbox.stream import chunk_at
from tests.contracts.tls_front import tls_front, write_certificate

LIMIT = 10_000_000
QUICK = Backoff(attempts=4, base=0, cap=0)


def downloads(sandbox, *, hosts=("127.0.0.1",), pace=None, **options):
    """Connections for a sandbox's key and the hosts that may be private."""
    return Downloader(
        **{"api_key": sandbox.api_key, "rest_endpoint": sandbox.rest_endpoint, "connections": 4, "backoff": QUICK}
        | options,
        allow_hosts=frozenset(hosts),
        pace=pace or Pace(1_000_000),
    )


@pytest.fixture
def pool(sandbox):
    """Connections to the sandbox that do not wait between attempts."""
    with downloads(sandbox) as downloader:
        yield downloader


@pytest.fixture
def urls(sandbox):
    """A composite mask's URL and an image's URL, taken from an export of the sample project."""
    client = connect(Account(sandbox.api_key, sandbox.graphql_endpoint, sandbox.rest_endpoint))
    request = ExportRequest("project", sandbox.project_id, {}, {"workflow_status": "Done"})
    task = start(client, request, name="test")
    wait(client, task, timeout=10, poll_interval=0.01)
    lines = requests.get(chunk_at(client, task, "RESULT", 0).url, timeout=10).content.splitlines()
    sandbox.requests.clear()
    found = (
        (item["composite_mask"]["url"], row["data_row"]["row_data"])
        for row in map(json.loads, lines)
        for label in row["projects"][sandbox.project_id]["labels"]
        for item in label["annotations"]["objects"]
        if "composite_mask" in item
    )
    return next(found)


def image(pool, url, *, limit=LIMIT):
    """An image's bytes."""
    target = io.BytesIO()
    pool.image(url, target, limit=limit, check=no_check)
    return target.getvalue()


def no_check(_body):
    """Take any bytes."""
    return


def test_a_mask_comes_with_the_key_and_an_image_without(sandbox, pool, urls):
    """Masks are behind the bearer token; an image request carries none, though its host is the same."""
    mask, picture = urls
    assert pool.mask(mask, limit=LIMIT, check=no_check).startswith(b"\x89PNG")
    assert image(pool, picture)
    assert not sandbox.requests.leaks


@pytest.mark.parametrize("size", [0, HELD, HELD + 1])
def test_a_mask_of_any_length_is_the_bytes_that_were_sent(sandbox, pool, urls, tmp_path, size):
    """A long one lies in a file that nobody else finds."""
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    sandbox.faults.add(Fault("composite_mask", "body", body=body))
    found = pool.mask(urls[0], limit=2 * HELD, check=no_check, directory=tmp_path)
    assert (found[:], isinstance(found, bytes)) == (body, size <= HELD)
    assert list(tmp_path.iterdir()) == []


def test_a_long_body_takes_no_memory(tmp_path):
    """However much of it comes in."""
    tracemalloc.start()
    found = collected((bytes(1 << 16) for _ in range(512)), tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 32 << 20
    assert peak < 4 << 20


def test_the_key_does_not_follow_a_redirect(sandbox, urls):
    """Sent to another host, the request arrives there without an Authorization header."""
    sandbox.faults.add(Fault("composite_mask", "redirect", host="localhost"))
    with downloads(sandbox, hosts=("127.0.0.1", "localhost")) as pool:
        assert pool.mask(urls[0], limit=LIMIT, check=no_check).startswith(b"\x89PNG")
    assert [request.host.partition(":")[0] for request in sandbox.requests.foreign] == ["localhost"]
    assert all("authorization" not in dict(request.headers) for request in sandbox.requests.foreign)
    assert not sandbox.requests.leaks


def test_a_redirect_to_a_host_that_is_not_allowed_is_refused(sandbox, pool, urls):
    """`localhost` is another host than 127.0.0.1, and needs a permission of its own, also after a redirect."""
    sandbox.faults.add(Fault("image", "redirect", host="localhost"))
    with pytest.raises(DownloadError) as caught:
        image(pool, urls[1])
    assert caught.value.code == "forbidden_address"
    assert not sandbox.requests.foreign


@pytest.mark.parametrize("url", ["s3://bucket/key", "file:///etc/passwd", "not a url", ""])
def test_what_is_no_http_url_is_a_named_problem(pool, url):
    """An export may hold anything where a URL belongs."""
    with pytest.raises(DownloadError) as caught:
        image(pool, url)
    assert caught.value.code == "forbidden_address"


def test_a_url_that_looks_like_labelboxs_does_not_get_the_key(sandbox):
    """What one parser takes for a stranger's host and another for Labelbox's is asked of nobody."""
    with server(answer(b"")) as stranger, downloads(sandbox, hosts=("127.0.0.1", "localhost")) as pool:
        for url in (
            f"http://localhost:{stranger.port}\\@{sandbox.url.removeprefix('http://')}/a",
            f"http://{sandbox.url.removeprefix('http://')}@localhost:{stranger.port}/a",
        ):
            with pytest.raises(DownloadError, match="user name"):
                pool.mask(url, limit=LIMIT, check=no_check)
        pool.mask(f"http://localhost:{stranger.port}/a", limit=LIMIT, check=no_check)
    assert len(stranger.requests) == 1
    assert b"uthorization" not in stranger.requests[0]


@pytest.mark.parametrize("address", ["127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"])  # noqa: S104 - as a target
def test_loopback_addresses_are_refused_unless_allowed(sandbox, address):
    """A row cannot make the machine talk to itself."""
    port = sandbox.url.rpartition(":")[2]
    with (
        downloads(sandbox, hosts=(), rest_endpoint="https://api.labelbox.com/api/v1") as pool,
        pytest.raises(DownloadError) as caught,
    ):
        image(pool, f"http://{address}:{port}/images/x")
    assert caught.value.code == "forbidden_address"
    assert sandbox.requests.count() == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault("image", "status", status=500),
        Fault("image", "status", status=503),
        Fault("image", "cut"),
        Fault("image", "short_body"),
        Fault("image", "answer_lost"),
    ],
    ids=lambda fault: f"{fault.effect}{fault.status}",
)
def test_a_passing_fault_is_asked_for_again(sandbox, pool, urls, fault):
    """One failure of each kind costs one repetition and no bytes."""
    whole = image(pool, urls[1])
    sandbox.faults.add(fault)
    assert image(pool, urls[1]) == whole
    assert pool.counts.retries == 1


def test_a_body_that_is_not_what_was_asked_for_is_asked_for_again(sandbox, pool, urls):
    """An HTML page in place of a mask is repeated, and is an error when it stays."""

    def check(body):
        if not body.startswith(b"\x89PNG"):
            raise ValueError("not a PNG")

    sandbox.faults.add(Fault("composite_mask", "wrong_type", times=2))
    assert pool.mask(urls[0], limit=LIMIT, check=check).startswith(b"\x89PNG")
    sandbox.faults.add(Fault("composite_mask", "wrong_type", times=None))
    with pytest.raises(DownloadError, match="not a PNG") as caught:
        pool.mask(urls[0], limit=LIMIT, check=check)
    assert caught.value.code == "wrong_body"


def test_retry_after_is_obeyed_by_every_thread(sandbox, urls):
    """After 429 with Retry-After nobody who shares the pace asks that origin before the time is over."""
    sandbox.faults.add(Fault("image", "status", status=429, retry_after=0.4))
    pace = Pace(1_000_000)
    with downloads(sandbox, pace=pace) as one, downloads(sandbox, pace=pace) as other:
        begin = time.monotonic()
        first = threading.Thread(target=image, args=(one, urls[1]))
        first.start()
        while not sandbox.requests.statuses["image", 429]:
            time.sleep(0.01)
        time.sleep(0.05)
        image(other, urls[1])
        assert time.monotonic() - begin >= 0.4
        first.join()
    assert sandbox.requests.statuses["image", 200] == 2


def test_a_fault_that_stays_ends_after_the_attempts(sandbox, pool, urls):
    """Nothing is repeated without an end, and the reason names host and status but not the URL."""
    sandbox.faults.add(Fault("image", "status", status=502, times=None))
    with pytest.raises(DownloadError) as caught:
        image(pool, urls[1])
    assert caught.value.code == "http_502"
    assert urls[1] not in caught.value.reason
    assert sandbox.requests.count("image") == QUICK.attempts


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_not_repeated(sandbox, pool, urls, status):
    """What will not get better is asked for once."""
    sandbox.faults.add(Fault("image", "status", status=status, times=None))
    with pytest.raises(DownloadError, match=str(status)):
        image(pool, urls[1])
    assert sandbox.requests.count("image") == 1


def test_a_body_over_the_limit_is_refused_before_it_is_whole(pool, urls):
    """A limit in bytes is kept whatever the server sends."""
    with pytest.raises(DownloadError) as caught:
        image(pool, urls[1], limit=100)
    assert caught.value.code == "too_large"


def test_a_redirect_without_end_is_refused(sandbox, pool, urls):
    """Redirects are followed a bounded number of times."""
    sandbox.faults.add(Fault("image", "redirect", host="127.0.0.1", times=None))
    with pytest.raises(DownloadError) as caught:
        image(pool, urls[1])
    assert caught.value.code == "too_many_redirects"


def test_a_chunk_must_have_its_length(pool, urls):
    """A chunk that is shorter than announced by the stream is an error, never a silent loss."""
    body = image(pool, urls[1])
    target = io.BytesIO()
    pool.chunk(urls[1], target, length=len(body))
    assert target.getvalue() == body
    with pytest.raises(DownloadError) as caught:
        pool.chunk(urls[1], io.BytesIO(), length=len(body) + 1)
    assert caught.value.code == "short_body"


def test_a_download_error_travels_between_processes():
    """Code and reason survive pickling."""
    error = pickle.loads(pickle.dumps(DownloadError("http_404", "host answered 404")))  # noqa: S301 - our own bytes
    assert (error.code, error.reason) == ("http_404", "host answered 404")


def test_a_long_retry_after_is_an_error(sandbox, pool, urls):
    """A server that asks for more than the longest wait is not waited for, and the reason says how long."""
    sandbox.faults.add(Fault("image", "status", status=503, retry_after=3600))
    with pytest.raises(DownloadError, match="3600 s") as caught:
        image(pool, urls[1])
    assert caught.value.code == "http_503"


def test_an_origin_that_keeps_failing_is_asked_once_a_body(sandbox, pool, urls):
    """After three bodies that no attempt could get, a dead host costs one request a row, until it serves again."""
    sandbox.faults.add(Fault("image", "status", status=500, times=None))
    counts = []
    for _ in range(5):
        with pytest.raises(DownloadError):
            image(pool, urls[1])
        counts.append(sandbox.requests.count("image"))
    assert counts == [4, 8, 12, 13, 14]
    sandbox.faults.clear()
    assert image(pool, urls[1])


def test_the_budget_counts_masks_and_not_images(sandbox, urls):
    """Requests with the key take from the minute's budget; what comes from elsewhere does not."""
    now = [0.0]
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    with downloads(sandbox, pace=Pace(2, clock=lambda: now[0], sleep=sleep)) as pool:
        for _ in range(3):
            image(pool, urls[1])
        for _ in range(3):
            pool.mask(urls[0], limit=LIMIT, check=no_check)
    assert slept == [60]


class RawServer(socketserver.ThreadingTCPServer):
    """A server on a free port of this machine that answers each connection with whatever ``reply`` writes."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, reply):
        self.requests = []
        self.reply = reply
        super().__init__(("127.0.0.1", 0), RawHandler)
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/a"


class RawHandler(socketserver.StreamRequestHandler):
    """Reads one request a connection."""

    def handle(self):
        """Remember the request and reply."""
        self.server.requests.append(b"".join(iter(self.rfile.readline, b"\r\n")))
        try:
            self.server.reply(self.wfile)
        except OSError:
            self.server.requests.append(b"hung up")


@contextmanager
def server(reply):
    """Run a raw server."""
    with RawServer(reply) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()


def answer(body, *, head=b""):
    """Write one answer that ends with the connection."""
    return lambda file: file.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + head + b"\r\n" + body)


def silence(_file):
    """Say nothing for longer than any time-out here."""
    time.sleep(1)


def dribble(beginning):
    """Write a beginning, then a byte now and then, without an end."""

    def reply(file):
        file.write(beginning)
        for _ in range(100):
            time.sleep(0.05)
            file.write(b"x")

    return reply


@pytest.mark.parametrize(
    "reply",
    [
        silence,
        dribble(b"HTTP/1.1 200 OK\r\nX-Long: "),
        dribble(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        dribble(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n"),
        dribble(b"HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\n"),
    ],
    ids=["never answers", "dribbles its headers", "dribbles its body", "dribbles a chunk", "dribbles a refusal"],
)
def test_a_host_that_holds_the_line_is_given_up_in_time(sandbox, reply):
    """However a host keeps a connection busy, the body's seconds end it."""
    with server(reply) as hostile, downloads(sandbox, timeout=0.2, seconds=0.4) as pool:
        begin = time.monotonic()
        with pytest.raises(DownloadError) as caught:
            image(pool, hostile.url)
        assert caught.value.code in {"timed_out", "http_500"}
        assert time.monotonic() - begin < 5  # not the seconds that the host would go on for


def test_a_host_that_stalls_is_asked_again_after_the_time_out(sandbox):
    """No byte for the time-out ends an attempt, not the body."""
    replies = [silence, silence, answer(b"at last")]

    def reply(file):
        replies.pop(0)(file)

    with server(reply) as slow, downloads(sandbox, timeout=0.1, seconds=30) as pool:
        assert image(pool, slow.url) == b"at last"
        assert pool.counts.retries == 2


@pytest.mark.parametrize("status", [b"404 No", b"302 Found\r\nLocation: /b", b"503 No"])
def test_a_body_that_is_not_wanted_is_not_read_by_a_length_that_does_not_count(sandbox, status):
    """Where it is sent in chunks it may be without end, whatever length stands beside that."""
    sent = []

    def reply(file):
        file.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent.extend(file.write(b"100000\r\n" + bytes(1 << 20) + b"\r\n") for _ in range(64))

    with server(reply) as hostile, downloads(sandbox, seconds=5) as pool:
        with pytest.raises(DownloadError):
            image(pool, hostile.url)
        asked = sum(request.startswith(b"GET") for request in hostile.requests)
    assert len(sent) <= 16 * asked  # what fits into the buffers of a connection


def test_nobody_listening_is_unreachable(sandbox, pool):
    """A refused connection is repeated and then a named problem."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/", "http://no-such-host.example/"):
        with pytest.raises(DownloadError) as caught:
            image(pool, url)
        assert caught.value.code == "unreachable"


def test_a_compressed_body_counts_by_what_it_becomes(sandbox, pool):
    """A small gzip body that would fill the memory is refused at the limit."""
    body = gzip.compress(bytes(LIMIT + 1))
    with server(answer(body, head=b"Content-Encoding: gzip\r\n")) as bomb:
        with pytest.raises(DownloadError) as caught:
            image(pool, bomb.url)
        assert caught.value.code == "too_large"
        assert image(pool, bomb.url, limit=LIMIT + 1) == bytes(LIMIT + 1)


def test_a_body_that_says_it_is_too_large_is_not_read(sandbox, pool):
    """The announced length is enough to refuse."""
    with server(answer(b"", head=b"Content-Length: 99999999999\r\n")) as large:
        with pytest.raises(DownloadError) as caught:
            image(pool, large.url)
        assert caught.value.code == "too_large"
        assert pool.counts.bytes == 0


LONG = b"9" * 5000


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + LONG + b"\r\n\r\nx", "too_large"),
        (b"HTTP/1.1 404 Gone\r\nContent-Length: " + LONG + b"\r\n\r\nx", "http_404"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + LONG + b"\r\nx", "connection_lost"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n", "bad_redirect"),
        (b"HTTP/1.1 302 Found\r\nLocation: //[::1\xff]:" + LONG + b"\r\n\r\n", "bad_redirect"),
        (b"HTTP/1.1 302 Found\r\nLocation: /" + b"a" * 10_000 + b"\r\n\r\n", "bad_redirect"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://a:" + LONG + b"/\r\n\r\n", "forbidden_address"),
        (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", "forbidden_address"),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: " + LONG + b"\r\n\r\n", "http_503"),
        (b"HTTP/1.1 " + LONG + b" OK\r\n\r\n", "connection_lost"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip", "connection_lost"),
    ],
    ids=lambda value: value[9:60].decode("latin-1") if isinstance(value, bytes) else value,
)
def test_what_no_server_says_is_a_named_error(sandbox, reply, code):
    """Numbers of thousands of digits, and redirects to what is no URL, in every place that is read."""
    backoff = Backoff(2, base=0, cap=0)
    with (
        server(lambda file: file.write(reply)) as host,
        downloads(sandbox, backoff=backoff) as pool,
        pytest.raises(DownloadError) as caught,
    ):
        image(pool, host.url)
    assert caught.value.code == code


def test_a_name_that_changes_between_two_look_ups_leads_nowhere_else(sandbox, monkeypatch):
    """The address that was judged is the one that is connected to; the next look-up is judged anew."""
    connected = []

    def refuse(address, *_, **__):
        connected.append(address[0])
        raise ConnectionRefusedError(111, "refused")

    told = iter(["93.184.215.14", "127.0.0.1"])
    monkeypatch.setattr(connections, "create_connection", refuse)
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _host, port, **_: [(socket.AF_INET, 1, 6, "", (next(told), port))]
    )
    with downloads(sandbox) as pool, pytest.raises(DownloadError) as caught:
        image(pool, "http://changing.example/a")
    assert caught.value.code == "forbidden_address"
    assert connected == ["93.184.215.14"]


def test_a_certificate_of_another_name_is_refused_before_anything_is_asked(sandbox, monkeypatch, tmp_path):
    """Though this machine trusts who signed it, and nothing is asked again."""
    certificate = write_certificate(tmp_path / "certificate.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with (
        server(answer(b"reached")) as backend,
        tls_front(backend.url, certificate) as url,
        downloads(sandbox, hosts=("127.0.0.1", "localhost")) as pool,
    ):
        assert image(pool, url) == b"reached"
        backend.requests.clear()
        with pytest.raises(DownloadError) as caught:
            image(pool, url.replace("127.0.0.1", "localhost"))
    assert (caught.value.code, pool.counts.retries) == ("certificate", 0)
    assert backend.requests == []


# RFC 6761, RFC 6762 (appendix G), /etc/hosts of Red Hat Enterprise Linux, Kubernetes ("DNS for Services and Pods")
PRIVATE_NAMES = [
    *("localhost.localdomain", "localhost6.localdomain6", "LOCALHOST.", "printer.lan", "router.home", "x.corp"),
    *("a.b.intranet", "x.private", "x.test", "x.invalid", "minio.ml.svc", "kubernetes.default.svc"),
    *("metadata.google.internal.", "metadata.google.internal..", "127.0.0.1..", "example.org..", "example..org"),
]


@pytest.mark.parametrize(
    "url",
    [
        "/etc/passwd",
        "../../etc/passwd",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "ftp://example.org/a.jpg",
        "http://169.254.169.254/latest/meta-data",
        "http://metadata.google.internal/a",
        "http://127.1/a",
        "http://0x7f000001/a",
        "http://2130706433/a",
        "http://[::ffff:127.0.0.1]/a",
        "http://10.0.0.1./a",
        "http://localhost/a",
        "http://printer.local/a",
        "http://intranet/a",
        *(f"http://{name}/a" for name in PRIVATE_NAMES),
        "http://user:word@example.org/a",
        "http://[",
        "s3://others/a.jpg",
        "s3://ours/a/../../b.jpg",
        "gs://ours/a.jpg",
    ],
)
def test_a_reference_that_no_download_would_follow_is_refused(sandbox, url):
    """Nothing is looked up for that, whatever is the matter with it."""
    sources = ObjectSources(ObjectSource("s3", frozenset({"ours"})))
    with downloads(sandbox, sources=sources, hosts=()) as pool, pytest.raises(DownloadError) as caught:
        pool.check_reference(url)
    assert caught.value.code == "forbidden_address"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a b.jpg?c=d",
        "https://example.org./a",
        "https://corp.example.org/a",
        "https://localdomain.org/a",
        "http://8.8.8.8/a",
        "http://[2606:4700::1111]/a",
        "s3://ours/a/b.jpg",
        "https://ours.s3.amazonaws.com/a.jpg",
        "http://127.0.0.1:1/a",
        "http://images.internal/a",
    ],
)
def test_other_references_stand(sandbox, monkeypatch, url):
    """Public hosts, hosts that are allowed, and objects of the buckets that are named, without credentials."""
    monkeypatch.setattr(socket, "getaddrinfo", None)
    sources = ObjectSources(ObjectSource("s3", frozenset({"ours"})))
    with downloads(sandbox, sources=sources, hosts=("127.0.0.1", "images.internal")) as pool:
        pool.check_reference(url)


def test_a_proxy_of_the_environment_is_used(sandbox, monkeypatch):
    """It is told the whole URL, hosts that need none go past it, and no private address is asked of it."""
    with server(answer(b"from the proxy")) as proxy, server(answer(b"direct")) as direct:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with downloads(sandbox) as pool:
            assert image(pool, "http://images.example/a") == b"from the proxy"
            assert image(pool, direct.url) == b"direct"
            for address in ("10.0.0.1", "0x7f.1", "127.0.0.1..", "[::1]"):
                with pytest.raises(DownloadError, match="private"):
                    image(pool, f"http://{address}/a")
    assert proxy.requests[0].startswith(b"GET http://images.example:80/a HTTP/1.1\r\n")
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("name", ["images.corp.internal", "minio", "nas.local", "images.lan"])
def test_names_of_a_companys_own_are_asked_of_its_proxy(sandbox, monkeypatch, name):
    """It knows them, and decides where they lead; what is published under them is opened elsewhere, and refused."""
    with server(answer(b"from the proxy")) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        with downloads(sandbox, hosts=()) as pool:
            assert image(pool, f"http://{name}/a") == b"from the proxy"
            with pytest.raises(DownloadError, match="private"):
                pool.check_reference(f"http://{name}/a")


def test_no_netrc_of_the_machine_is_used(sandbox, tmp_path, monkeypatch):
    """Credentials are given here or not at all."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password secret\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with server(answer(b"")) as host, downloads(sandbox) as pool:
        image(pool, host.url)
    assert b"uthorization" not in host.requests[0]


def test_a_body_that_is_not_read_costs_no_connection(sandbox, urls):
    """However many are too large, or known by their size, the only connection is used again."""
    _, picture = urls
    with downloads(sandbox, connections=1) as pool:
        size = len(image(pool, picture))
        for _ in range(3):
            with pytest.raises(DownloadError, match="more than"):
                image(pool, picture, limit=size - 1)
            assert pool.image(picture, io.BytesIO(), limit=LIMIT, check=no_check, known=Known(size=size)).is_known
        assert len(image(pool, picture)) == size
