"""Pictures as a store of objects serves them: conditions, signatures, and another one under the same URL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.sandbox import Sandbox


@pytest.fixture
def plain(sandbox: Sandbox) -> str:
    """The URL of a picture."""
    return sandbox.url + sandbox.row(3).image_path


def got(url: str, **headers: str) -> requests.Response:
    """The answer; names of headers have underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(url, headers=named, timeout=10)


def signed(sandbox: Sandbox, seconds: int) -> Iterator[str]:
    """The URLs of all pictures in an export that signs them for so long."""
    sandbox.settings.image_seconds = seconds
    task = sandbox.exports.start({}, {})
    assert task.writer
    task.writer.join()
    for line in task.files["RESULT"].read_bytes().splitlines():
        yield json.loads(line)["data_row"]["row_data"]


def test_a_condition_that_holds_is_answered_without_a_body(plain: str) -> None:
    """By either validator; what they say of another picture brings it."""
    whole = got(plain)
    told = {"If_None_Match": whole.headers["ETag"]}, {"If_Modified_Since": whole.headers["Last-Modified"]}
    for headers in told:
        answer = got(plain, **headers)
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", whole.headers["ETag"])
    other = {"If_None_Match": '"other"'}, {"If_Modified_Since": "Mon, 01 Jan 2001 00:00:00 GMT"}
    for headers in other:
        assert got(plain, **headers).content == whole.content


def test_a_source_may_have_no_validators(sandbox: Sandbox, plain: str) -> None:
    """It sends the whole picture, whatever is asked."""
    etag = got(plain).headers["ETag"]
    sandbox.settings.no_validators = True
    answer = got(plain, If_None_Match=etag)
    assert answer.status_code == 200
    assert not {"etag", "last-modified"} & answer.headers.keys()


@pytest.mark.parametrize("told", [False, True])
def test_another_picture_under_the_same_url(sandbox: Sandbox, plain: str, *, told: bool) -> None:
    """It has other bytes and validators; the row's change time says so only where exports are told."""
    before, row = got(plain), sandbox.row(3)
    sandbox.replace_image(3, told=told)
    after = got(plain, If_None_Match=before.headers["ETag"])
    assert (after.status_code, after.content == before.content) == (200, False)
    assert after.headers["Last-Modified"] != before.headers["Last-Modified"]
    assert (sandbox.row(3).updated_at > row.updated_at) is told
    assert sandbox.row(3).last_activity_at == row.last_activity_at


def test_signed_urls_end(sandbox: Sandbox, plain: str) -> None:
    """Each export signs anew; no other URL opens a picture, nor one whose time is over or which was changed."""
    assert {got(url).status_code for url in list(signed(sandbox, 60))[:3]} == {200}
    url = next(signed(sandbox, 60))
    assert got(plain).status_code == 403
    assert got(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61")).status_code == 403
    assert got(next(signed(sandbox, 0))).status_code == 403
