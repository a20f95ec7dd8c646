"""Does memory grow with the export? Peak resident memory of a refresh of 500 and of 2,000 sandbox rows."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROWS = (500, 2000)
SCRIPT = """
import resource, sys
from pathlib import Path
from config.reading import load_dataset
from flows.refresh import refresh
result = refresh(load_dataset(Path(sys.argv[1])))
print(result["rows"]["exported"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
SERVE = """
import sys
from pathlib import Path
from deploy.sandbox import Sandbox
directory = Path(sys.argv[2])
with Sandbox(int(sys.argv[1]), directory=directory) as sandbox:
    sandbox.write_dataset_file(directory / "dataset.yaml")
    print(*(f"{name}={value}" for name, value in sandbox.environment().items()), flush=True)
    sys.stdin.read()
"""


def peak(rows: int) -> tuple[int, float]:
    """Exported rows, and the refreshing process's own peak in MiB; the sandbox runs in a process of its own."""
    with tempfile.TemporaryDirectory() as directory:
        serve = [sys.executable, "-c", SERVE, str(rows), directory]
        with subprocess.Popen(serve, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sandbox:  # noqa: S603
            assert sandbox.stdout
            variables = dict(pair.split("=", 1) for pair in sandbox.stdout.readline().split())
            refresh = [sys.executable, "-c", SCRIPT, str(Path(directory, "dataset.yaml"))]
            environment = os.environ | variables | {"PREFECT_LOGGING_LEVEL": "CRITICAL", "PREFECT_HOME": directory}
            output = subprocess.run(  # noqa: S603 - our own interpreter
                refresh, env=environment, capture_output=True, text=True, check=True
            ).stdout
            sandbox.communicate("")
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
