"""The wheel in an empty environment, used from a training repository that has packages called like ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TAKEN = ("tasks", "config", "flows", "deploy")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The programs of an environment in which nothing but the wheel was installed."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("labelsnap-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "empty")
    python = folder / "empty/bin/python"
    run(*pip, "--python", python, "install", "--constraint", ROOT / "constraints.txt", wheel)
    return python.parent


@pytest.fixture
def training(tmp_path):
    """A working directory whose own packages end whoever imports them."""
    for name in TAKEN:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('{name} of the training repository')\n")
    return tmp_path


def run(*command, cwd=None):
    """What a command printed; PYTHONPATH and Prefect's settings of this process are not its own."""
    mine = {"PATH": os.environ["PATH"], "HOME": str(cwd or Path.home())}
    done = subprocess.run(command, cwd=cwd, env=mine, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_library_is_imported_beside_packages_of_the_same_names(installed, training):
    """``import labelsnap`` and all of its rooms need nothing of the names that a training repository has taken."""
    everything = (
        "import importlib, pkgutil, labelsnap\n"
        "found = [each.name for each in pkgutil.walk_packages(labelsnap.__path__, 'labelsnap.')]\n"
        "for name in found: importlib.import_module(name)\n"
        "print(len(found), [getattr(labelsnap, name).__name__ for name in ('pull', 'open_store', 'LabelsnapError')])"
    )
    assert run(installed / "python", "-c", "import labelsnap", cwd=training) == ""
    told = run(installed / "python", "-c", everything, cwd=training)
    count, _, names = told.partition(" ")
    assert int(count) > 150
    assert names == "['pull', 'open_store', 'LabelsnapError']\n"


def test_the_demo_runs_to_its_end_beside_packages_of_the_same_names(installed, training):
    """``labelsnap demo`` makes its two versions and lays out a tree."""
    told = run(installed / "labelsnap", "demo", "--rows", "20", cwd=training)
    assert list(training.rglob("instances_*.json")) != [], told
