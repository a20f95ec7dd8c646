"""Servers as they are: over https, killed in mid-publication, and with more objects than a page holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError
from killing import CONTENTS, PACKED, Counting, publish_whole

from labelsnap.errors import StorageError
from labelsnap.snapshots import latest, list_versions, read_file
from labelsnap.storage import open_store
from tests.contracts.store_fixtures import BUCKET, CEPH, SERVERS, free_port, localbucket
from tests.contracts.tls_front import tls_front, write_certificate

CEPH_SCRIPTS = Path(__file__).parents[2] / "deploy" / "ceph"
CEPH_PORT = 17480  # below the ports that clients are given, for it is bound again after each death
BODY = bytes(range(256)) * 64


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """One certificate for the session."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "certificate.pem")


@pytest.fixture(params=SERVERS)
def https_url(request, certificate, monkeypatch):
    """Return the server's name and a fresh dataset URL, reached over https."""
    url = request.getfixturevalue(f"{request.param}_url")
    with tls_front(os.environ["AWS_ENDPOINT_URL_S3"], certificate) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        yield request.param, url


def test_publication_over_https_is_read_back(https_url):
    """With our settings, checksums only where required, every server takes and gives the same bytes over https."""
    store = open_store(https_url[1])
    publish_whole(store)
    files = latest(store).manifest.files
    assert {file.path: read_file(store, file) for file in files} == CONTENTS | PACKED


def test_default_checksums_over_https_are_taken_or_refused(https_url):
    """With boto3's own settings a server gives the same bytes, or refuses as Ceph does; none stores other bytes."""
    server, _ = https_url
    client = boto3.session.Session().client("s3")
    key = f"checksums/{uuid4().hex}"
    try:
        client.put_object(Bucket=BUCKET, Key=key, Body=BODY)
    except ClientError as refused:
        assert server == "ceph"
        assert refused.response["ResponseMetadata"]["HTTPStatusCode"] == 411  # noqa: PT017 - a success is another test
    else:
        assert client.get_object(Bucket=BUCKET, Key=key)["Body"].read() == BODY


def interrupted(url, restart, step=4):
    """Publish while the server dies at each of some calls and comes back; the repeated run converges each time."""
    calls = Counting(open_store(url))
    publish_whole(calls, "run-0")
    for number, call in enumerate(range(2, len(calls.calls), step), start=1):
        contents = {"a.txt": str(number).encode()} | CONTENTS
        store = Mortal(open_store(url), call, restart)
        try:
            publish_whole(store, f"run-{number}", contents)
        except StorageError:
            publish_whole(open_store(url), f"run-{number}", contents)
        found = latest(open_store(url))
        assert found.commit.publish_id == f"run-{number}"
        files = found.manifest.files
        assert {file.path: read_file(open_store(url), file) for file in files} == contents | PACKED
    versions = list_versions(open_store(url))
    assert [each.publish_id for each in versions] == [f"run-{each}" for each in range(len(versions))]


class Mortal(Counting):
    """A store whose server is killed while a call is under way, and started again after it."""

    def __init__(self, store, call, restart):
        super().__init__(store)
        self.fatal = {call}
        self.restart = restart

    def __getattr__(self, name):
        counted = super().__getattr__(name)

        def call(*arguments, **options):
            with self.lock:
                dies = len(self.calls) + 1 in self.fatal
                self.fatal -= {len(self.calls) + 1}  # once, though others may call side by side
            if dies:
                with ThreadPoolExecutor(1) as pool:
                    restarted = pool.submit(self.restart)
                    try:
                        return counted(*arguments, **options)
                    finally:
                        restarted.result()
            return counted(*arguments, **options)

        return call if name in {"put", "create", "get", "head", "list", "delete"} else counted


@pytest.mark.slow
def test_publications_survive_the_death_of_localbucket(tmp_path, aws):
    """SIGKILL of the server at calls all over a publication: each run ends as one whole version."""
    (tmp_path / BUCKET).mkdir()
    port, running = free_port(), []

    def start():
        serving = localbucket(tmp_path, port)
        process, endpoint = serving.__enter__()
        running.append((serving, process))
        return endpoint

    def restart():
        serving, process = running.pop()
        process.send_signal(signal.SIGKILL)
        process.wait()
        serving.__exit__(None, None, None)
        start()

    aws(start())
    try:
        interrupted(f"s3://{BUCKET}/{uuid4().hex}", restart)
    finally:
        running.pop()[0].__exit__(None, None, None)


@pytest.mark.integration
def test_publications_survive_the_death_of_ceph(aws):
    """SIGKILL of all of Ceph's daemons, on bluestore, and a start: nothing acknowledged is lost."""
    if not os.environ.get(CEPH):
        pytest.skip(f"{CEPH} is not set, so Ceph may not be installed")
    with TemporaryDirectory() as directory:  # a short path: those of sockets are
        port = CEPH_PORT
        up, down = [str(CEPH_SCRIPTS / "up.sh"), directory, str(port)], [str(CEPH_SCRIPTS / "down.sh"), directory]

        def run(command, **environment):
            subprocess.run(command, check=True, stdout=sys.stderr, env=os.environ | environment)  # noqa: S603

        def restart():
            run(down, SIGNAL="KILL")
            run(up)

        run(up)
        try:
            aws(f"http://127.0.0.1:{port}")
            boto3.session.Session().client("s3").create_bucket(Bucket=BUCKET)
            interrupted(f"s3://{BUCKET}/{uuid4().hex}", restart, step=8)
        finally:
            run(down)


@pytest.mark.slow
def test_a_list_of_more_objects_than_a_page_is_whole(store):
    """A server's page has a thousand keys at most."""
    keys = [f"many/{number:05}" for number in range(1103)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b"x"), keys))
    assert [info.key for info in store.list("many/")] == keys
