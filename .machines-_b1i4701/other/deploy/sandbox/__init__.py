"""A stand-in for Labelbox and an S3 store on this machine, with a generated sample project: see README.md."""

from __future__ import annotations

from deploy.sandbox.exports import ExportSettings
from deploy.sandbox.faults import Fault
from deploy.sandbox.sandbox import Sandbox
from deploy.sandbox.truth import MaskTruth, count_kinds, count_prediction_kinds, ground_truth, label_truth, row_truth

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
