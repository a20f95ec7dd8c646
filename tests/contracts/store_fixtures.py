"""Stores to test against: a folder, localbucket on a free port, and Ceph where the environment names one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from uuid import uuid4

import boto3
import pytest

from labelsnap.storage import open_store

BUCKET = "contract"
CEPH = "LABELSNAP_TEST_CEPH_ENDPOINT"
SERVERS = [
    "localbucket",
    pytest.param("ministack", marks=pytest.mark.slow),
    pytest.param("ceph", marks=pytest.mark.integration),
]
STORES = ["file", *SERVERS]


def free_port():
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(command, port, **environment):
    """Run a server until its port answers; give the process and its end point."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter and a module of the test environment
        [sys.executable, "-m", *command],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            while server.poll() is None:
                with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=10):
                    break
            assert server.poll() is None, f"{command[0]} did not start"
            yield server, f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@contextmanager
def localbucket(folder, port=None):
    """Run localbucket over a folder in a process of its own; give the process and its end point."""
    port = port or free_port()
    with served(["localbucket", str(folder), "--port", str(port)], port) as running:
        yield running


@pytest.fixture(scope="session")
def localbucket_folder(tmp_path_factory):
    """The folder of the session's localbucket: a folder of it is a bucket."""
    folder = tmp_path_factory.mktemp("localbucket")
    (folder / BUCKET).mkdir()
    return folder


@pytest.fixture(scope="session")
def localbucket_endpoint(localbucket_folder):
    """One localbucket for the session."""
    with localbucket(localbucket_folder) as (_, endpoint):
        yield endpoint


@pytest.fixture(scope="session")
def ministack_endpoint(tmp_path_factory):
    """One ministack, which answers as AWS does today, for the session; of its services S3 alone."""
    port = free_port()
    folder = str(tmp_path_factory.mktemp("ministack"))
    options = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SERVICES": "s3"}
    with served(["ministack"], port, **options, S3_PERSIST="1", S3_DATA_DIR=folder) as (_, endpoint):
        yield endpoint


@pytest.fixture
def aws(monkeypatch):
    """Return a function that points boto3 at an end point, and at nothing else of this machine."""
    keys = (os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY"))

    def point(endpoint, *, secret=None):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys[0] or "labelsnap-test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret or keys[1] or "labelsnap-test-secret")

    return point


@pytest.fixture
def localbucket_url(localbucket_endpoint, localbucket_folder, aws):
    """Return a dataset URL in a bucket of its own on localbucket, which looks through a whole bucket for each list."""
    aws(localbucket_endpoint)
    bucket = uuid4().hex
    (localbucket_folder / bucket).mkdir()
    return f"s3://{bucket}/team/{uuid4().hex}"


@pytest.fixture
def ministack_url(ministack_endpoint, aws):
    """Return a fresh dataset URL on ministack."""
    aws(ministack_endpoint)
    boto3.session.Session().client("s3").create_bucket(Bucket=BUCKET)
    return f"s3://{BUCKET}/team/{uuid4().hex}"


@pytest.fixture
def ceph_url(aws):
    """Return a fresh dataset URL on Ceph's object gateway."""
    if not (endpoint := os.environ.get(CEPH)):
        pytest.skip(f"{CEPH} is not set: start deploy/ceph/up.sh and export what it prints")
    aws(endpoint)
    boto3.session.Session().client("s3").create_bucket(Bucket=BUCKET)
    return f"s3://{BUCKET}/team/{uuid4().hex}"


@pytest.fixture(params=STORES)
def store_url(request, tmp_path):
    """Return a fresh dataset URL on each kind of store."""
    if request.param == "file":
        return (tmp_path / "store").as_uri()
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def store(store_url):
    """Return an empty store of each kind."""
    return open_store(store_url)


@pytest.fixture
def folder_store(tmp_path):
    """Return an empty store in a folder, where any will do."""
    return open_store((tmp_path / "store").as_uri())
