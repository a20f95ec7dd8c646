"""Images by ``s3://`` and ``gs://``: read where the environment allows it, by signed URLs."""

from __future__ import annotations

import io
import os
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from tasks.errors import ConfigurationError
from tasks.labelbox.addresses import ForbiddenAddressError
from tasks.labelbox.download import Downloader
from tasks.labelbox.failures import DownloadError
from tasks.labelbox.object_sources import ObjectSource, ObjectSources
from tasks.labelbox.pace import Pace
from tasks.labelbox.retry import Backoff
from tests.contracts.store_fixtures import BUCKET

KEY = "a folder/ä%20+?.png"


def image(sources, url):
    """The bytes behind a URL."""
    with Downloader(
        api_key="the-labelbox-key",
        rest_endpoint="https://api.labelbox.com/api/v1",
        allow_hosts=frozenset(),
        connections=1,
        pace=Pace(1),
        backoff=Backoff(attempts=1),
        sources=sources,
    ) as pool:
        target = io.BytesIO()
        pool.image(url, target, limit=100, check=lambda _: None)
        return target.getvalue()


@pytest.mark.parametrize("place", ["localbucket", pytest.param("ceph", marks=pytest.mark.integration)])
@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_an_object_of_an_allowed_bucket_is_read(request, place, scheme):
    """Its key is taken as it stands, and the end point that the environment names may be on this machine."""
    request.getfixturevalue(f"{place}_url")
    boto3.session.Session().client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=b"an image")
    endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
    source = ObjectSource(
        scheme,
        frozenset({BUCKET}),
        endpoint,
        "us-east-1",
        os.environ["AWS_ACCESS_KEY_ID"],
        os.environ["AWS_SECRET_ACCESS_KEY"],
    )
    assert image(ObjectSources(source), f"{scheme}://{BUCKET}/{KEY}") == b"an image"
    with pytest.raises(DownloadError) as caught:
        image(ObjectSources(source), f"{scheme}://{BUCKET}/no-such-key")
    assert caught.value.code == "http_404"


@pytest.mark.parametrize("url", ["s3://another/key", "gs://ours/key", "s3://ours", "s3://ours/", "s3://ours@b/key"])
def test_only_named_buckets_are_signed_for(aws, url):
    """An export cannot make the credentials open another bucket than the environment names."""
    aws("http://127.0.0.1:1")
    with pytest.raises(DownloadError, match="LABELSNAP_SOURCE_BUCKETS") as caught:
        image(ObjectSources(ObjectSource("s3", frozenset({"ours"}))), url)
    assert caught.value.code == "forbidden_address"


def test_other_urls_stay_as_they_are(aws):
    """Without sources no object is allowed, and http URLs are not touched."""
    assert ObjectSources().locate("https://example.org/a") == "https://example.org/a"
    with pytest.raises(ForbiddenAddressError):
        ObjectSources().locate("s3://ours/key")


def test_the_signature_is_amazons_and_lasts_an_hour(aws):
    """Signature Version 4 in the query, for this object at the end point of the environment; no secret in it."""
    aws("https://s3.example.org", secret="very-secret")
    url = urlsplit(ObjectSources(ObjectSource("s3", frozenset({"ours"}))).locate("s3://ours/a b"))
    query = parse_qs(url.query)
    assert (url.scheme, url.netloc, url.path) == ("https", "s3.example.org", "/ours/a%20b")
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["3600"]
    assert "very-secret" not in url.query


def test_without_credentials_the_image_is_a_named_problem(aws, monkeypatch):
    """Nothing is sent without a signature."""
    aws("http://127.0.0.1:1")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(DownloadError) as caught:
        image(ObjectSources(ObjectSource("s3", frozenset({"ours"}))), "s3://ours/key")
    assert caught.value.code == "source_credentials"


def test_an_end_point_that_is_no_url_is_refused(aws):
    """The message names the variable."""
    aws("http://127.0.0.1:1")
    source = ObjectSource("s3", frozenset({"ours"}), endpoint="no url")
    with pytest.raises(ConfigurationError, match="LABELSNAP_S3_SOURCE_ENDPOINT"):
        _ = ObjectSources(source).origins


def test_the_secret_is_in_no_repr():
    """A source can be logged."""
    assert "very-secret" not in repr(ObjectSource("s3", frozenset(), secret_access_key="very-secret"))
