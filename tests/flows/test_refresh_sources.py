"""Projects whose images only credentials open, named in the https forms that Labelbox asks for."""

from __future__ import annotations

import json
from functools import partial
from urllib.parse import quote

import boto3
import pytest
import requests

from deploy.sandbox.server import exports
from flows.refresh import refresh
from labelsnap.references import pull
from tests.buckets.image_server import serving
from tests.faults.searching import holding

TOKEN = "sv=2022-11-02&sp=r&sig=very-secret"
AMAZON = "https://datasets.s3.eu-west-1.amazonaws.com/"
AZURE = "https://someaccount.blob.core.windows.net/photos/"


def elsewhere(server, lines, *_):
    """The lines of an export, their pictures by turns at Amazon and at Azure; there one is missing."""
    store = boto3.session.Session().client("s3")
    for number, line in enumerate(lines):
        row = json.loads(line)
        body = requests.get(row["data_row"]["row_data"], timeout=60).content
        name = f"a folder/{number} + é.jpg"
        if number % 2:
            store.put_object(Bucket="datasets", Key=name, Body=body)
        elif number:
            server.images[f"/someaccount/photos/{quote(name)}?{TOKEN}"] = body
        row["data_row"]["row_data"] = (AMAZON if number % 2 else AZURE) + quote(name)
        yield json.dumps(row)


@pytest.mark.slow
def test_images_of_named_buckets_are_read_by_their_https_form(sandbox, dataset, monkeypatch, tmp_path, caplog):
    """One that is missing is a problem; the token is in no byte of store, tree and log, and the URL is the export's."""
    with serving() as (server, _):
        monkeypatch.setattr(exports, "with_oddities", partial(elsewhere, server))
        monkeypatch.setenv("LABELSNAP_SOURCE_BUCKETS", "s3://datasets,azure://someaccount/photos")
        monkeypatch.setenv("LABELSNAP_AZURE_SOURCE_ENDPOINT", server.url("/{account}"))
        monkeypatch.setenv("LABELSNAP_AZURE_SOURCE_SAS_TOKEN", f"?{TOKEN}")
        result = refresh(dataset(formats={}))
    assert result["rows"]["problems"] == 1
    assert result["requests"]["images"] == result["rows"]["published"] > 10
    assert all(asked.endswith(TOKEN) for asked in server.asked)
    pull(result["ref"], "raw", tmp_path / "raw")
    pull(result["ref"], "parquet", tmp_path / "tables")
    (problem,) = map(json.loads, (tmp_path / "raw" / "problems.ndjson").read_bytes().splitlines())
    assert (problem["code"], problem["reason"]) == ("http_404", "127.0.0.1 answered 404")
    assert holding(tmp_path, b"very-secret") == []
    assert "very-secret" not in caplog.text
    assert holding(tmp_path / "tables", AZURE.encode()) != []


def test_a_referenced_image_keeps_the_url_that_the_export_has(sandbox, dataset, monkeypatch, tmp_path):
    """Nothing is signed for, and nothing asked."""
    with serving() as (server, _):
        monkeypatch.setattr(exports, "with_oddities", partial(elsewhere, server))
        monkeypatch.setenv("LABELSNAP_SOURCE_BUCKETS", "s3://datasets")
        result = refresh(dataset(images="reference"))
    pull(result["ref"], "coco", tmp_path / "coco")
    documents = (tmp_path / "coco" / "annotations").glob("instances_*.json")
    urls = [image["coco_url"] for document in documents for image in json.loads(document.read_bytes())["images"]]
    assert len(urls) == result["rows"]["published"]
    assert all(url.startswith((AMAZON, AZURE)) and "?" not in url for url in urls)
    assert server.asked == []
