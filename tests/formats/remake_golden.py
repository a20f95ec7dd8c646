"""Write the golden files anew, with the project installed or its root in ``PYTHONPATH``.

``python tests/formats/remake_golden.py``; read the difference before it is kept.
"""

from __future__ import annotations

from pathlib import Path

from format_samples import contents, every_kind

from tasks.formats.registry import FORMATS, format_of

GOLDEN = Path(__file__).parent / "golden"


def files(name: str) -> dict[str, bytes]:
    """Give the files of a format for the samples with every kind, by path."""
    source = every_kind()
    return {
        path: body for split in source.splits for path, body in contents(format_of(name).write(source, split)).items()
    }


if __name__ == "__main__":
    for name in FORMATS:
        for path, body in files(name).items():
            target = GOLDEN / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body)
