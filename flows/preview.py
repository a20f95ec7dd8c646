"""A contact sheet of a pulled COCO tree: a few images with their masks, polygons, boxes and points drawn over them."""

from __future__ import annotations

import colorsys
import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image, ImageDraw

from tasks.masks.runs import to_mask
from tasks.records.geometry import Runs

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS: Final = 3
TILE: Final = 480
"""Width of one image on the sheet, in pixels."""
BACKGROUND: Final = (24, 24, 24)
GOLDEN: Final = 0.618
"""A step around the colour circle that keeps neighbouring categories far apart."""

Colour = tuple[int, int, int]


def draw_sheet(tree: Path, split: str, target: Path, *, count: int = 6) -> Path:
    """Draw the images of a split that have most annotations, and give back the path of the sheet (JPEG)."""
    content = json.loads((tree / "annotations" / f"instances_{split}.json").read_bytes())
    by_image: dict[int, list[dict[str, Any]]] = {}
    for annotation in content["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    chosen = sorted(content["images"], key=lambda image: -len(by_image.get(image["id"], [])))[:count]
    tiles = [_tile(tree / "images" / split / image["file_name"], by_image.get(image["id"], [])) for image in chosen]
    height = max((tile.height for tile in tiles), default=TILE)
    sheet = Image.new("RGB", (COLUMNS * TILE, max(1, -(-len(tiles) // COLUMNS)) * height), BACKGROUND)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, COLUMNS)
        sheet.paste(tile, (column * TILE, row * height + (height - tile.height) // 2))
    sheet.save(target, "JPEG", quality=90)
    return target


def _tile(path: Path, annotations: list[dict[str, Any]]) -> Image.Image:
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    pixels = np.asarray(image).astype(np.float32)
    for annotation in annotations:
        if isinstance(annotation["segmentation"], dict):
            mask = _mask(annotation["segmentation"], annotation)
            pixels[mask] = pixels[mask] * 0.45 + np.array(_colour(annotation["category_id"])) * 0.55
    image = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for annotation in annotations:
        _outline(draw, annotation)
    return image.resize((TILE, round(image.height * TILE / image.width)), Image.Resampling.LANCZOS)


def _mask(segmentation: dict[str, Any], annotation: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    height, width = segmentation["size"]
    return to_mask(Runs(height, width, segmentation["counts"].encode(), annotation["area"], annotation["bbox"]))


def _outline(draw: ImageDraw.ImageDraw, annotation: dict[str, Any]) -> None:
    colour = _colour(annotation["category_id"])
    if "keypoints" in annotation:
        x, y, _ = annotation["keypoints"]
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), outline="white", fill=colour)
    elif isinstance(annotation["segmentation"], list):
        for ring in annotation["segmentation"]:
            draw.line([*ring, *ring[:2]], fill=colour, width=2)


def _colour(category: int) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(category * GOLDEN % 1, 0.85, 1)
    return round(red * 255), round(green * 255), round(blue * 255)
