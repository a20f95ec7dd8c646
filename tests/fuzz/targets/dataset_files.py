"""Dataset files, as whoever may open a pull request in a repository of them writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml

from config.reading import load_dataset
from labelsnap.errors import ConfigurationError
from tests.fuzz.findings import ROOT
from tests.fuzz.mutation import bytes_mutator, damaged_value, filled
from tests.fuzz.target import MEBIBYTE, Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from random import Random

    from tests.fuzz.target import Run

EXAMPLE = ROOT / "config" / "datasets" / "street-scenes.yaml"
SHORT = {"dataset": "a", "store": "file:///tmp/a", "source": {"model_run": "a2fb1fec-b8a5-0f96-b61e-0d5643fb8dec"}}
OUTPUTS = {
    "yolo-detect": {"format": "yolo", "task": "detect", "classes": ["car", "person"], "kinds": ["mask", "radio"]},
    "vehicles": {"format": "coco", "classes": {"truck": "vehicle", "car": "vehicle"}},
    "coco": {"classes": [{"car": "vehicle"}, "person"]},
}
TOKENS = (
    b"&a ",
    b"*a",
    b"<<: *a\n",
    b"!!python/object/apply:os.system [true]",
    b"!!binary aGk=",
    b"!!set {a}",
    b"? ",
    b"- ",
    b": ",
    b"{}",
    b"[]",
    b"~",
    b".inf",
    b".nan",
    b"2024-01-01",
    b"2024-13-45",
    b"1:59:59",
    b"0o7",
    b"0x" + b"f" * 6000,
    b"9" * 5000,
    b"[" * 3000,
    b"{a: " * 1500,
    b"cron: '* * * * *'",
    b"timezone: ../../etc/passwd",
    b"s3://",
    b"file://",
    b"http://user:secret@host/",
    b"max_share: 1.0\n",
    b"\xef\xbb\xbf",
    b"---\n",
    b"%YAML 9.9\n",
    b"\t",
)


def seeds() -> dict[str, bytes]:
    """The example with every key, and the shortest file."""
    example = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    return {
        "example": EXAMPLE.read_bytes(),
        "plain": json.dumps(example).encode(),
        "short": json.dumps(SHORT).encode(),
        "outputs": json.dumps(SHORT | {"formats": OUTPUTS, "classes": {"van": "car"}}).encode(),
    }


def mutate(generator: Random, body: bytes, others: Sequence[bytes]) -> bytes:
    """Damage the file's values, or its text."""
    if generator.random() < 0.5 and body.startswith(b"{"):
        return filled(json.dumps(damaged_value(generator, json.loads(body))))
    return bytes_mutator(TOKENS)(generator, body, others)


def prepare(folder: Path) -> Run:
    """Read and check a file."""
    path = folder / "dataset.yaml"

    def run(_label: str, body: bytes) -> str:
        path.write_bytes(body)
        try:
            load_dataset(path).content()
        except ConfigurationError as error:
            str(error)
            return error.code
        return "read"

    return run


TARGET = Target("dataset_files", seeds, prepare, mutate, budget=128 * MEBIBYTE, share=2)
