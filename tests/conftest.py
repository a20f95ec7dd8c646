"""What all tests share: an environment of their own, and a sandbox where they want one."""

from __future__ import annotations

import os

import pytest

from deploy.sandbox import Sandbox

OURS = ("LABELBOX_", "LABELSNAP_", "AWS_")
KEPT = ("LABELSNAP_TEST_",)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """No variable of the developer's own account or store reaches a test."""
    for name in os.environ:
        if name.startswith(OURS) and not name.startswith(KEPT):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


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
