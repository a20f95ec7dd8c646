"""Images of buckets that only credentials open: read where the environment allows it, by signed URLs."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, quote, urlsplit

import boto3
import pytest

from labelsnap.errors import ConfigurationError
from labelsnap.labelbox.downloads.addresses import ForbiddenAddressError
from labelsnap.labelbox.downloads.azure_source import AzureSource, service_sas
from labelsnap.labelbox.downloads.download import Downloader
from labelsnap.labelbox.downloads.failures import DownloadError
from labelsnap.labelbox.downloads.object_forms import ObjectName
from labelsnap.labelbox.downloads.object_sources import ObjectSource, ObjectSources
from labelsnap.labelbox.downloads.pace import Pace
from labelsnap.labelbox.retry import Backoff
from tests.buckets.image_server import serving
from tests.contracts.store_fixtures import BUCKET

KEY = "a folder/ä%20+?.png"
SPELLED = "a%20folder%2F%C3%A4%2520%2B%3F.png"
FORMS = (
    "https://{bucket}.s3.eu-west-1.amazonaws.com/{key}",
    "https://{bucket}.s3.amazonaws.com/{key}",
    "https://{bucket}.s3.dualstack.eu-west-1.amazonaws.com/{key}",
    "https://{bucket}.s3.cn-north-1.amazonaws.com.cn/{key}",
    "https://s3.eu-west-1.amazonaws.com/{bucket}/{key}",
    "https://s3-eu-west-1.amazonaws.com/{bucket}/{key}",
    "https://s3.amazonaws.com/{bucket}/{key}",
    "https://s3.amazonaws.com:443/{bucket}/{key}#top",
)
GOOGLE_FORMS = (
    "https://storage.googleapis.com/{bucket}/{key}",
    "https://{bucket}.storage.googleapis.com/{key}",
    "https://storage.cloud.google.com/{bucket}/{key}",
)
AZURE = AzureSource(
    frozenset({"someaccount/photos"}), "https://{account}.blob.core.windows.net", sas_token="sv=1&sig=2"
)
MINISTACK_SECRET = "test"  # what it checks the signatures of URLs with
ACCOUNT_KEY = "bGFiZWxzbmFwJ3MgdGVzdHMgaGF2ZSBubyBhY2NvdW50"


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


@pytest.mark.parametrize(
    ("place", "spelled"),
    [
        ("localbucket", SPELLED),
        pytest.param("ministack", SPELLED, marks=pytest.mark.slow),
        pytest.param("ceph", SPELLED, marks=pytest.mark.integration),
        ("localbucket", quote(KEY, safe="/+")),
        ("localbucket", "a folder/ä%2520+%3F.png"),
    ],
)
def test_an_object_is_read_by_every_https_form(request, monkeypatch, place, spelled):
    """Percent signs are read once, a plus sign stays one; wherever the environment says that the bucket is."""
    request.getfixturevalue(f"{place}_url")
    if place == "ministack":
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", MINISTACK_SECRET)
    boto3.session.Session().client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=b"an image")
    endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
    keys = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    buckets = frozenset({BUCKET})
    sources = ObjectSources(ObjectSource("s3", buckets), ObjectSource("gs", buckets, endpoint, "us-east-1", *keys))
    for form in (*FORMS, *GOOGLE_FORMS, endpoint + "/{bucket}/{key}"):
        assert image(sources, form.format(bucket=BUCKET, key=spelled)) == b"an image", form


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


@pytest.mark.parametrize(
    ("url", "place", "region"),
    [
        ("https://ours.s3.eu-west-1.amazonaws.com/a%20b", "ours.s3.eu-west-1.amazonaws.com/a%20b", "eu-west-1"),
        ("https://s3.eu-west-1.amazonaws.com/ours/a//b", "ours.s3.eu-west-1.amazonaws.com/a//b", "eu-west-1"),
        (
            "https://ours.s3.dualstack.ap-south-1.amazonaws.com/a",
            "ours.s3.dualstack.ap-south-1.amazonaws.com/a",
            "ap-south-1",
        ),
        (
            "https://our.dots.s3.us-gov-west-1.amazonaws.com/a",
            "s3.us-gov-west-1.amazonaws.com/our.dots/a",
            "us-gov-west-1",
        ),
        ("https://ours.s3.cn-north-1.amazonaws.com.cn/a", "ours.s3.cn-north-1.amazonaws.com.cn/a", "cn-north-1"),
        ("https://ours.s3.amazonaws.com/a", "ours.s3.eu-central-1.amazonaws.com/a", "eu-central-1"),
        ("https://s3.amazonaws.com/our.dots/a", "s3.eu-central-1.amazonaws.com/our.dots/a", "eu-central-1"),
        ("s3://ours/a", "ours.s3.eu-central-1.amazonaws.com/a", "eu-central-1"),
    ],
)
def test_at_amazon_the_region_is_the_urls_or_the_environments(aws, monkeypatch, url, place, region):
    """The signature holds in one region only; a bucket with dots is named in the path, where certificates allow it."""
    aws("")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    signed = urlsplit(ObjectSources(ObjectSource("s3", frozenset({"ours", "our.dots"}))).locate(url))
    assert (signed.scheme, f"{signed.netloc}{signed.path}") == ("https", place)
    assert parse_qs(signed.query)["X-Amz-Credential"][0].split("/")[2] == region


def test_the_store_may_be_elsewhere_than_the_images(aws):
    """An end point that is Amazon's is that of every region; the store's own is then asked for no image."""
    aws("https://s3.example.org")
    source = ObjectSource("s3", frozenset({"ours"}), "https://s3.eu-west-1.amazonaws.com", "eu-west-1")
    located = [
        urlsplit(ObjectSources(source).locate(url)).netloc
        for url in ("s3://ours/a", "https://ours.s3.amazonaws.com/a", "https://s3.ap-south-1.amazonaws.com/ours/a")
    ]
    in_region = "ours.s3.eu-west-1.amazonaws.com"
    assert located == [in_region, in_region, "ours.s3.ap-south-1.amazonaws.com"]


@pytest.mark.parametrize(
    "url",
    [
        "https://ours.s3.eu-west-1.amazonaws.com/a?versionId=3&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=ab",
        "https://ours.s3.amazonaws.com/a?AWSAccessKeyId=a&Expires=1&Signature=b",
        "https://storage.googleapis.com/ours/a?x-goog-signature=b",
        "https://someaccount.blob.core.windows.net/photos/a?sv=1&sig=b",
        "https://another.s3.eu-west-1.amazonaws.com/a",
        "https://storage.googleapis.com/another/a",
        "https://someaccount.blob.core.windows.net/another/a",
        "https://another.blob.core.windows.net/photos/a",
        "https://ours.s3.eu-west-1.amazonaws.com/",
        "https://ours.s3.eu-west-1.amazonaws.com/%FF",
        "http://ours.s3.eu-west-1.amazonaws.com/a",
        "https://ours.s3.eu-west-1.amazonaws.com:8443/a",
        "https://ours.s3.eu-west-1.amazonaws.com.example.org/a",
        "https://ours.s3-website.eu-west-1.amazonaws.com/a",
        f"https://ours.s3.eu-{'w' * 70}-1.amazonaws.com/a",
        "https://example.org/ours/a",
        "https://s3.example.org:444/ours/a",
    ],
)
def test_what_is_signed_already_or_not_named_stays_as_it_is(aws, url):
    """As do hosts that are none of the services', and what is no object's name."""
    aws("https://s3.example.org")
    google = ObjectSource("gs", frozenset({"ours"}), "https://storage.googleapis.com", "auto", "someone", "very-secret")
    assert ObjectSources(ObjectSource("s3", frozenset({"ours"})), google, AZURE).locate(url) == url


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://ours.s3.eu-west-1.amazonaws.com/a?v=3&versionId=3%2Bx", "versionId=3%2Bx"),
        ("https://storage.googleapis.com/ours/a?generation=77&alt=media", "generation=77"),
        (
            "https://someaccount.blob.core.windows.net/photos/a?versionid=2026-01-01T00:00:00.1Z",
            "versionid=2026-01-01T00%3A00%3A00.1Z",
        ),
    ],
)
def test_a_version_that_the_url_names_is_asked_for(aws, url, name):
    """It is part of what is signed; what else stands in the query names no image."""
    aws("https://s3.example.org")
    google = ObjectSource("gs", frozenset({"ours"}), "https://storage.googleapis.com", "auto", "someone", "very-secret")
    signed = ObjectSources(ObjectSource("s3", frozenset({"ours"})), google, AZURE).locate(url)
    first, _, rest = urlsplit(signed).query.partition("&")
    assert first == name
    assert rest.startswith(("X-Amz-Algorithm=AWS4-HMAC-SHA256", "sv=1&sig=2"))
    assert "alt=media" not in rest


@pytest.mark.slow
def test_a_version_is_under_the_signature(ministack_url, monkeypatch):
    """A server that checks signatures gives the older of two images, and nothing for a signature by another secret."""
    client = boto3.session.Session().client("s3")
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    old = client.put_object(Bucket=BUCKET, Key="a", Body=b"the older")["VersionId"]
    client.put_object(Bucket=BUCKET, Key="a", Body=b"the newer")
    sources = ObjectSources(ObjectSource("s3", frozenset({BUCKET})))
    url = f"https://{BUCKET}.s3.eu-west-1.amazonaws.com/a"
    with pytest.raises(DownloadError, match="answered 403"):
        image(sources, url)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", MINISTACK_SECRET)
    assert image(sources, url) == b"the newer"
    assert image(sources, f"{url}?versionId={old}") == b"the older"


@pytest.mark.parametrize("key", ["../other/a", "a/%2e%2e/b", "a%2F..%2Fb", "./a"])
def test_a_key_that_leads_elsewhere_is_refused(aws, key):
    """Clients and proxies shorten such paths, to another object than the one that was signed for."""
    aws("https://s3.example.org")
    sources = ObjectSources(ObjectSource("s3", frozenset({"ours"})))
    encoded = key.replace("/", "%2F").replace("..", "%2e%2e").replace("./", "%2e/")
    for url in (f"s3://ours/{key.replace('%2e', '.').replace('%2F', '/')}", f"https://s3.amazonaws.com/ours/{encoded}"):
        with pytest.raises(DownloadError, match="leads elsewhere") as caught:
            image(sources, url)
        assert caught.value.code == "forbidden_address"


@pytest.mark.parametrize(
    ("key", "version", "query"),
    [
        (KEY, ("", ""), "sr=b&sig=wFA4aWcgNQyQd9ZwEtHgv2jv91CL8b8S7K7uiVKqQBU%3D"),
        (
            "a.png",
            ("versionid", "2026-01-01T00:00:00.1234567Z"),
            "sr=bv&sig=cQTIJj5pa1an%2B80s7qvxzRCXnyFPhVxnht3jrFWsQgY%3D",
        ),
        (
            "a.png",
            ("snapshot", "2026-01-01T00:00:00.1234567Z"),
            "sr=bs&sig=GyBZZ4hwDgPUiHu0oE9GxtZXijtgEFTbLaqpx0hFuOQ%3D",
        ),
    ],
)
def test_an_account_key_signs_for_one_blob_as_microsofts_library_does(key, version, query):
    """The signatures are those of azure-storage-blob 12.31.1: generate_blob_sas, permission r, protocol https.

    Of the account ``someaccount``, its container ``photos`` and this key, with service version 2022-11-02.
    """
    name = ObjectName("azure", "someaccount/photos", key, version)
    expiry = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    expected = f"sp=r&se=2026-01-02T03%3A04%3A05Z&spr=https&sv=2022-11-02&{query}"
    assert service_sas(name, ACCOUNT_KEY, expiry=expiry) == expected


@pytest.mark.parametrize("form", ["https://someaccount.blob.core.windows.net/photos/{key}", "{server}/photos/{key}"])
def test_a_blob_is_asked_for_by_the_token_and_by_the_key(form):
    """Either opens it; the key's signature is for reading one blob, and for one hour."""
    with serving() as (server, _):
        endpoint = server.url("/{account}")
        url = form.format(server=server.url("/someaccount"), key=SPELLED)
        path = "/someaccount/photos/a%20folder/%C3%A4%2520%2B%3F.png"
        server.images[f"{path}?sv=1&sig=2"] = b"an image"
        opened_by = {"sas_token": "sv=1&sig=2"}, {"account_key": ACCOUNT_KEY}
        token, key = (ObjectSources(AzureSource(AZURE.buckets, endpoint, **secret)) for secret in opened_by)
        assert image(token, url) == b"an image"
        with pytest.raises(DownloadError, match="answered 404"):
            image(key, url)
    asked, _, query = server.asked[-1].partition("?")
    signed = {name: values[0] for name, values in parse_qs(query).items()}
    assert asked == path
    assert (signed["sp"], signed["sr"], signed["spr"]) == ("r", "b", "https,http")
    assert timedelta(minutes=59) < datetime.fromisoformat(signed["se"]) - datetime.now(UTC) <= timedelta(hours=1)


def test_secrets_of_azure_are_in_no_repr_and_no_reason():
    """A source can be logged, and a problem names the host alone."""
    sources = {"sas_token": "sv=1&sig=very-secret", "account_key": ACCOUNT_KEY}
    assert not any(secret in repr(AzureSource(AZURE.buckets, "", **sources)) for secret in ("very-secret", ACCOUNT_KEY))
    with serving() as (server, _):
        source = AzureSource(AZURE.buckets, server.url("/{account}"), sas_token="sv=1&sig=very-secret")
        with pytest.raises(DownloadError) as caught:
            image(ObjectSources(source), "https://someaccount.blob.core.windows.net/photos/a")
    assert str(caught.value) == "127.0.0.1 answered 404"
    assert server.asked == ["/someaccount/photos/a?sv=1&sig=very-secret"]


def test_nothing_is_signed_for_where_a_redirect_leads():
    """Neither the token nor a signature goes to the second host, also where it names an object that is allowed."""
    with serving() as (server, _):
        source = AzureSource(AZURE.buckets, server.url("/{account}"), sas_token="sv=1&sig=2")
        server.moved["/someaccount/photos/a?sv=1&sig=2"] = server.url("/someaccount/photos/b")
        server.images["/someaccount/photos/b"] = b"an image"
        assert image(ObjectSources(source), server.url("/someaccount/photos/a")) == b"an image"
    assert server.asked[-1] == "/someaccount/photos/b"
