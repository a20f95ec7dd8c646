"""Lets trainers be imported whose compiled parts are not there: their readers compute with none of these.

PyPI's torchvision does not load its operators beside a torch that is built for processors alone, and imports only where
two of them are declared. mmcv-lite has no ``_ext``, and mmdet imports all that is made of it; detectron2 is unpacked,
and not built.
"""

from __future__ import annotations

import sys
from unittest.mock import MagicMock

import torch

OPERATORS = torch.library.Library("torchvision", "FRAGMENT") if torch.version.cuda is None else None

if OPERATORS:
    for name in ("nms", "qnms"):
        OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

sys.modules |= {"mmcv._ext": MagicMock(), "detectron2._C": MagicMock()}
