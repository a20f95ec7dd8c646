"""What stores and URLs are refused for, and in which words."""

from __future__ import annotations

import os
import traceback
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
)

from labelsnap.errors import ConfigurationError, StorageOutcomeUnknownError, StorageRefusedError
from labelsnap.storage import Capabilities, open_store, probe
from labelsnap.storage.local import LocalStore
from labelsnap.storage.s3.errors import translated
from labelsnap.storage.s3.store import S3Store
from tests.contracts.store_fixtures import CEPH, free_port


class Lying(LocalStore):
    """A store that answers 'created' whatever stands there, and replaces it."""

    def create(self, key, body):
        self.put(key, body)
        return True


class Ignoring(LocalStore):
    """A store that refuses to say 'created' but replaces all the same."""

    def create(self, key, body):
        made = self.head(key) is None
        self.put(key, body)
        return made


@pytest.mark.parametrize("kind", [Lying, Ignoring])
def test_store_that_lies_about_creation_is_refused(tmp_path, kind):
    """A store that replaces an object on creation is refused, whatever it answers, and left clean."""
    store = kind(tmp_path)
    with pytest.raises(StorageRefusedError) as refused:
        probe(store)
    assert refused.value.code in {"no_conditional_create", "write_lost"}
    assert list(store.list("")) == []


def test_store_that_claims_no_creation_is_not_asked(tmp_path):
    """A store that says it cannot create once is refused without a trial."""

    class Honest(LocalStore):
        @property
        def capabilities(self):
            return Capabilities(conditional_create=False, listing=True, ranged_read=True, multipart=False)

    with pytest.raises(StorageRefusedError, match="single_writer") as refused:
        probe(Honest(tmp_path))
    assert refused.value.code == "no_conditional_create"


def test_store_that_lies_may_have_a_single_writer(tmp_path):
    """With a single writer nothing rests on creation, so the lying store will do."""
    assert probe(Lying(tmp_path), single_writer=True)


@pytest.mark.parametrize(
    "url",
    [
        "", "street-scenes", "/var/data", "gs://bucket/x", "http://host/x", "s3://", "s3:///x", "s3://key:secret@bucket/x",
        "s3://bucket/a/../b", "s3://bucket/a//b", "s3://bucket/x?versionId=1", "s3://bucket/x#y", "file://", "file:///",
        "file://host/dir", "file:relative", " s3://bucket/x", "s3://bucket/x\n", "s3://[bucket/x",
        "file:///a/%2e%2e/b", "file:///a%2f..%2fb", "file:///%2E", "file:///a%2F%2Fb", "file:///a%00", "file:///a%0a",
        "file:///a%1b[2J", "file:///%ff", "file:///a/%2fetc",
    ],
)  # fmt: skip
def test_urls_that_are_no_store(url):
    """Anything but a bucket's or a folder's URL is a configuration error that repeats no password."""
    with pytest.raises(ConfigurationError) as refused:
        open_store(url)
    assert refused.value.code == "store_url"
    assert "secret" not in str(refused.value)
    assert ("user or password" in str(refused.value)) == ("@" in url)


@pytest.mark.parametrize(
    ("url", "store"),
    [
        ("s3://bucket", S3Store("bucket")),
        ("s3://bucket/a/b/", S3Store("bucket", "a/b")),
        ("file:///var/lib/a%20b", LocalStore(Path("/var/lib/a b"))),
        ("file://localhost/var", LocalStore(Path("/var"))),
        ("file:///%E5%86%99%E7%9C%9F%E3%80%802024", LocalStore(Path("/写真\u30002024"))),
        ("file:///%D9%85%DB%8C%E2%80%8C%D8%AE%D9%88", LocalStore(Path("/می\u200cخو"))),
        ("file:///a%C2%A0b%C2%AD", LocalStore(Path("/a\u00a0b\u00ad"))),
    ],
)
def test_urls_of_stores(url, store):
    """A URL names the bucket and prefix, or the folder."""
    assert open_store(url) == store
    assert open_store(store.url) == store


def test_missing_bucket_is_named(localbucket_url):
    """A bucket that is not there is named by every operation that can tell."""
    store = open_store("s3://no-such-bucket/" + localbucket_url.partition("/team/")[2])
    for operation in (lambda: probe(store), lambda: store.get("a"), lambda: list(store.list(""))):
        with pytest.raises(StorageRefusedError, match=r"'no-such-bucket'.*Create the bucket") as refused:
            operation()
        assert refused.value.code == "bucket_missing"


def test_missing_credentials_are_told(localbucket_url, monkeypatch):
    """Without credentials the error says which variables to set."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageRefusedError, match="AWS_ACCESS_KEY_ID") as refused:
        probe(open_store(localbucket_url))
    assert refused.value.code == "credentials_missing"


def test_endpoint_that_is_no_url(localbucket_url, monkeypatch):
    """An end point that is no URL is a configuration error."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "nonsense")
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL_S3"):
        open_store(localbucket_url).head("a")


@pytest.mark.parametrize(
    "endpoint", ["http://user:secret@127.0.0.1:9", "http://user:secret@host name", "user:secret@host"]
)
def test_a_password_in_the_endpoint_is_refused_unseen(localbucket_url, monkeypatch, endpoint):
    """An end point with a user or password is refused, and neither the error nor what it stems from shows them."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    with pytest.raises(ConfigurationError) as refused:
        open_store(localbucket_url).head("a")
    assert refused.value.code == "s3_endpoint"
    assert "secret" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.integration
def test_wrong_secret_is_refused(ceph_url, aws):
    """A wrong secret is told apart from missing rights, and is not repeated."""
    aws(os.environ[CEPH], secret="wrong-secret")
    with pytest.raises(StorageRefusedError, match="AWS_SECRET_ACCESS_KEY") as refused:
        probe(open_store(ceph_url))
    assert refused.value.code == "credentials_wrong"
    assert "wrong-secret" not in str(refused.value)


@contextmanager
def scripted_server(answers):
    """Give each request the next answer, byte for byte, and hang up; give the end point and the requests' methods."""
    requests = []
    left = list(answers)

    class Scripted(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            requests.append(self.command)
            self.wfile.write(left.pop(0))
            self.close_connection = True

        do_PUT = do_GET  # noqa: N815 - the server's own name for it

    with HTTPServer(("127.0.0.1", 0), Scripted) as server:
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", requests
        finally:
            server.shutdown()
            thread.join()


def test_creation_is_sent_once(localbucket_url, monkeypatch):
    """A lost answer to a creation is reported, not hidden behind a second request."""
    with scripted_server([b"", b""]) as (endpoint, requests):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        with pytest.raises(StorageOutcomeUnknownError) as unknown:
            open_store(localbucket_url).create("a", b"1")
    assert unknown.value.code == "storage_unreachable"
    assert requests == ["PUT"]


CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nby"


def test_body_that_breaks_off_is_read_again(localbucket_url, monkeypatch):
    """An answer that is cut short is asked for again, and given whole."""
    with scripted_server([CUT, CUT, CUT + b"tes"]) as (endpoint, requests):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        assert open_store(localbucket_url).get("a") == b"bytes"
    assert requests == ["GET"] * 3


def test_body_that_always_breaks_off_is_given_up(localbucket_url, monkeypatch):
    """Reading is repeated four times, not for ever."""
    with scripted_server([CUT] * 5) as (endpoint, requests):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        with pytest.raises(StorageOutcomeUnknownError):
            open_store(localbucket_url).get("a")
    assert requests == ["GET"] * 4


def test_nobody_listens(localbucket_url, monkeypatch):
    """A store that cannot be reached is an unknown outcome, and the remedy names the end point's variable."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StorageOutcomeUnknownError, match="AWS_ENDPOINT_URL_S3"):
        open_store(localbucket_url).create("a", b"1")


def answer(code, status):
    """Return what boto3 raises for an answer."""
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (answer("AccessDenied", 403), StorageRefusedError, "access_denied"),
        (answer("403", 403), StorageRefusedError, "access_denied"),
        (answer("SignatureDoesNotMatch", 403), StorageRefusedError, "credentials_wrong"),
        (answer("PermanentRedirect", 301), StorageRefusedError, "region_wrong"),
        (answer("NotImplemented", 501), StorageRefusedError, "unsupported"),
        (answer("EntityTooLarge", 400), StorageRefusedError, "storage_refused"),
        (answer("InternalError", 500), StorageOutcomeUnknownError, "storage_unreachable"),
        (answer("SlowDown", 503), StorageOutcomeUnknownError, "storage_unreachable"),
        (answer("RequestTimeout", 400), StorageOutcomeUnknownError, "storage_unreachable"),
        (ReadTimeoutError(endpoint_url="http://h"), StorageOutcomeUnknownError, "storage_unreachable"),
        (EndpointConnectionError(endpoint_url="http://h"), StorageOutcomeUnknownError, "storage_unreachable"),
        (NoCredentialsError(), StorageRefusedError, "credentials_missing"),
        (ProfileNotFound(profile="p"), StorageRefusedError, "client_refused"),
    ],
)
def test_answers_in_our_terms(error, kind, code):
    """A definite no is refused; whatever leaves the outcome open is unknown; both name bucket and key."""
    ours = translated(error, action="write", key="k", bucket="b")
    assert (type(ours), ours.code) == (kind, code)
    assert "'k' in bucket 'b'" in ours.message
    assert ours.remedy


def test_what_the_client_cannot_ask_for_names_its_settings():
    """What boto3 cannot ask for is told with the variables that it takes its settings from."""
    refused = translated(ProfileNotFound(profile="p"), action="read", key="k", bucket="b")
    assert refused.code == "client_refused"
    assert {"AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_PROFILE"} <= set(refused.remedy.replace(",", "").split())


def test_folder_below_a_file_is_refused(tmp_path):
    """A folder store that cannot be written says which folder, and what to check."""
    (tmp_path / "file").write_bytes(b"")
    store = LocalStore(tmp_path / "file" / "store")
    with pytest.raises(StorageRefusedError, match="rights and free space") as refused:
        store.put("a", b"1")
    assert refused.value.code == "folder_refused"


def test_download_into_a_missing_folder_is_refused(folder_store, tmp_path):
    """A target that cannot be written is not taken for a missing object."""
    folder_store.put("a", b"1")
    with pytest.raises(StorageRefusedError):
        folder_store.download("a", tmp_path / "missing" / "file", size=1)
