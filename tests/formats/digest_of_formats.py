"""Prints one digest over the files of every format: equal in every process, whatever its Python, hash seed and zone."""

from __future__ import annotations

from hashlib import sha256

from format_samples import VARIANTS
from remake_golden import files

digest = sha256()
for variant in VARIANTS:
    for path, body in files(variant).items():
        digest.update(f"{variant}/{path}\n".encode() + body)
print(digest.hexdigest())  # noqa: T201 - its result
