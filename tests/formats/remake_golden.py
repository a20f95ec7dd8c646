"""Write the golden files anew, with the project installed or its root in ``PYTHONPATH``.

``python tests/formats/remake_golden.py``; read the difference before it is kept.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from format_samples import contents, every_kind

from tasks.formats.registry import FORMATS, format_of

GOLDEN = Path(__file__).parent / "golden"


def files(name: str) -> dict[str, bytes]:
    """Give the files of a format for the samples with every kind, by path."""
    source = every_kind()
    return contents(chain.from_iterable(format_of(name).write(source, split) for split in source.splits))


if __name__ == "__main__":
    for name in FORMATS:
        for path, body in files(name).items():
            target = GOLDEN / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body)
