"""An export that is gone on with although its URLs have ended is given up."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest

from labelsnap.buckets.receipt import Tally
from labelsnap.errors import LabelboxRefusedError
from labelsnap.records.model import Problem
from labelsnap.snapshots.writing.draft import Draft
from labelsnap.storage import open_store
from tasks.run.beginning import Beginning, Head
from tasks.run.outlived import check_urls_lived

NOW = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("way", "codes", "requests", "refused"),
    [
        ("on", ["http_403"], {}, 1),
        ("on", ["mask_composite_expired", "mask_http_404", "not_json"], {"images_refused": 2}, 4),
        ("on", [], {"images_refused": 1}, 1),
        ("on", ["not_json"], {"images": 3}, 0),
        ("on", [], {}, 0),
        ("over", ["http_403"], {"images_refused": 1}, 0),
        ("anew", ["http_403"], {"images_refused": 1}, 0),
    ],
)
def test_refused_urls_of_an_older_export_are_counted(tmp_path, way, codes, requests, refused):
    """Rows that are problems for it, and images that stand unconfirmed; an export of this run's own is as it is."""
    dataset = SimpleNamespace(url=(tmp_path / "dataset").as_uri())
    lines = [msgspec.json.encode(Problem(1, None, "$", code, "")) + b"\n" for code in codes]
    problems = Draft(open_store(dataset.url)).add_file("raw/problems.ndjson", b"".join(lines))
    settlement = SimpleNamespace(problems=problems, tally=Tally(problems=len(codes), requests=requests))
    beginning = Beginning("run", "cause", Head(), NOW, NOW, NOW, way=way)
    if not refused:
        check_urls_lived(dataset, beginning, settlement)
        return
    with pytest.raises(LabelboxRefusedError, match=f"names {refused} images") as caught:
        check_urls_lived(dataset, beginning, settlement)
    assert caught.value.code == "export_outlived"
