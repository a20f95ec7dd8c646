"""The wheel in an empty environment, used from a training repository that has packages called like ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TAKEN = ("tasks", "config", "flows", "deploy")

pytestmark = pytest.mark.slow


def installed(folder):
    """The programs of an environment in which nothing but the wheel was installed."""
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("labelsnap-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "empty")
    python = folder / "empty/bin/python"
    run(*pip, "--python", python, "install", "--constraint", ROOT / "constraints.txt", wheel)
    return python.parent


def training(folder):
    """A working directory whose own packages end whoever imports them."""
    for name in TAKEN:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise SystemExit('{name} of the training repository')\n")
    return folder


def run(*command, cwd=None):
    """What a command printed; PYTHONPATH and Prefect's settings of this process are not its own."""
    mine = {"PATH": os.environ["PATH"], "HOME": str(cwd or Path.home())}
    done = subprocess.run(command, cwd=cwd, env=mine, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_library_and_the_demo_run_beside_packages_of_the_same_names(tmp_path):
    """``import labelsnap`` and all of its rooms need none of the names that are taken; the demo lays out its tree."""
    programs, taken = installed(tmp_path), training(tmp_path / "training")
    everything = (
        "import importlib, pkgutil, labelsnap\n"
        "found = [each.name for each in pkgutil.walk_packages(labelsnap.__path__, 'labelsnap.')]\n"
        "for name in found: importlib.import_module(name)\n"
        "print(len(found), [getattr(labelsnap, name).__name__ for name in ('pull', 'open_store', 'LabelsnapError')])"
    )
    assert run(programs / "python", "-c", "import labelsnap", cwd=taken) == ""
    told = run(programs / "python", "-c", everything, cwd=taken)
    count, _, names = told.partition(" ")
    assert int(count) > 150
    assert names == "['pull', 'open_store', 'LabelsnapError']\n"
    told = run(programs / "labelsnap", "demo", "--rows", "20", cwd=taken)
    assert list(taken.rglob("instances_*.json")) != [], told
