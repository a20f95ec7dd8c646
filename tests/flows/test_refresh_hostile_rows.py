"""One row never ends a run, nor leads a reader anywhere: hostile addresses and answers, and faults of labelsnap's."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from deploy.sandbox.server import exports
from flows.commands.console import describe
from flows.refresh import refresh
from labelsnap.buckets.rows import fetch
from labelsnap.references import pull
from tasks.telling.artifacts import result_page
from tests.buckets.image_server import serving
from tests.faults.searching import holding
from tests.images.image_samples import oriented

REFERENCES = (
    "/etc/hostile-passwd",
    "../../hostile-secret.png",
    "file:///hostile/passwd",
    "http://169.254.169.254/hostile/meta-data",
    "http://10.1.2.3/hostile.jpg",
    "http://2130706433/hostile.jpg",
    "javascript:hostile()",
    "s3://other-bucket/hostile.jpg",
    "http://user:hostile@example.org/a.jpg",
)
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nx"
ASTRAY = b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n"
DAMAGED = Path(__file__).parents[1] / "faults" / "exif-damaged-1.jpg"
FORMATS = ("coco", "yolo", "voc", "labelme", "webdataset", "huggingface", "masks", "parquet")


class UnheardOfError(Exception):
    """What nobody foresaw: of a class that no other test raises, as a trace is logged once a class and place."""


def elsewhere(urls, lines, *_):
    """The lines of an export; the first have these addresses."""
    urls = list(urls)
    for number, line in enumerate(lines):
        row = json.loads(line)
        if number < len(urls):
            row["data_row"]["row_data"] = urls[number]
        yield json.dumps(row)


def problems_of(result, folder):
    """A version's problems, in the order of their lines."""
    pull(result["ref"], "raw", folder)
    return [json.loads(line) for line in (folder / "problems.ndjson").read_bytes().splitlines()]


@pytest.mark.slow
def test_a_reference_that_a_download_would_refuse_is_in_no_tree(sandbox, dataset, monkeypatch, tmp_path):
    """Each is a named problem of its row; other rows are published, and the addresses are in the raw export alone."""
    monkeypatch.setattr(exports, "with_oddities", partial(elsewhere, REFERENCES))
    chosen = dataset(
        images="reference", skipped="keep", problems={"max_share": 1}, formats={name: {} for name in FORMATS[:-1]}
    )
    result = refresh(chosen)
    found = problems_of(result, tmp_path / "raw")
    assert [each["line"] for each in found] == [*range(1, len(REFERENCES) + 1)]
    assert {(each["code"], each["path"]) for each in found} == {("forbidden_address", "$.data_row.row_data")}
    assert result["problems"] == {"forbidden_address": len(REFERENCES)}
    assert result["rows"]["published"] > 0
    for name in FORMATS:
        pull(result["ref"], name, tmp_path / "trees" / name)
    assert holding(tmp_path / "trees", b"hostile") == []
    assert holding(tmp_path / "trees" / "coco", sandbox.url.encode()) != []


@pytest.mark.slow
def test_what_was_allowed_and_is_not_any_more_is_not_taken_over(sandbox, dataset, monkeypatch, tmp_path):
    """Without any change at Labelbox, the next version has the row as a problem."""
    monkeypatch.setattr(exports, "with_oddities", partial(elsewhere, ["http://10.1.2.3/a.jpg"]))
    chosen = dataset(images="reference", skipped="keep", problems={"max_share": 1}, formats={})
    monkeypatch.setenv("LABELSNAP_ALLOW_HOSTS", "10.1.2.3")
    first = refresh(chosen)
    monkeypatch.delenv("LABELSNAP_ALLOW_HOSTS")
    second = refresh(chosen)
    assert (first["rows"]["problems"], second["rows"]["problems"]) == (0, 1)
    assert (second["version"], second["reused_rows"]) == (2, first["rows"]["published"] - 1)


def with_media(urls, lines, *_):
    """The same, and what is declared of these pictures is their size; nothing lies on them."""
    for number, line in enumerate(elsewhere(urls, lines)):
        row = json.loads(line)
        if number < len(urls):
            row["media_attributes"] |= {"width": 32, "height": 24, "exif_rotation": "1"}
            (entry,) = row["projects"].values()
            entry["labels"] = []
        yield json.dumps(row)


def test_one_row_never_ends_a_run(sandbox, dataset, monkeypatch, tmp_path, caplog):
    """Each is its own problem; a fault of ours is counted apart, its trace logged, and its row tried again."""
    monkeypatch.setenv("LABELSNAP_TEST_TOKEN", "very-secret")
    made = fetch.publishable
    with serving() as (server, _):
        server.raw |= {"/long": LONG, "/astray": ASTRAY}
        server.images |= {"/exif": DAMAGED.read_bytes(), "/fault": oriented("png xmp", 1, (32, 24))}
        urls = [server.url(path) for path in ("/long", "/astray", "/exif", "/fault")]
        monkeypatch.setattr(exports, "with_oddities", partial(with_media, urls))
        chosen = dataset(skipped="keep", problems={"max_share": 1}, formats={"coco": {}, "huggingface": {}})

        def publishable(file, **options):
            file.seek(0)
            if file.read() == server.images["/fault"]:
                raise UnheardOfError("hostile \x1b[2J") from ValueError("very-secret")
            return made(file, **options)

        with monkeypatch.context() as patched:
            patched.setattr(fetch, "publishable", publishable)
            result = refresh(chosen)
        found = problems_of(result, tmp_path / "raw")
        again = refresh(chosen)
    assert [(each["line"], each["code"]) for each in found] == [
        (1, "too_large"),
        (2, "bad_redirect"),
        (4, "unforeseen"),
    ]
    assert result["problems"] == {"too_large": 1, "bad_redirect": 1, "unforeseen": 1}
    assert (found[-1]["path"], found[-1]["data_row_id"]) == ("$", sandbox.row(3).id)
    assert found[-1]["reason"].startswith("UnheardOfError at labelsnap.buckets.rows.fetch:Fetcher._image:")
    assert "1 rows met a fault of labelsnap's own" in describe(result)
    assert "met a fault of labelsnap's own" in result_page(result)
    assert "Traceback (most recent call last)" in caplog.text
    assert "very-secret" not in caplog.text
    assert "\x1b" not in caplog.text
    assert holding(tmp_path / "raw", b"very-secret") == []
    assert again["problems"] == {"too_large": 1, "bad_redirect": 1}
    assert again["version"] == result["version"] + 1
