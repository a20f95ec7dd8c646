"""Images that are asked for only if they are others by now."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from labelsnap.labelbox.downloads.failures import DownloadError
from labelsnap.labelbox.downloads.known import ImageAnswer, Known, validators_of
from labelsnap.records.image import Validators
from tests.buckets.image_server import serving

PATH = "/image"
ETAG, SINCE = '"abc-1"', "Tue, 15 Nov 1994 12:45:26 GMT"
BOTH = Validators(ETAG, SINCE)
CONDITIONS = {"If-None-Match", "If-Modified-Since"}


@pytest.fixture
def server():
    """A server of one image that tells both validators, and a downloader."""
    with serving() as (images, downloader):
        images.images[PATH] = b"pixels"
        images.told[PATH] = {"ETag": ETAG, "Last-Modified": SINCE}
        yield images, downloader


def asked(server, known=None, path=PATH, limit=100):
    """The answer, the bytes, and the conditions of the last request."""
    images, downloader = server
    target = io.BytesIO()
    answer = downloader.image(images.url(path), target, limit=limit, check=lambda _: None, known=known)
    sent = {name: value for name, value in images.headers[-1].items() if name in CONDITIONS}
    return answer, target.getvalue(), sent


def test_an_image_comes_with_what_its_source_tells(server):
    """No condition is sent where nothing is known."""
    assert asked(server) == (ImageAnswer(is_known=False, validators=BOTH), b"pixels", {})
    assert asked(server, Known(validators=Validators()))[1:] == (b"pixels", {})


@pytest.mark.parametrize(
    ("validators", "sent"),
    [
        (BOTH, {"If-None-Match": ETAG}),
        (Validators(etag=ETAG), {"If-None-Match": ETAG}),
        (Validators(last_modified=SINCE), {"If-Modified-Since": SINCE}),
    ],
)
def test_an_image_that_stands_costs_no_body(server, validators, sent):
    """The ETag is asked by where there is one; what is known of the image stays as it is."""
    assert asked(server, Known(validators=validators)) == (ImageAnswer(is_known=True, validators=validators), b"", sent)
    assert server[1].counts.bytes == 0


def test_another_image_comes_whole_within_the_limit(server):
    """With the validators of its own answer; one that is too large is refused as ever."""
    images, _ = server
    known = Known(validators=Validators('"other"'))
    assert asked(server, known)[:2] == (ImageAnswer(is_known=False, validators=BOTH), b"pixels")
    with pytest.raises(DownloadError) as caught:
        asked(server, known, limit=5)
    assert caught.value.code == "too_large"
    assert len(images.asked) == 2


def test_conditions_go_along_redirects(server):
    """The image's own place answers them."""
    images, _ = server
    images.statuses["/here"], images.told["/here"] = 302, {"Location": PATH}
    answer, body, sent = asked(server, Known(validators=BOTH), path="/here")
    assert (answer.is_known, body, sent) == (True, b"", {"If-None-Match": ETAG})
    assert images.asked == ["/here", PATH]


def test_not_modified_is_no_answer_to_a_request_without_conditions(server):
    """A source that says so all the same, or to a size, has not sent the image."""
    images, _ = server
    images.statuses[PATH] = 304
    for known in (None, Known(size=6)):
        with pytest.raises(DownloadError) as caught:
            asked(server, known)
        assert caught.value.code == "http_304"


def test_the_size_that_is_known_costs_no_body_and_tells_the_validators(server):
    """They are of the answer that announced it."""
    assert asked(server, Known(size=6)) == (ImageAnswer(is_known=True, validators=BOTH), b"", {})


@pytest.mark.parametrize(
    "etag",
    ["*", "abc", '""', '"a" "b"', '"a", "b"', '"a\tb"', '"\xe9"', f'"{"a" * 251}"', 'w/"a"', '"a"\r\nHost: b'],
)
def test_what_is_no_entity_tag_is_not_kept(etag):
    """Least of all ``*``, which every image matches."""
    assert validators_of({"ETag": etag}) == Validators()


@pytest.mark.parametrize("etag", ['"a"', 'W/"a"', f'"{"a" * 250}"', '"!#%~"'])
def test_entity_tags_are_kept(etag):
    """Weak ones too: they are compared as such."""
    assert validators_of({"ETag": etag}) == Validators(etag)


@pytest.mark.parametrize(
    "date",
    [
        "1994-11-15",
        "Tuesday, 15-Nov-94 12:45:26 GMT",
        "Tue, 15 Nov 1994 12:45:26 +0000",
        "Tue, 99 Foo 1994 12:45:26 GMT",
    ],
)
def test_what_is_no_date_of_http_is_not_kept(date):
    """Nor is a date that no calendar has."""
    assert validators_of({"Last-Modified": date}) == Validators()


@pytest.mark.parametrize(("seconds", "kept"), [(0, False), (1, True), (-5, False)])
def test_a_date_within_the_second_of_the_answer_is_not_kept(seconds, kept):
    """The image may be replaced again in that second, and the date would be the same."""
    now = datetime(2024, 5, 1, tzinfo=UTC)
    modified = format_datetime(now - timedelta(seconds=seconds), usegmt=True)
    told = validators_of({"Last-Modified": modified, "Date": format_datetime(now, usegmt=True)})
    assert told == Validators(None, modified if kept else None)
