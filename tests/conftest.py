"""What all tests share: an environment of their own; and stores, a sandbox and a Prefect server for those that ask."""

from __future__ import annotations

import gc
import os
import sys
from functools import cache

import certifi
import pytest
import yaml
from botocore.loaders import JSONFileLoader
from typer.main import get_command

from config.reading import load_dataset
from deploy.sandbox import Sandbox
from labelsnap.environment import work_in
from tests.contracts.store_fixtures import (
    aws,
    ceph_url,
    folder_store,
    localbucket_endpoint,
    localbucket_folder,
    localbucket_url,
    ministack_endpoint,
    ministack_url,
    store,
    store_url,
)
from tests.examples import draw_few
from tests.fast import pytest_runtest_call
from tests.measuring import pytest_sessionstart
from tests.sharing import ByWhatIsShared

__all__ = [
    "aws",
    "ceph_url",
    "folder_store",
    "localbucket_endpoint",
    "localbucket_folder",
    "localbucket_url",
    "ministack_endpoint",
    "ministack_url",
    "pytest_runtest_call",
    "pytest_sessionstart",
    "store",
    "store_url",
]

work_in(os.environ)  # as whatever starts labelsnap does
draw_few()

collect_ignore = ["readers_heavy"]
"""Run by ``make test-readers``, in environments of their own."""

OURS = ("LABELBOX_", "LABELSNAP_", "AWS_")
KEPT = ("LABELSNAP_TEST_",)


def pytest_xdist_make_scheduler(config, log):
    """Where tests are dealt out by file, one worker alone starts Prefect's server."""
    return ByWhatIsShared(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_configure_node(node):
    """Tell a worker whether loops are compiled before its tests."""
    node.workerinput["compiled"] = node.config.getvalue("dist") == "loadfile"


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Modules and tests stand to the end: the collector of garbage looks through them neither now nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


FRAMES = 100
"""What a finalizer, and pytest's record of what it raised, may need of the interpreter's stack."""


@pytest.hookimpl(trylast=True)
def pytest_configure():
    """Pass over what finalizers raise that the collector runs deep within JSON without end, where no frame is left.

    Such an object is another test's, and what it raises there says nothing of either.
    """
    record = sys.unraisablehook

    def recorded(unraisable):
        if has_room(FRAMES):
            record(unraisable)

    sys.unraisablehook = recorded


def has_room(frames):
    """Whether so many calls can still be nested."""
    try:
        return frames == 0 or has_room(frames - 1)
    except RecursionError:
        return False


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """No variable of the developer's own account or store reaches a test."""
    for name in os.environ:
        if name.startswith(OURS) and not name.startswith(KEPT):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session", autouse=True)
def no_waits_for_a_disk():
    """Writing waits for no disk: only a machine that loses its power could tell. What is no open file still fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(scope="session", autouse=True)
def descriptions_of_s3_are_read_once():
    """Each client reads a megabyte of JSON about S3 anew, and hundreds of tests make one of their own."""
    read = cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        yield


@pytest.fixture(scope="session", autouse=True)
def the_command_line_is_built_once():
    """Each call works out all commands from what their functions are declared with; a process has but one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", cache(get_command))
        yield


@pytest.fixture(scope="session")
def shared_sandbox(tmp_path_factory):
    """One sandbox for a whole test run: a server costs more to start than to reset."""
    with Sandbox(rows=24, directory=tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox, monkeypatch):
    """The shared sandbox as it is when new, and the environment to use it."""
    shared_sandbox.reset()
    for name, value in shared_sandbox.environment().items():
        monkeypatch.setenv(name, value)
    return shared_sandbox


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory):
    """A real Prefect server with a database of its own, without what no test asks it for.

    Runs send no heartbeat: its thread ends a second after them. Task runs and events, which cost the server two thirds
    of its time, are not recorded. It is reached without TLS, and each client reads the authorities that it trusts: one
    will do.
    """
    from prefect import settings as prefect  # noqa: PLC0415 - most tests do without Prefect
    from prefect.testing.utilities import prefect_test_harness  # noqa: PLC0415

    end = "-----END CERTIFICATE-----\n"
    authority = tmp_path_factory.mktemp("authorities") / "one.pem"
    authority.write_text(certifi.contents().partition(end)[0] + end, encoding="ascii")
    without = {
        prefect.PREFECT_API_SSL_CERT_FILE: str(authority),
        prefect.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        prefect.PREFECT_SERVER_ANALYTICS_ENABLED: False,
        prefect.PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED: False,
        prefect.PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED: False,
        prefect.PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED: False,
    }
    with prefect.temporary_settings(without), prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.fixture
def dataset_file(sandbox, prefect_server, tmp_path):
    """Writes a dataset file for the sandbox's project, in a store of the test's own, with changes."""

    def write(*, model_run=False, **changes):
        path = sandbox.write_dataset_file(tmp_path / "dataset.yaml", model_run=model_run)
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        content |= {"store": f"file://{tmp_path}/store"} | changes
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return write


@pytest.fixture
def dataset(dataset_file):
    """The same, read."""
    return lambda **changes: load_dataset(dataset_file(**changes))
