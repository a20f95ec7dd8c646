"""A store that lies, for the tests of a test."""

from __future__ import annotations

import pytest

from labelsnap.storage import open_store
from tests.faults.lying_store import lying


@pytest.fixture
def lies(aws):
    """Return a function that serves lies and gives them with a store on them."""
    opened = []

    def serve(answer):
        serving = lying(answer)
        served, endpoint = serving.__enter__()
        opened.append(serving)
        aws(endpoint)
        return served, open_store("s3://bucket/street-scenes")

    yield serve
    for serving in opened:
        serving.__exit__(None, None, None)
