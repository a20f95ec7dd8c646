"""The borders where bytes of others come in, by name; one module each, which is read when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.target import Target

NAMES = (
    "images",
    "masks",
    "downloads",
    "answers",
    "export_lines",
    "manifests",
    "store_tables",
    "indexes",
    "webhooks",
    "dataset_files",
    "split_files",
)


def target_of(name: str) -> Target:
    """The target of a name."""
    target: Target = import_module(f"{__name__}.{name}").TARGET
    return target
