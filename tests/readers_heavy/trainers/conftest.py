"""Lets trainers be imported whose compiled parts are not there: their readers compute with none of these.

PyPI's torchvision does not load its operators beside a torch that is built for processors alone, and imports only where
two of them are declared; nor does it decode a picture there: Pillow does. mmcv-lite has no ``_ext``, and mmdet imports
all that is made of it; detectron2 is unpacked, and not built.
"""

from __future__ import annotations

import sys
from unittest.mock import MagicMock

import numpy as np
import torch
from PIL import Image, ImageOps

OPERATORS = torch.library.Library("torchvision", "FRAGMENT") if torch.version.cuda is None else None

if OPERATORS:
    for name in ("nms", "qnms"):
        OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision.io  # which needs the operators

    def decode_image(
        path: str, mode: torchvision.io.ImageReadMode, *, apply_exif_orientation: bool = False
    ) -> torch.Tensor:
        """Decode a picture's colours, as torchvision does: (3, height, width)."""
        assert mode is torchvision.io.ImageReadMode.RGB
        picture = Image.open(path)
        upright = ImageOps.exif_transpose(picture) if apply_exif_orientation else picture
        return torch.from_numpy(np.array(upright.convert("RGB"))).permute(2, 0, 1)

    torchvision.io.decode_image = decode_image

sys.modules |= {"mmcv._ext": MagicMock(), "detectron2._C": MagicMock()}
