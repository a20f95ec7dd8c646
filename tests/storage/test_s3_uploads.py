"""Multipart uploads that were broken off, on servers that list them and on those that do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import boto3
import pytest

from labelsnap.storage import open_store
from tests.contracts.store_fixtures import BUCKET


def begun(url, key):
    """Begin an upload below a dataset's URL, send a part of it, and leave it."""
    client = boto3.session.Session().client("s3")
    name = f"{url.removeprefix(f's3://{BUCKET}/')}/{key}"
    upload = client.create_multipart_upload(Bucket=BUCKET, Key=name)["UploadId"]
    client.upload_part(Bucket=BUCKET, Key=name, UploadId=upload, PartNumber=1, Body=b"part")
    return upload


@pytest.mark.parametrize(
    "server",
    [pytest.param("ministack", marks=pytest.mark.slow), pytest.param("ceph", marks=pytest.mark.integration)],
)
def test_a_broken_off_upload_is_listed_and_removed(request, server):
    """With its key below the dataset and its age; another dataset's is not."""
    url = request.getfixturevalue(f"{server}_url")
    store, other = open_store(url), open_store(f"{url}-other")
    name = begun(url, "data/images/pack-0123456789abcdef.tar")
    begun(other.url, "data/images/pack-0123456789abcdef.tar")
    (upload,) = store.uploads()
    assert (upload.key, upload.name) == ("data/images/pack-0123456789abcdef.tar", name)
    assert abs(upload.begun - datetime.now(UTC)) < timedelta(minutes=1)
    store.abort(upload)
    store.abort(upload)
    assert list(store.uploads()) == []
    assert len(list(other.uploads())) == 1


def test_a_server_that_cannot_list_uploads_has_none(localbucket_url, caplog):
    """It is said, and is no error: garbage collection goes on."""
    assert list(open_store(localbucket_url).uploads()) == []
    assert "NotImplemented" in caplog.text
