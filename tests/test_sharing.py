"""Which tests share a worker."""

from __future__ import annotations

import pytest

from tests.sharing import ByWhatIsShared


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("tests/flows/test_refresh.py::test_a", "tests/flows/test_cli.py::test_b[c::d@e]", True),
        ("tests/flows/test_refresh.py::test_a", "tests/orchestration/test_again.py::test_b", True),
        ("tests/masks/test_masks_png.py::test_a", "tests/masks/test_masks_png.py::test_b[a::b]", True),
        ("tests/masks/test_masks_png.py::test_a", "tests/masks/test_masks_runs.py::test_a", False),
        ("tests/flows/test_refresh.py::test_a", "tests/masks/test_masks_runs.py::test_a", False),
    ],
)
def test_tests_are_together_by_file_or_by_prefects_server(pytestconfig, one, other, together):
    """Whatever their parameters are called."""
    scheduler = object.__new__(ByWhatIsShared)
    assert (scheduler._split_scope(one) == scheduler._split_scope(other)) is together
