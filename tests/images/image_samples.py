"""Image files for tests: a coloured square on grey, with an orientation in each place where readers look for one."""

from __future__ import annotations

import io
import struct
import zlib
from tempfile import NamedTemporaryFile
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

try:  # no dependency of the tests: its loader opens a file by Pillow and converts it to RGB, as "pillow" below does
    from torchvision.datasets.folder import pil_loader
except ImportError:
    pil_loader = None

WIDE, SQUARE = (48, 32), (48, 48)
"""Sizes (width, height) of the pictures."""
BOX = (4, 2, 16, 10)
"""Where the coloured square lies in the stored pixels: left, top, width, height."""
ORIENTATIONS = range(1, 9)
EXIF_TAG, XMP_TAG = 274, 700


def pixels(size: tuple[int, int] = WIDE) -> Any:
    """Draw the picture, H × W × RGB."""
    drawn = np.full((size[1], size[0], 3), 110, np.uint8)
    left, top, width, height = BOX
    drawn[top : top + height, left : left + width] = (250, 20, 20)
    return drawn


def turned(array: Any, orientation: int) -> Any:
    """Turn an array of H × W (× …) as EXIF 2.3 (4.6.4, Orientation) says that it is to be shown."""
    return {
        1: lambda: array,
        2: lambda: array[:, ::-1],
        3: lambda: array[::-1, ::-1],
        4: lambda: array[::-1],
        5: lambda: array.swapaxes(0, 1),
        6: lambda: array[::-1].swapaxes(0, 1),
        7: lambda: array[::-1, ::-1].swapaxes(0, 1),
        8: lambda: array[:, ::-1].swapaxes(0, 1),
    }[orientation]()


def box_of(coloured: Any) -> tuple[int, int, int, int]:
    """Find the box of the true pixels of H × W: left, top, width, height."""
    rows, columns = np.flatnonzero(coloured.any(1)), np.flatnonzero(coloured.any(0))
    return (int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)


def turned_box(orientation: int, size: tuple[int, int] = WIDE) -> tuple[int, int, int, int]:
    """Give the box of the square once the picture is turned."""
    return box_of(turned(red(pixels(size)), orientation))


def red(array: Any) -> Any:
    """Tell which pixels of H × W × RGB are the square's, however a JPEG has blurred it."""
    values = array.astype(int)
    return values[..., 0] - values[..., 1:3].max(-1) > 110


def readers(body: bytes) -> dict[str, Any]:
    """Read a file as H × W × RGB, as each reader shows it."""
    shown = {}
    for name, turn in (("pillow", lambda image: image), ("exif_transpose", ImageOps.exif_transpose)):
        with Image.open(io.BytesIO(body)) as image:
            shown[name] = np.asarray(turn(image).convert("RGB"))
    for name, flags in (
        ("opencv", cv2.IMREAD_COLOR),
        ("opencv, orientation ignored", cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION),
    ):
        shown[name] = cv2.imdecode(np.frombuffer(body, np.uint8), flags)[..., ::-1]
    if pil_loader:
        with NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            shown["torchvision"] = np.asarray(pil_loader(file.name))
    return shown


def exif(orientation: int) -> bytes:
    """Make a block of EXIF with a maker before the orientation and a resolution after it."""
    block = Image.Exif()
    block[271], block[EXIF_TAG], block[296] = "Maker", orientation, 2
    return block.tobytes()


def xmp(orientation: int, *, element: bool = False) -> bytes:
    """Make a packet of XMP, with the orientation as an attribute or an element."""
    inner = f"<tiff:Orientation>{orientation}</tiff:Orientation>" if element else ""
    attribute = "" if element else f' tiff:Orientation="{orientation}"'
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/"{attribute}>{inner}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def encoded(image_format: str, array: Any = None, **options: Any) -> bytes:
    """Encode a picture, the one of this module by default."""
    target = io.BytesIO()
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(image_format, {}) | options
    image = array if isinstance(array, Image.Image) else Image.fromarray(pixels() if array is None else array)
    image.save(target, image_format, **options)
    return target.getvalue()


def profile(block: bytes) -> str:
    """Write a block as ImageMagick does, in hexadecimal digits."""
    digits = block.hex()
    rows = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    return f"\nexif\n{len(block):8}\n{rows}\n"


def text(keyword: str, content: str, *, international: bool = False, compressed: bool = False) -> Any:
    """Make a text chunk for Pillow to write."""
    info = PngImagePlugin.PngInfo()
    if international:
        info.add_itxt(keyword, content, zip=compressed)
    else:
        info.add_text(keyword, content, zip=compressed)
    return info


def chunk(kind: bytes, content: bytes) -> bytes:
    """Make a chunk of a PNG."""
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def after_pixels(png: bytes, *chunks: bytes) -> bytes:
    """Put chunks before a PNG's last one."""
    return png[:-12] + b"".join(chunks) + png[-12:]


def segment(content: bytes) -> bytes:
    """Make an APP1 segment."""
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


def with_segments(jpeg: bytes, *contents: bytes) -> bytes:
    """Put APP1 segments first in a JPEG."""
    return jpeg[:2] + b"".join(map(segment, contents)) + jpeg[2:]


XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"


def oriented(place: str, orientation: int, size: tuple[int, int] = WIDE) -> bytes:
    """Make the picture with an orientation in one place of one container."""
    drawn = pixels(size)
    block, packet = exif(orientation), xmp(orientation)
    made = {
        "jpeg exif": lambda: encoded("JPEG", drawn, exif=block),
        "jpeg xmp": lambda: encoded("JPEG", drawn, xmp=packet),
        "jpeg xmp element": lambda: encoded("JPEG", drawn, xmp=xmp(orientation, element=True)),
        "jpeg both": lambda: with_segments(encoded("JPEG", drawn), block, XMP_NAME + packet),
        "jpeg in two segments": lambda: with_segments(encoded("JPEG", drawn), block[:24], block[:6] + block[24:]),
        "jpeg twice": lambda: with_segments(encoded("JPEG", drawn), block, block),
        "png eXIf": lambda: encoded("PNG", drawn, exif=block),
        "png eXIf last": lambda: after_pixels(encoded("PNG", drawn), chunk(b"eXIf", block[6:])),
        "png profile": lambda: encoded("PNG", drawn, pnginfo=text("Raw profile type exif", profile(block))),
        "png profile zTXt": lambda: encoded(
            "PNG", drawn, pnginfo=text("Raw profile type exif", profile(block), compressed=True)
        ),
        "png profile iTXt": lambda: encoded(
            "PNG", drawn, pnginfo=text("Raw profile type exif", profile(block), international=True, compressed=True)
        ),
        "png xmp": lambda: encoded(
            "PNG", drawn, pnginfo=text("XML:com.adobe.xmp", packet.decode(), international=True)
        ),
        "png xmp compressed": lambda: encoded(
            "PNG", drawn, pnginfo=text("XML:com.adobe.xmp", packet.decode(), international=True, compressed=True)
        ),
        "webp exif": lambda: encoded("WEBP", drawn, exif=block),
        "webp xmp": lambda: encoded("WEBP", drawn, xmp=packet),
        "webp lossy": lambda: encoded("WEBP", drawn, exif=block, lossless=False, quality=95),
        "tiff": lambda: encoded("TIFF", drawn, tiffinfo={EXIF_TAG: orientation}),
        "tiff deflate": lambda: encoded(
            "TIFF", drawn, tiffinfo={EXIF_TAG: orientation}, compression="tiff_adobe_deflate"
        ),
        "tiff big": lambda: encoded("TIFF", drawn, tiffinfo={EXIF_TAG: orientation}, big_tiff=True),
        "tiff xmp": lambda: encoded("TIFF", drawn, tiffinfo={XMP_TAG: packet}),
    }
    return made[place]()


PLACES = (
    "jpeg exif",
    "jpeg xmp",
    "jpeg xmp element",
    "jpeg both",
    "jpeg in two segments",
    "jpeg twice",
    "png eXIf",
    "png eXIf last",
    "png profile",
    "png profile zTXt",
    "png profile iTXt",
    "png xmp",
    "png xmp compressed",
    "webp exif",
    "webp xmp",
    "webp lossy",
    "tiff",
    "tiff deflate",
    "tiff big",
    "tiff xmp",
)
"""Where an orientation may stand: what ``oriented`` takes."""
