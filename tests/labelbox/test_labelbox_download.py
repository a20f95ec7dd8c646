"""Downloads: keys, redirects, addresses, repetitions and limits."""

from __future__ import annotations

import io
import json
import pickle
from datetime import UTC, datetime

import pytest
import requests

from deploy.sandbox import Fault
from tasks.labelbox.addresses import ForbiddenAddressError, host_of, same_origin
from tasks.labelbox.client import Account, connect
from tasks.labelbox.download import Downloader, DownloadError
from tasks.labelbox.export import ExportRequest, start, wait
from tasks.labelbox.retry import Backoff, Gate, retry_after
from tasks.labelbox.stream import chunk_at

LIMIT = 10_000_000
QUICK = Backoff(attempts=4, base=0, cap=0)


@pytest.fixture
def slept():
    """How long was slept, without sleeping."""
    return []


@pytest.fixture
def pool(sandbox, slept):
    """Connections to the sandbox that do not wait between attempts."""
    with Downloader(
        api_key=sandbox.api_key,
        rest_endpoint=sandbox.rest_endpoint,
        allow_hosts=frozenset({"127.0.0.1"}),
        connections=4,
        backoff=QUICK,
        sleep=slept.append,
    ) as downloader:
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


def no_check(_body):
    """Take any bytes."""
    return


def test_a_mask_comes_with_the_key_and_an_image_without(sandbox, pool, urls):
    """Masks are behind the bearer token; an image request carries none, though its host is the same."""
    mask, image = urls
    assert pool.mask(mask, limit=LIMIT, check=no_check).startswith(b"\x89PNG")
    assert pool.image(image, limit=LIMIT, check=no_check)
    assert not sandbox.requests.leaks


def test_the_key_does_not_follow_a_redirect(sandbox, urls):
    """Sent to another host, the request arrives there without an Authorization header."""
    sandbox.faults.add(Fault("composite_mask", "redirect", host="localhost"))
    with Downloader(
        api_key=sandbox.api_key,
        rest_endpoint=sandbox.rest_endpoint,
        allow_hosts=frozenset({"127.0.0.1", "localhost"}),
        connections=1,
        backoff=QUICK,
    ) as pool:
        assert pool.mask(urls[0], limit=LIMIT, check=no_check).startswith(b"\x89PNG")
    assert [request.host.partition(":")[0] for request in sandbox.requests.foreign] == ["localhost"]
    assert all("authorization" not in dict(request.headers) for request in sandbox.requests.foreign)
    assert not sandbox.requests.leaks


def test_a_redirect_to_a_host_that_is_not_allowed_is_refused(sandbox, pool, urls):
    """`localhost` is another host than 127.0.0.1, and needs a permission of its own, also after a redirect."""
    sandbox.faults.add(Fault("image", "redirect", host="localhost"))
    with pytest.raises(DownloadError) as caught:
        pool.image(urls[1], limit=LIMIT, check=no_check)
    assert caught.value.code == "forbidden_address"
    assert not sandbox.requests.foreign


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/a",
        "s3://bucket/key",
        "http://",
        "http://[::1",
        "not a url",
    ],
)
def test_only_http_and_https_urls_with_a_host_are_followed(pool, url):
    """Anything else that an export may hold is a named problem."""
    with pytest.raises(DownloadError) as caught:
        pool.image(url, limit=LIMIT, check=no_check)
    assert caught.value.code == "forbidden_address"


@pytest.mark.parametrize("address", ["127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"])  # noqa: S104 - as a target
def test_loopback_addresses_are_refused_unless_allowed(sandbox, address):
    """A row cannot make the machine talk to itself."""
    port = sandbox.url.rpartition(":")[2]
    with (
        Downloader(
            api_key="key",
            rest_endpoint="https://api.labelbox.com/api/v1",
            allow_hosts=frozenset(),
            connections=1,
            backoff=QUICK,
        ) as pool,
        pytest.raises(DownloadError) as caught,
    ):
        pool.image(f"http://{address}:{port}/images/x", limit=LIMIT, check=no_check)
    assert caught.value.code in {"forbidden_address", "unreachable"}
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
    whole = pool.image(urls[1], limit=LIMIT, check=no_check)
    sandbox.faults.add(fault)
    assert pool.image(urls[1], limit=LIMIT, check=no_check) == whole
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


def test_retry_after_is_obeyed_by_everybody(sandbox, pool, urls, slept):
    """After 429 with Retry-After the next request of any thread waits that long."""
    sandbox.faults.add(Fault("image", "status", status=429, retry_after=7))
    pool.image(urls[1], limit=LIMIT, check=no_check)
    assert slept == [pytest.approx(7, abs=1)]


def test_a_fault_that_stays_ends_after_the_attempts(sandbox, pool, urls):
    """Nothing is repeated without an end, and the reason names host and status but not the URL."""
    sandbox.faults.add(Fault("image", "status", status=502, times=None))
    with pytest.raises(DownloadError) as caught:
        pool.image(urls[1], limit=LIMIT, check=no_check)
    assert caught.value.code == "http_502"
    assert urls[1] not in caught.value.reason
    assert sandbox.requests.count("image") == QUICK.attempts


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_not_repeated(sandbox, pool, urls, status):
    """What will not get better is asked for once."""
    sandbox.faults.add(Fault("image", "status", status=status, times=None))
    with pytest.raises(DownloadError, match=str(status)):
        pool.image(urls[1], limit=LIMIT, check=no_check)
    assert sandbox.requests.count("image") == 1


def test_a_body_over_the_limit_is_refused_before_it_is_whole(pool, urls):
    """A limit in bytes is kept whatever the server sends."""
    with pytest.raises(DownloadError) as caught:
        pool.image(urls[1], limit=100, check=no_check)
    assert caught.value.code == "too_large"


def test_a_redirect_without_end_is_refused(sandbox, pool, urls):
    """Redirects are followed a bounded number of times."""
    sandbox.faults.add(Fault("image", "redirect", host="127.0.0.1", times=None))
    with pytest.raises(DownloadError) as caught:
        pool.image(urls[1], limit=LIMIT, check=no_check)
    assert caught.value.code == "too_many_redirects"


def test_a_chunk_must_have_its_length(pool, urls):
    """A chunk that is shorter than announced by the stream is an error, never a silent loss."""
    image = pool.image(urls[1], limit=LIMIT, check=no_check)
    target = io.BytesIO()
    pool.chunk(urls[1], target, length=len(image))
    assert target.getvalue() == image
    with pytest.raises(DownloadError) as caught:
        pool.chunk(urls[1], io.BytesIO(), length=len(image) + 1)
    assert caught.value.code == "short_body"


def test_a_download_error_travels_between_processes():
    """Code and reason survive pickling."""
    error = pickle.loads(pickle.dumps(DownloadError("http_404", "host answered 404")))  # noqa: S301 - our own bytes
    assert (error.code, error.reason) == ("http_404", "host answered 404")


def test_a_long_retry_after_is_an_error():
    """A server that asks for more than the longest wait is not waited for."""
    assert Backoff().longest_retry_after < retry_after("3600")


def test_retry_after_reads_seconds_and_dates():
    """Both forms of RFC 9110 are understood; anything else says nothing."""
    now = datetime(2024, 4, 8, 12, 0, 0, tzinfo=UTC)
    assert retry_after("30") == 30
    assert retry_after("Mon, 08 Apr 2024 12:00:10 GMT", now=now) == 10
    assert retry_after("soon") is None
    assert retry_after(None) is None


def test_backoff_grows_up_to_its_cap_and_draws_from_its_upper_half():
    """Waits lie between half and the whole of base·2ⁿ, and never above the cap."""
    backoff = Backoff(base=1, cap=8)
    for attempt, whole in ((1, 1), (2, 2), (3, 4), (4, 8), (9, 8)):
        assert whole / 2 <= backoff.delay(attempt) <= whole


def test_an_open_gate_lets_everybody_pass():
    """Nobody sleeps when no limit was hit."""
    slept = []
    Gate(slept.append).wait()
    assert slept == []


def test_origins_compare_scheme_host_and_port():
    """The key's way is decided by the whole origin."""
    assert same_origin("https://api.labelbox.com/a", "https://API.labelbox.com:443/b")
    assert not same_origin("http://api.labelbox.com/a", "https://api.labelbox.com/b")
    assert not same_origin("https://api.labelbox.com.evil.org/a", "https://api.labelbox.com/b")
    assert not same_origin("https://api.labelbox.com@evil.org/a", "https://api.labelbox.com/b")


def test_host_of_refuses_what_has_none():
    """A host is given in lower case, or there is an error."""
    assert host_of("https://Example.ORG/a") == "example.org"
    with pytest.raises(ForbiddenAddressError):
        host_of("https:///a")
