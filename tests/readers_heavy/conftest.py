"""What the tests of readers share: the trees of one project, what was labelled there, and the table's lines of Python.

None of them imports labelsnap: they run where its packages are not. They need pyarrow, numpy and pycocotools.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from readers_table import read_table
from seen import compare
from truth import read_truth

TOLD = pytest.StashKey[list[str]]()
SPLITS = ("train", "val", "test")
ROOT = Path(__file__).parents[2]


def pytest_addoption(parser):
    """Where the trees lie; without it they are made by the Python that ``LABELSNAP_PYTHON`` names."""
    parser.addoption("--trees", type=Path, help="trees that tests.readers_heavy.trees has made")


def pytest_configure(config):
    """What readers saw is told at the end."""
    config.stash[TOLD] = []


def pytest_terminal_summary(terminalreporter, config):
    """A line a reader, output and split."""
    terminalreporter.section("what readers saw")
    for line in config.stash[TOLD]:
        terminalreporter.write_line(line)


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
    """Runs the row's lines of Python for a split, over a copy of the tree, and gives the names they leave."""

    def run(split):
        tree, own = tmp_path / row.tree, tmp_path / "own"
        shutil.copytree(trees / row.tree, tree)  # some readers write into what they read
        own.mkdir()
        names = {"DIR": str(tree), "SPLIT": split, "OWN": str(own)}
        exec(compile(row.python, f"<{row.reader} reads {row.output}>", "exec"), names)  # noqa: S102
        return names

    return run


@pytest.fixture
def tells(request, row, split):
    """Tells the numbers of what a reader saw at the end."""

    def tell(numbers):
        request.config.stash[TOLD].append(f"{row.reader} {row.version} reads {row.output}, {split}: {numbers}")

    return tell


@pytest.fixture
def agrees(row, tells, trees, truth, split):
    """Asserts that a reader saw what was labelled, as ``seen.compare`` has it, and tells the numbers."""
    spelled = trees / row.tree / "classes.json"
    listed = json.loads(spelled.read_bytes())["classes"] if spelled.exists() else ()
    names = {each["id"]: each["name"] for each in listed} or truth.classes

    def check(seen, kinds, **bounds):
        tells(compare(seen, truth.split(split), kinds, names, **bounds))

    return check
