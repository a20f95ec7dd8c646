"""Write the golden files anew, with the project installed or its root in ``PYTHONPATH``.

``python tests/formats/remake_golden.py``; read the difference before it is kept.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import chain
from pathlib import Path

from format_samples import VARIANTS, describing, every_kind

from labelsnap.formats.description.card import card
from labelsnap.formats.description.croissant import croissant
from labelsnap.formats.description.facts import Listed
from labelsnap.formats.interface import written
from labelsnap.formats.registry import format_of

GOLDEN = Path(__file__).parent / "golden"


def files(variant: str) -> dict[str, bytes]:
    """Give the files of a format for the samples with every kind, by path, and those that describe them."""
    source, training_format = every_kind(), format_of(*VARIANTS[variant])
    found, listed = {}, []
    for artifact in chain.from_iterable(written(training_format, source, split) for split in source.splits):
        found[artifact.path] = b"".join(artifact.chunks)
        listed.append(Listed(artifact.path, sha256(found[artifact.path]).hexdigest(), artifact.small))
    description = describing(source)
    found["README.md"] = card(description, training_format, listed)
    listed.append(Listed("README.md", sha256(found["README.md"]).hexdigest(), small=False))
    found["croissant.json"] = croissant(description, training_format, listed)
    return found


if __name__ == "__main__":
    for variant in VARIANTS:
        for path, body in files(variant).items():
            target = GOLDEN / variant / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body)
