"""The bytes of every format, kept: a change of them is a change for everyone who reads a dataset."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from remake_golden import GOLDEN, files

from tasks.formats.registry import FORMATS


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_files_are_the_golden_ones(name: str) -> None:
    """The samples with every kind give exactly the files of the golden folder."""
    folder = GOLDEN / name
    kept = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files(name) == kept


def digest_of_formats(**environment: str) -> str:
    """Give the digest over all files of all formats that another process comes to."""
    script = Path(__file__).with_name("digest_of_formats.py")
    found = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, script], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return found.stdout


@pytest.mark.slow
def test_other_processes_write_the_same_bytes() -> None:
    """Neither the seed of hashes, which orders sets, nor the time zone or language shows in a file."""
    first = digest_of_formats(PYTHONHASHSEED="1", TZ="Pacific/Auckland", LC_ALL="C")
    assert first == digest_of_formats(PYTHONHASHSEED="2", TZ="America/Los_Angeles", LC_ALL="C.UTF-8")
