"""Which region the client of the store signs for."""

from __future__ import annotations

import pytest

from labelsnap.errors import ConfigurationError
from labelsnap.storage import open_store
from labelsnap.storage.s3.client import client_here


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


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("value", ["very-secret\n", "very secret", "very-secret\nX-Other: 1", "  "])
def test_a_spoilt_key_is_refused_before_a_request(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A key with the line break of the file that it was mounted from is a fault of the configuration."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as refused:
        open_store("s3://bucket/dataset").get("tags/a.json")
    assert (refused.value.code, refused.value.exit_status) == ("bad_secret", 2)
    assert "very" not in str(refused.value)
