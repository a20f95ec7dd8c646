"""The client of the store: the region that it signs for, and what it reads of this machine."""

from __future__ import annotations

import pytest
from botocore.loaders import JSONFileLoader, Loader, create_loader

from labelsnap.errors import ConfigurationError
from labelsnap.storage import open_store
from labelsnap.storage.s3.client import _loader, client_here


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


def test_what_boto3_knows_of_aws_is_read_once(monkeypatch):
    """The clients of a process share it: it takes 12 MB and a tenth of a second."""
    client_here(repeat=True)
    read = []
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda *_: read.append(_) or {})
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert client_here(repeat=False).meta.region_name == "eu-north-1"
    assert read == []


def test_the_services_of_aws_are_not_looked_through(monkeypatch):
    """The SDK opens each of its four hundred folders, several times, to tell whether there is a service called s3."""
    looked = []
    monkeypatch.setattr(JSONFileLoader, "exists", lambda *asked: looked.append(asked) or True)
    found = _loader(None).list_available_services("service-2")
    assert looked == []
    monkeypatch.undo()
    assert set(found) >= set(Loader().list_available_services("service-2")) >= {"s3", "sts", "sso"}


def test_descriptions_are_read_from_the_folders_that_are_named_and_from_no_other(tmp_path, monkeypatch):
    """Those of AWS_DATA_PATH come first, as with boto3; without it the working directory has none."""
    monkeypatch.chdir(tmp_path)
    for named in (f"{tmp_path}/own", None):
        expected = create_loader(named).search_paths
        assert _loader(named).search_paths[: len(expected)] == expected
        assert not {"", ".", str(tmp_path)}.intersection(_loader(named).search_paths)


def test_clients_of_one_environment_are_made_of_one_session(monkeypatch):
    """Where credentials come from a role they are asked for once."""
    for name, value in {"AWS_REGION": "eu-south-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    credentials = [client_here(repeat=repeat)._request_signer._credentials for repeat in (True, False)]
    assert credentials[0] is credentials[1] is not None
