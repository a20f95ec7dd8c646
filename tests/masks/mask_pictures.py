from __future__ import annotations

import io

import numpy as np
from PIL import Image


def as_png(image, *, kind="PNG", **options):
    """Write an array or a Pillow picture as the bytes of a PNG, or of another kind of file."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def pixels(picture):
    """Read a boolean array (height, width) from a picture of ``#`` and ``.``, rows apart by white space."""
    return np.array([[pixel == "#" for pixel in line] for line in picture.split()])
