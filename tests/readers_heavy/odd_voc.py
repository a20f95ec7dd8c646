"""What the Pascal VOC trees of ``voc_samples.py`` hold, by hand, and how readers' tests have them made.

The image ``regions`` of 8 rows has a mask of 4 × 3 pixels a class, one beside the other; ``boxes`` has one box,
``strokes`` a line and a point, and ``nothing`` no object.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPELLED = {
    "car": "car",
    "lane:left": "lane_left",
    "#1": "_1",
    "red, green": "red, green",
    "../up": ".._up",
    "background": "background_2",
    "void": "void_2",
    "two\nlines": "two lines",
}
"""The names of the classes, which have the ids 1, 2, …, and what they are called in VOC's files."""
LISTED = {"Main": {"regions", "boxes", "strokes", "nothing"}, "Segmentation": {"regions", "nothing"}}
BOX = (3, 2, 5, 4)
"""Of the one box: left, top, width and height."""
REGION = (4, 3)
"""Width and height of a mask."""
SIZE = (len(SPELLED) * REGION[0], 8)
PLACES = {name: (REGION[0] * number, number % 4, *REGION) for number, name in enumerate(SPELLED.values())}
"""Where each class has its mask: left, top, width and height."""


def made(directory: Path) -> Path:
    """Give the folder with the trees ``palette``, ``grey`` and ``png``, made by the Python that has labelsnap."""
    python = os.environ.get("LABELSNAP_PYTHON") or ROOT / ".venv" / "bin" / "python"
    command = [python, "-m", "tests.readers_heavy.voc_samples", directory]
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603
    return directory
