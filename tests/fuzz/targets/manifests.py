"""Commit records, tags, epochs and manifests, by whoever may write to the bucket: with every digest right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelsnap.snapshots.layout import DATA
from tests.fuzz.mutation import json_mutator
from tests.fuzz.reading import Readers
from tests.fuzz.stores import STORES, changed, golden, store_of
from tests.fuzz.target import MEBIBYTE, Target

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fuzz.target import Run

SELECTORS = {"format-1": (1, "latest", "model-7"), "format-1-joined": (1, "latest"), "fixed-lists": (1,)}
TOKENS = (b"null", b"-1", b"1e999", b"../", b"/etc/passwd", b".git/config", b"CON", b'"parts":[', b'"offset":')


def seeds() -> dict[str, bytes]:
    """Every record and manifest of the golden stores."""
    return {f"{name} {key}": body for name in STORES for key, body in golden(name).items() if not key.startswith(DATA)}


def prepare(folder: Path) -> Run:
    """Read a store with such an object by everything that reads one."""
    readers = Readers(folder)

    def run(label: str, body: bytes) -> str:
        name, _, key = label.partition(" ")
        return readers.read(store_of(changed(name, key, body)), SELECTORS[name])

    return run


TARGET = Target("manifests", seeds, prepare, json_mutator(TOKENS, share_of_bytes=0.1), budget=128 * MEBIBYTE)
