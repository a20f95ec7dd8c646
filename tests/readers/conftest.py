"""Hugging Face's ``datasets``, for those that read with it."""

from __future__ import annotations

from importlib.metadata import requires
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


@pytest.fixture
def datasets() -> Iterator[ModuleType]:
    """The package without its bars; a test that asks for it is skipped where it does not run with this pyarrow."""
    (asked,) = (each for each in map(Requirement, requires("datasets") or ()) if each.name == "pyarrow")
    if pa.__version__ not in asked.specifier:
        pytest.skip(f"datasets asks for {asked}, and {pa.__version__} is installed")
    import datasets as found  # which cannot be imported beside another pyarrow

    found.disable_progress_bars()
    yield found
    found.enable_progress_bars()
