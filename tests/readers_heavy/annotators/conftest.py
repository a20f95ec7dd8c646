"""FiftyOne's database and settings are this run's own, and it tells nobody that it runs; and the names of VOC."""

from __future__ import annotations

import json
import os
import tempfile

import pytest

_PLACE = tempfile.mkdtemp(prefix="fiftyone-")
os.environ |= {
    "FIFTYONE_DATABASE_DIR": f"{_PLACE}/database",
    "FIFTYONE_CONFIG_PATH": f"{_PLACE}/config.json",
    "FIFTYONE_DATABASE_VALIDATION": "false",
    "FIFTYONE_DO_NOT_TRACK": "true",
    "FIFTYONE_SHOW_PROGRESS_BARS": "false",
}


@pytest.fixture
def voc_names(trees, truth):
    """The name of each class by that in Pascal VOC, which takes not every name: both have the class's id."""
    classes = json.loads((trees / "voc" / "classes.json").read_bytes())["classes"]
    return {each["name"]: truth.classes[each["id"]] for each in classes}
