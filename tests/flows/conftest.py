"""A Prefect server of the tests' own, and datasets that lie in a folder or in the sandbox's S3 store."""

from __future__ import annotations

import pytest
import yaml
from prefect.testing.utilities import prefect_test_harness

from config.reading import load_dataset
from tests.contracts.store_fixtures import aws, ceph_url

__all__ = ["aws", "ceph_url"]


@pytest.fixture(scope="session")
def prefect_server():
    """A real Prefect server with a database of its own."""
    with prefect_test_harness(server_startup_timeout=180):
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
