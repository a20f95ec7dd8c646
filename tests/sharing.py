"""Which tests one worker of pytest-xdist carries out: those that share what is costly to make."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from xdist.scheduler import LoadFileScheduling

TOGETHER: Final = (
    *(f"tests/flows/test_cli{of}.py" for of in ("", "_deploy", "_faults", "_prefect")),
    *(f"tests/flows/test_refresh{of}.py" for of in ("", "_exports", "_key", "_ontology", "_resume")),
    *(f"tests/orchestration/test_{of}.py" for of in ("again", "artifacts", "here", "own_records", "started_runs")),
)
"""Files whose fast tests share Prefect's server."""


class ByWhatIsShared(LoadFileScheduling):
    """A file's tests go to one worker, and so do those of these files.

    While workers collect their tests the loops over masks are compiled, for all of them.
    """

    def __init__(self, *given) -> None:
        """Begin to compile."""
        super().__init__(*given)
        self.compiling = subprocess.Popen([sys.executable, "-m", "tests.loops"], cwd=self.config.rootpath)

    def schedule(self) -> None:
        """Deal out what is collected, when all is compiled."""
        assert self.compiling.wait() == 0
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        """Give the name of what the test is carried out together with."""
        file = super()._split_scope(nodeid)
        return "shared" if file in TOGETHER else file
