"""Standard output and standard error that are closed or on a full disk: what was done is not misstated."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from prefect.settings import PREFECT_API_URL

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is a disk that is always full")


@pytest.fixture
def into():
    """Runs a shell's line whose `$L` is the command line; gives (status, standard output, standard error)."""

    def run(line, **environment):
        done = subprocess.run(  # noqa: S602 - redirections are the shell's
            line.replace("$L", f"{sys.executable} -m flows.cli"),
            shell=True,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


@ON_LINUX
@pytest.mark.slow
@pytest.mark.parametrize("as_json", ["--json", ""])
def test_an_outcome_that_cannot_be_written(into, tmp_path, as_json):
    """Standard output is a full disk: status 4, and what was done stands; a fault keeps its status and its words."""
    status, _, errors = into(f"$L snapshots list file://{tmp_path}/none {as_json} >/dev/full")
    assert (status, errors.count("\n")) == (4, 2)
    assert "Standard output cannot be written" in errors
    assert "stands" in errors
    assert "Nothing was published" not in errors
    status, _, errors = into(f"$L refresh {tmp_path}/nowhere.yaml {as_json} >/dev/full")
    assert status == 2
    assert "nowhere.yaml" in errors


@pytest.mark.slow
def test_a_closed_output(into, tmp_path):
    """Nothing is started where nobody would learn the outcome; without standard error the outcome is on its own."""
    status, _, errors = into(f"$L snapshots list file://{tmp_path}/none --json >&-")
    assert status == 2
    assert "Nothing was started" in errors
    status, output, _ = into(f"$L snapshots list file://{tmp_path}/none --json 2>&-")
    assert (status, json.loads(output)) == (0, {"versions": []})


@pytest.mark.slow
@pytest.mark.prefect
@ON_LINUX
def test_progress_that_cannot_be_written(into, dataset_file, prefect_server, tmp_path):
    """Standard error is a full disk: the version is published all the same."""
    status, output, _ = into(f"$L refresh {dataset_file()} --json 2>/dev/full", PREFECT_API_URL=PREFECT_API_URL.value())
    assert (status, json.loads(output)["published"]) == (0, True)
