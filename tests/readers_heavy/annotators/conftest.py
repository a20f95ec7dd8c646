"""FiftyOne's database and settings are this run's own, and it tells nobody that it runs."""

from __future__ import annotations

import os
import tempfile

_PLACE = tempfile.mkdtemp(prefix="fiftyone-")
os.environ |= {
    "FIFTYONE_DATABASE_DIR": f"{_PLACE}/database",
    "FIFTYONE_CONFIG_PATH": f"{_PLACE}/config.json",
    "FIFTYONE_DATABASE_VALIDATION": "false",
    "FIFTYONE_DO_NOT_TRACK": "true",
    "FIFTYONE_SHOW_PROGRESS_BARS": "false",
}
