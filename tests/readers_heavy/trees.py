"""``python -m tests.readers_heavy.trees DIR``: the sandbox's project with every kind and oddity, as a tree an output.

It runs where labelsnap is installed. Readers, which run elsewhere, find ``DIR/OUTPUT`` for each of ``outputs.OUTPUTS``,
and the canonical tables in ``DIR/parquet``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from config.reading import load_dataset
from deploy.sandbox import ExportSettings, Sandbox
from deploy.sandbox.oddities.oddities import ODDITIES
from flows.refresh import refresh
from labelsnap.references import pull
from tests.readers_heavy.outputs import OUTPUTS

ROWS = 96
SPLIT = {"train": 0.5, "val": 0.25, "test": 0.25, "seed": 0}


def make(directory: Path) -> None:
    """Lay out every tree below ``directory``, all of one version: each is an output of the dataset file."""
    with (
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),  # its thread would outlive the server
        prefect_test_harness(server_startup_timeout=300),
        tempfile.TemporaryDirectory(prefix="readers-") as place,
        Sandbox(ROWS, directory=Path(place), settings=ExportSettings(odd_lines=tuple(ODDITIES))) as sandbox,
    ):
        os.environ.update(sandbox.environment())
        formats = {output: {"format": name, **options} for output, (name, options) in OUTPUTS.items()}
        result = refresh(load_dataset(dataset_file(sandbox, Path(place), formats)))
        for output in OUTPUTS:
            pull(result["ref"], output, directory / output)


def dataset_file(sandbox: Sandbox, place: Path, formats: dict[str, dict[str, Any]]) -> Path:
    """Write a dataset file for the whole of the sandbox's project; lines that are no image rows are its problems."""
    path = sandbox.write_dataset_file(place / "dataset.yaml")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content |= {"filters": {}, "split": SPLIT, "problems": {"max_share": 1.0}, "formats": formats}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


if __name__ == "__main__":
    make(Path(sys.argv[1]))
