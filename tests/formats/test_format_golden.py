"""The bytes of every format, kept: a change of them is a change for everyone who reads a dataset."""

from __future__ import annotations

import pytest
from remake_golden import GOLDEN, files

from tasks.formats.registry import FORMATS


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_files_are_the_golden_ones(name: str) -> None:
    """The samples with every kind give exactly the files of the golden folder."""
    folder = GOLDEN / name
    kept = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files(name) == kept
