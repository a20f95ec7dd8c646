"""A stand-in for Labelbox and an S3 store on this machine, with a generated sample project: see README.md.

In: how many rows, and which faults. Out: a server to export from, and the truth to compare with. What is named below is
for everybody.
Doors: sandbox.
"""

from __future__ import annotations

from deploy.sandbox.project.truth import (
    MaskTruth,
    count_kinds,
    count_prediction_kinds,
    ground_truth,
    label_truth,
    row_truth,
)
from deploy.sandbox.sandbox import Sandbox
from deploy.sandbox.server.exports import ExportSettings
from deploy.sandbox.server.faults import Fault

__all__ = [
    "ExportSettings",
    "Fault",
    "MaskTruth",
    "Sandbox",
    "count_kinds",
    "count_prediction_kinds",
    "ground_truth",
    "label_truth",
    "row_truth",
]
