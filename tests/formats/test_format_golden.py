"""The bytes of every format, kept: a change of them is a change for everyone who reads a dataset."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from format_samples import VARIANTS
from remake_golden import GOLDEN, files

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("variant", VARIANTS)
def test_files_are_the_golden_ones(variant: str) -> None:
    """The samples with every kind give exactly the files of the golden folder."""
    folder = GOLDEN / variant
    kept = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files(variant) == kept


def digest_of_formats(python: str | Path = sys.executable, **environment: str) -> str:
    """Give the digest over all files of all formats that another process comes to."""
    script = Path(__file__).with_name("digest_of_formats.py")
    found = subprocess.run(  # noqa: S603 - an interpreter of ours and our own script
        [python, script], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return found.stdout


@pytest.mark.slow
def test_other_processes_write_the_same_bytes() -> None:
    """Neither the seed of hashes, which orders sets, nor the time zone or language shows in a file."""
    first = digest_of_formats(PYTHONHASHSEED="1", TZ="Pacific/Auckland", LC_ALL="C")
    assert first == digest_of_formats(PYTHONHASHSEED="2", TZ="America/Los_Angeles", LC_ALL="C.UTF-8")


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_other_pythons_write_the_same_bytes(version: str) -> None:
    """The version of Python does not show in a file; those that have no environment here are not compared."""
    python = ROOT / f".venv-{version}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no environment .venv-{version}: `make test-pythons` makes it")
    assert digest_of_formats(python) == digest_of_formats()
