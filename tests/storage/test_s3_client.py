"""Which region the client of the store signs for."""

from __future__ import annotations

import pytest

from tasks.storage.s3_client import client_here


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_REGION": "eu-central-1"}, "eu-central-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-3"}, "eu-west-3"),
        ({"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-west-3"}, "eu-central-1"),
    ],
)
def test_region(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], region: str) -> None:
    """The region is that of AWS_REGION, as for Amazon's other tools, then that of AWS_DEFAULT_REGION."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert client_here(repeat=True).meta.region_name == region
