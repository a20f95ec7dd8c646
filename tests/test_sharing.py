"""Which tests share a worker."""

from __future__ import annotations

import pytest

from tests.sharing import TOGETHER, ByWhatIsShared


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("tests/flows/test_refresh.py::test_a", "tests/flows/test_cli.py::test_b[c::d@e]", True),
        ("tests/flows/test_refresh.py::test_a", "tests/orchestration/test_again.py::test_b", True),
        ("tests/masks/test_masks_png.py::test_a", "tests/masks/test_masks_png.py::test_b[a::b]", True),
        ("tests/flows/test_refresh_splits.py::test_a", "tests/flows/test_refresh_splits.py::test_b", True),
        ("tests/flows/test_refresh.py::test_a", "tests/flows/test_refresh_splits.py::test_a", False),
        ("tests/masks/test_masks_png.py::test_a", "tests/masks/test_masks_runs.py::test_a", False),
        ("tests/flows/test_refresh.py::test_a", "tests/masks/test_masks_runs.py::test_a", False),
    ],
)
def test_tests_are_together_by_file_or_by_prefects_server(pytestconfig, one, other, together):
    """Whatever their parameters are called."""
    scheduler = object.__new__(ByWhatIsShared)
    assert (scheduler._split_scope(one) == scheduler._split_scope(other)) is together


def test_files_that_ask_for_prefects_server_are_together(request):
    """No other test of this run asks for it, so that one worker alone starts one."""
    asking = [each for each in request.session.items if asks_for_prefects_server(each)]
    assert {each.nodeid.partition("::")[0] for each in asking} <= set(TOGETHER)


def asks_for_prefects_server(item):
    """Whether it is the real one, and nothing that a folder or a file has in its place for tests without the mark."""
    fixtures = item._fixtureinfo.name2fixturedefs.get("prefect_server", ())
    return len(fixtures) == 1 or (len(fixtures) > 1 and item.get_closest_marker("prefect") is not None)
