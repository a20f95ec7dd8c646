"""What a line costs on its way to Arrow tables, as ratios to json.loads of the same lines, in time of the processor."""

from __future__ import annotations

import json
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelsnap.records.choices.policy import Policy, select
from labelsnap.records.image import Image
from labelsnap.records.model import Record, Row, Sample, Source
from labelsnap.records.parsing.parse import parse
from labelsnap.records.tables.tables import to_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

REFERENCE = Path(__file__).parents[1] / "records" / "reference"
LINES, ROUNDS = 128, 61  # the rows of a bucket
PROJECT = Policy(Source("project", "cltd3vkju021907u63w2odj69"))
MODEL_RUN = Policy(Source("model_run", "a2fb1fec-b8a5-0f96-b61e-0d5643fb8dec"))
IMAGE = Image("a.jpg", 2560, 1707, "image/jpeg", "0" * 64, 200_000)


def reference_lines(name: str, dimensions: Sequence[int] = ()) -> list[bytes]:
    """Make compact lines of a row of the reference document, ids apart, with embeddings of so many dimensions."""
    row: dict[str, Any] = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
    row["embeddings"] = [
        {
            "id": f"embedding-{size}",
            "name": f"embedding of {size}",
            "dimensions": size,
            "is_custom": False,
            "values": [{"value": [((place * 7919) % 20011 - 10005) / 10007 for place in range(size)]}],
        }
        for size in dimensions
    ]
    lines = []
    for number in range(LINES):
        row["data_row"]["id"] = f"row{number:05}"
        lines.append(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode())
    return lines


def of_four_projects(lines: Sequence[bytes]) -> list[bytes]:
    """Put what a line has under its project under three others too."""
    made = []
    for line in lines:
        row = json.loads(line)
        (project,) = row["projects"].values()
        row["projects"] |= {f"other{number}": project for number in range(3)}
        made.append(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode())
    return made


def to_records(policy: Policy, lines: Sequence[bytes]) -> list[Record]:
    """Parse lines and choose what is published of them; every line must give a record."""
    records = []
    for number, line in enumerate(lines, start=1):
        row = parse(line, policy.source, number=number)
        assert isinstance(row, Row)
        chosen = select(row, policy)
        assert isinstance(chosen, Record)
        records.append(chosen)
    return records


def to_arrow(policy: Policy, lines: Sequence[bytes]) -> dict[str, pa.Table]:
    """Do the same, and write the records as one bucket's tables."""
    return to_tables([Sample(record, IMAGE, "train") for record in to_records(policy, lines)])


def to_json(lines: Sequence[bytes]) -> list[Any]:
    """Decode lines with the standard library, and do nothing else."""
    return [json.loads(line) for line in lines]


def ratio_to_json(lines: Sequence[bytes], work: Callable[[Sequence[bytes]], object]) -> float:
    """Return the time of some work on lines over that of json.loads: the median of rounds that measure both."""
    rounds = [(_seconds(partial(work, lines)), _seconds(partial(to_json, lines))) for _ in range(ROUNDS)]
    return round(statistics.median([worked / baseline for worked, baseline in rounds]), 2)


def _seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main() -> dict[str, float]:
    """Return the ratios of parsing alone, and of parsing with tables, for four kinds of lines."""
    kinds = {
        "project": (reference_lines("project_row"), PROJECT),
        "four_projects": (of_four_projects(reference_lines("project_row")), PROJECT),
        "model_run": (reference_lines("model_run_row"), MODEL_RUN),
        "skipped_embeddings": (reference_lines("project_row", (2048, 512)), PROJECT),
    }
    ratios = {}
    for name, (lines, policy) in kinds.items():
        ratios[f"{name}_to_records"] = ratio_to_json(lines, partial(to_records, policy))
        ratios[f"{name}_to_tables"] = ratio_to_json(lines, partial(to_arrow, policy))
    return ratios


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(), indent=2) + "\n")
