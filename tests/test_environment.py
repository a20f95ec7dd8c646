"""The variables that the library goes by: those that are handed in, which whatever starts a process does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labelsnap.environment import aws_variables, variables, work_in
from labelsnap.labelbox.downloads.object_sources import ObjectSource, client_of
from labelsnap.redaction import LEFT_OUT, without_secrets
from labelsnap.storage.s3.client import _client, client_here

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
TOLD = """
import importlib, sys
from labelsnap.redaction import without_secrets
importlib.import_module(sys.argv[1])
print(without_secrets("my-own-password"))
"""


@pytest.fixture
def handed_in() -> Iterator[dict[str, str]]:
    """Variables that the library goes by for the length of a test, and may be changed."""
    before, own = variables(), dict[str, str]()
    work_in(own)
    yield own
    work_in(before)


@pytest.mark.parametrize(
    ("started", "told"),
    [
        ("labelsnap.snapshots", "my-own-password"),
        ("flows.cli", LEFT_OUT),
        pytest.param("tasks.machines.fitness", LEFT_OUT, marks=pytest.mark.slow),
        pytest.param("flows.refresh", LEFT_OUT, marks=pytest.mark.slow),
    ],
)
def test_whatever_runs_labelsnap_hands_in_its_environment(started: str, told: str) -> None:
    """Commands, flows, and the task that workers of Dask and Ray are sent; the library alone is told nothing."""
    environment = os.environ | {"MY_OWN_PASSWORD": "my-own-password"}
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", TOLD, started], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{told}\n"


def test_a_variable_that_changes_is_seen(handed_in: dict[str, str]) -> None:
    """A client is made anew, for the store and for images, and a new secret is left out."""
    source = ObjectSource("s3", frozenset({"ours"}))
    for region in ("eu-central-1", "eu-west-3"):
        handed_in["AWS_REGION"] = region
        assert client_here(repeat=True).meta.region_name == region
        assert client_of(source).meta.region_name == region
    handed_in["SOME_TOKEN"] = "a-new-secret"
    assert without_secrets("a-new-secret") == LEFT_OUT


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"AWS_ENDPOINT_URL_S3": "http://minio.example:9000"}, "http://minio.example:9000/ours/a"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "https://ours.s3.amazonaws.com/a"),
    ],
)
def test_the_library_alone_finds_the_store(
    handed_in: dict[str, str], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str
) -> None:
    """boto3 reads the variables; a server of one's own has the bucket in the path, whatever was handed in."""
    _client.cache_clear()  # nothing that was handed in tells that they are others
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", **variables}.items():
        monkeypatch.setenv(name, value)
    for told in ({}, variables):
        handed_in |= told
        signed = client_here(repeat=True).generate_presigned_url("get_object", Params={"Bucket": "ours", "Key": "a"})
        assert signed.partition("?")[0] == url
    _client.cache_clear()


def test_only_what_is_amazons_makes_another_client(handed_in: dict[str, str]) -> None:
    """Other variables come and go."""
    handed_in |= {"AWS_REGION": "eu-central-1", "HOME": "/root"}
    one = client_here(repeat=True)
    handed_in["HOME"] = "/home"
    assert client_here(repeat=True) is one
    assert aws_variables() == (("AWS_REGION", "eu-central-1"),)
