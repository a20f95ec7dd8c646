"""What a line costs on its way to Arrow tables, as ratios to json.loads of the same lines: run from the root."""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.records.model import Image, Record, Sample
from tasks.records.parse import parse
from tasks.records.policy import Policy, select
from tasks.records.tables import to_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REFERENCE = Path(__file__).parents[1] / "records" / "reference"
LINES, ROUNDS = 256, 15
PROJECT = Policy("project", "cltd3vkju021907u63w2odj69")
MODEL_RUN = Policy("model_run", "a2fb1fec-b8a5-0f96-b61e-0d5643fb8dec")
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


def to_records(lines: Sequence[bytes], policy: Policy) -> list[Record]:
    """Parse lines and choose what is published of them; every line must give a record."""
    records = []
    for number, line in enumerate(lines, start=1):
        chosen = select(parse(line, number=number), policy).chosen  # type: ignore[arg-type]
        assert isinstance(chosen, Record)
        records.append(chosen)
    return records


def ratio_to_json(lines: Sequence[bytes], work: Callable[[Sequence[bytes]], object]) -> float:
    """Return the median time of some work on lines over that of json.loads, measured in turn."""
    ways: tuple[Callable[[], object], ...] = (lambda: [json.loads(line) for line in lines], lambda: work(lines))
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for way, times in zip(ways, seconds, strict=True):
            begin = time.perf_counter()
            way()
            times.append(time.perf_counter() - begin)
    return round(statistics.median(seconds[1]) / statistics.median(seconds[0]), 2)


def main() -> dict[str, float]:
    """Return the ratios of parsing alone, and of parsing with tables, for three kinds of lines."""
    kinds = {
        "project": (reference_lines("project_row"), PROJECT),
        "model_run": (reference_lines("model_run_row"), MODEL_RUN),
        "skipped_embeddings": (reference_lines("project_row", (2048, 512)), PROJECT),
    }
    ratios = {}
    for name, (lines, policy) in kinds.items():
        ratios[f"{name}_to_records"] = ratio_to_json(lines, lambda some, of=policy: to_records(some, of))
        ratios[f"{name}_to_tables"] = ratio_to_json(
            lines,
            lambda some, of=policy: to_tables([Sample(record, IMAGE, "train") for record in to_records(some, of)]),
        )
    return ratios


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(), indent=2) + "\n")
