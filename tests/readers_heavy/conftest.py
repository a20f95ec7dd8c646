"""What the tests of readers share: the trees of one project, what was labelled there, and the table's lines of Python.

None of them imports labelsnap: they run where its packages are not. They need pyarrow, numpy and pycocotools.
"""

from __future__ import annotations

import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from readers_table import read_table
from truth import read_truth

SPLITS = ("train", "val", "test")
ROOT = Path(__file__).parents[2]


def pytest_addoption(parser):
    """Where the trees lie; without it they are made by the Python that ``LABELSNAP_PYTHON`` names."""
    parser.addoption("--trees", type=Path, help="trees that tests.readers_heavy.trees has made")


@pytest.fixture(scope="session")
def trees(request, tmp_path_factory):
    """The folder with a tree an output."""
    if found := request.config.getoption("--trees"):
        return found.resolve()
    made = tmp_path_factory.mktemp("trees")
    python = os.environ.get("LABELSNAP_PYTHON") or ROOT / ".venv" / "bin" / "python"
    subprocess.run([python, "-m", "tests.readers_heavy.trees", made], cwd=ROOT, check=True)  # noqa: S603
    return made


@pytest.fixture(scope="session")
def truth(trees):
    """What the canonical tables say was labelled."""
    return read_truth(trees / "parquet")


@pytest.fixture(params=SPLITS)
def split(request):
    """Each split."""
    return request.param


@pytest.fixture
def row(request):
    """The row of the table of readers that a test's mark ``reads`` names; the reader has the version that it says."""
    found = read_table()[request.node.get_closest_marker("reads").args]
    assert version(found.reader) == found.version
    return found


@pytest.fixture
def load(row, trees, tmp_path):
    """Runs the row's lines of Python for a split, in a folder of the test's own, and gives the names they leave."""

    def run(split, **given):
        names = {"DIR": str(trees / row.output), "SPLIT": split, "OWN": str(tmp_path), **given}
        exec(compile(row.python, f"<{row.reader} reads {row.output}>", "exec"), names)  # noqa: S102
        return names

    return run
