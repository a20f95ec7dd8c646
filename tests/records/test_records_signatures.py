"""Signed URLs: what signs them, what they name, and when they end. Examples are the vendors' own."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.records.lines.fingerprint import fingerprint
from labelsnap.records.lines.signatures import ends_at, lasting_url, unsigned

S3 = (  # docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)
S3_V2 = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620"
GOOGLE = (  # cloud.google.com/storage/docs/access-control/signed-urls
    "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=example%40example-project.iam.gserviceaccount.com%2F20181026"
    "%2Fus-central1%2Fstorage%2Fgoog4_request&X-Goog-Date=20181026T181309Z&X-Goog-Expires=900"
    "&X-Goog-SignedHeaders=host&X-Goog-Signature=247a2aa45f169edf"
)
GOOGLE_V2 = (
    "GoogleAccessId=example@example-project.iam.gserviceaccount.com&Expires=1458238630&Signature=VVUgfqviDCov%2B"
)
CDN = "Expires=1566268009&KeyName=mySigningKey&Signature=8NBSdQGzvDftrOIa3WHpp646Iis="
CANNED = (  # docs.aws.amazon.com/AmazonCloudFront, "Creating a signed URL using a canned policy"
    "Expires=1357034400&Signature=nitfHRCrtziwO2HwPfWw~yYDhUF5EwRunQA-j19DzZr&Key-Pair-Id=K2JCJMDEHXQW5F"
)
CUSTOM = (  # {"Statement":[{"Resource":"…","Condition":{"DateLessThan":{"AWS:EpochTime":1357034400}}}]}
    "size=large&Policy=eyJTdGF0ZW1lbnQiOlt7IlJlc291cmNlIjoiaHR0cDovL2QvKiIsIkNvbmRpdGlvbiI6eyJEYXRlTGVz"
    "c1RoYW4iOnsiQVdTOkVwb2NoVGltZSI6MTM1NzAzNDQwMH19fV19&Signature=nitfHRCrtziwO2HwPfWw~yYDhUF5EwRunQA-j19DzZr"
    "&Key-Pair-Id=K2JCJMDEHXQW5F"
)
AZURE = "sp=r&st=2023-01-01T00:00:00Z&se=2023-01-02T00:00:00Z&spr=https&sv=2022-11-02&sr=b&sig=abc%3D"
AZURE_USER = (  # learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
    "sv=2022-11-02&st=2023-05-24T01%3A13%3A55Z&se=2023-05-24T09%3A13%3A55Z&skoid=a&sktid=b&skt=c&ske=d&sks=b"
    "&skv=2022-11-02&sr=c&sp=r&sip=168.1.5.60&sig=Rcp6"
)
PLAIN = "2f07673709d7328ef42a04d2a1fe495e"


@pytest.mark.parametrize(
    ("query", "digest"),
    [
        (S3, PLAIN),
        (S3_V2, PLAIN),
        (GOOGLE, PLAIN),
        (GOOGLE_V2, PLAIN),
        (CDN, PLAIN),
        (CANNED, PLAIN),
        (AZURE, PLAIN),
        (AZURE_USER, PLAIN),
        (f"versionId=3&x-id=GetObject&X-Amz-Security-Token=t&{S3}", "2110798acd125815a476041addae4dbd"),
        (f"size=large&{CANNED}", "8ffe33fa3fc7b817639709acf1848105"),
        (CUSTOM, "8ffe33fa3fc7b817639709acf1848105"),
        ("signature=0f1e&v=2", "995d3ac02d271da0c99a1535989b1867"),
        ("v=2&sig=0f1e&expires=5", "2c371e59c9cfaa3f5ea2bbc521416b83"),
    ],
)
def test_fingerprints_of_signed_urls_are_those_of_earlier_versions(query: str, digest: str) -> None:
    """Or every row would be made anew: the digests are those of the labelsnap that told no families apart."""
    line = {"data_row": {"id": "r", "row_data": f"https://images.example/a.png?{query}"}}
    assert fingerprint(json.dumps(line).encode()) == digest


@pytest.mark.parametrize(
    ("query", "rest"),
    [
        ("", ""),
        (S3, ""),
        (GOOGLE_V2, ""),
        (AZURE_USER, ""),
        (f"versionId=3&{S3}", "?versionId=3"),
        (f"{AZURE}&snapshot=2", "?snapshot=2"),
        (CUSTOM, "?size=large"),
        ("sig=1&sp=2&policy=strict&sv=3", "?policy=strict"),
        ("sig=1&sp=2&policy=strict", "?sp=2&policy=strict"),
        ("Policy=strict&Key-Pair-Id=1&se=4", "?Policy=strict&Key-Pair-Id=1&se=4"),
        ("Expires=1&AWSAccessKeyId=k&x-amz-meta=1", "?Expires=1&AWSAccessKeyId=k&x-amz-meta=1"),
        ("X-Amz-Signature=1&X-Goog-Date=2", "?X-Goog-Date=2"),
        ("a&sig=1#part", "?a"),
    ],
)
def test_a_url_without_its_signature_names_the_image(query: str, rest: str) -> None:
    """Families go whole, and what only looks like a part of one says which image it is."""
    assert unsigned(f"https://images.example/a.png?{query}") == f"https://images.example/a.png{rest}"


@pytest.mark.parametrize("scheme", ["s3", "gs", "azure"])
@pytest.mark.parametrize(("key", "other"), [("a#1.png", "a#2.png"), (f"a?{S3}", f"a?{S3}0"), ("a?sig=1", "a?sig=2")])
def test_the_key_of_an_object_is_no_query(scheme: str, key: str, other: str) -> None:
    """What follows a bucket's name is the key to its last sign: another one is another image, and never ends."""
    one, two = f"{scheme}://images/{key}", f"{scheme}://images/{other}"
    assert (unsigned(one), unsigned(two)) == (one, two)
    assert ends_at(one) is None
    lines = [json.dumps({"data_row": {"id": "r", "row_data": url}}).encode() for url in (one, two)]
    assert fingerprint(lines[0]) != fingerprint(lines[1])


def test_the_case_of_a_scheme_makes_no_difference() -> None:
    """As where it is connected to."""
    assert unsigned(f"HTTPS://images.example/a?{S3}") == "HTTPS://images.example/a"
    assert ends_at(f"HTTP://images.example/a?{S3}") is not None


@pytest.mark.parametrize(
    ("query", "end"),
    [
        (S3, "2013-05-25T00:00:00"),
        (S3_V2, "2007-03-29T03:40:20"),
        (GOOGLE, "2018-10-26T18:28:09"),
        (GOOGLE_V2, "2016-03-17T18:17:10"),
        (CDN, "2019-08-20T02:26:49"),
        (CANNED, "2013-01-01T10:00:00"),
        (CUSTOM, "2013-01-01T10:00:00"),
        (AZURE, "2023-01-02T00:00:00"),
        (AZURE_USER, "2023-05-24T09:13:55"),
        ("sv=2022-11-02&se=2023-01-02&sig=a", "2023-01-02T00:00:00"),
        (S3.replace("86400", "9" * 12), None),
        (S3.replace("20130524T000000Z", "20131324T000000Z"), None),
        (S3.replace("20130524T000000Z", "99991231T235959Z"), None),
        ("Expires=1357034400", None),
        ("Expires=soon&Signature=a", None),
        (f"Expires={'9' * 5000}&Signature=a", None),
        ("Policy=%FF%FE&Signature=a", None),
        ("sv=1&sig=a", None),
        ("", None),
    ],
)
def test_a_signature_tells_when_it_ends(query: str, end: str | None) -> None:
    """In the vendors' own ways; what is no time, or none that a clock will show, is not told."""
    expected = datetime.fromisoformat(end).replace(tzinfo=UTC) if end else None
    assert ends_at(f"https://images.example/a.png?{query}") == expected


@given(st.text(max_size=60), st.sampled_from(["X-Amz-Signature=a&X-Amz-Date=", "sv=1&sig=&se=", "Signature=&Policy="]))
def test_whatever_a_url_says_it_is_read(text: str, start: str) -> None:
    """Nothing raises, and without its signature a URL is as it is without it."""
    url = f"https://images.example/?{start}{text}"
    ends_at(url)
    assert unsigned(unsigned(url)) == unsigned(url)


@pytest.mark.parametrize(
    ("standing", "exported", "kept"),
    [
        ("Expires=200", "Expires=300", "standing"),
        ("Expires=99", "Expires=300", "exported"),
        ("Expires=99", "Expires=99", "standing"),
        ("Expires=99", "Expires=98", "standing"),
        ("Expires=99", "", "exported"),
        ("", "Expires=300", "standing"),
    ],
)
def test_the_url_that_stands_is_kept_as_long_as_it_lasts(standing: str, exported: str, kept: str) -> None:
    """One that ends is exchanged for one that ends later."""
    urls = {"standing": f"https://h/a?Signature=s&{standing}", "exported": f"https://h/a?Signature=t&{exported}"}
    until = datetime.fromtimestamp(100, UTC)
    assert lasting_url(urls["standing"], urls["exported"], until) == urls[kept]
