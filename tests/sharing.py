"""Which tests one worker of pytest-xdist carries out: those that share what is costly to make."""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadFileScheduling

TOGETHER: Final = ("tests/flows/", "tests/orchestration/")
"""Folders whose tests share Prefect's server and first versions of datasets."""


class ByWhatIsShared(LoadFileScheduling):
    """A file's tests go to one worker, and so do those of these folders."""

    def _split_scope(self, nodeid: str) -> str:
        """Give the name of what the test is carried out together with."""
        return "shared" if nodeid.startswith(TOGETHER) else super()._split_scope(nodeid)
