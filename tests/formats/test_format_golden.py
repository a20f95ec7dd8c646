"""The bytes of every format, kept: a change of them is a change for everyone who reads a dataset."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from format_samples import VARIANTS
from pyarrow import parquet
from remake_golden import GOLDEN, files

ROOT = Path(__file__).parents[2]
DIGEST = re.compile(rb"[0-9a-f]{64}")


@pytest.mark.parametrize("variant", VARIANTS)
def test_files_are_the_golden_ones(variant: str) -> None:
    """The samples with every kind give exactly the files of the golden folder; Parquet's bytes are a pyarrow's own."""
    folder = GOLDEN / variant
    kept = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    made = files(variant)
    assert said(made) == said(kept)
    if writers(made) == writers(kept):
        assert made == kept


def writers(tree: dict[str, bytes]) -> dict[str, str]:
    """Give the pyarrow that wrote each table, as it says."""
    return {
        path: parquet.read_metadata(io.BytesIO(body)).created_by
        for path, body in tree.items()
        if path.endswith(".parquet")
    }


def said(tree: dict[str, bytes]) -> dict[str, object]:
    """Give what files say whoever wrote them: tables as rows, types and groups, and all others without digests."""
    return {path: table(body) if path.endswith(".parquet") else DIGEST.sub(b"", body) for path, body in tree.items()}


def table(body: bytes) -> tuple[object, ...]:
    """Read a table: its rows in their types, what stands beside the types, and its groups of rows."""
    file = parquet.ParquetFile(io.BytesIO(body))
    return file.read(), file.schema_arrow.metadata, file.num_row_groups


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
