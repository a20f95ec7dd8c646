"""Both ways from a PNG to runs, for the tests that hold for either."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", params=[True, False], ids=["sparse", "numpy"])
def sparse(request):
    """Whether the sparse way is used for what it can read."""
    return request.param
