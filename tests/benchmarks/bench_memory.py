"""Does memory grow with the export? Peak resident memory of a refresh of 500 and of 2,000 sandbox rows."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.sandbox_process import serving

ROWS = (500, 2000)
SCRIPT = """
import resource, sys
from pathlib import Path

from tests.benchmarks.sandbox_process import serving
from config.reading import load_dataset
from flows.refresh import refresh
result = refresh(load_dataset(Path(sys.argv[1])))
print(result["rows"]["exported"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(rows: int) -> tuple[int, float]:
    """Exported rows, and the refreshing process's own peak in MiB; the sandbox runs in a process of its own."""
    with tempfile.TemporaryDirectory() as directory, serving(rows, Path(directory)) as variables:
        refresh = [sys.executable, "-c", SCRIPT, str(Path(directory, "dataset.yaml"))]
        environment = os.environ | variables | {"PREFECT_LOGGING_LEVEL": "CRITICAL", "PREFECT_HOME": directory}
        output = subprocess.run(  # noqa: S603 - our own interpreter
            refresh, env=environment, capture_output=True, text=True, check=True
        ).stdout
    exported, kilobytes = output.split()[-2:]
    return int(exported), int(kilobytes) / 1024


def main() -> dict[str, float]:
    """Return both peaks in MiB and their ratio."""
    (few, small), (many, large) = (peak(rows) for rows in ROWS)
    return {
        f"peak_mebibytes_{few}_exported_rows": round(small, 1),
        f"peak_mebibytes_{many}_exported_rows": round(large, 1),
        "peak_ratio": round(large / small, 3),
    }
