"""File names for images: readable, safe on every file system, and unique in a dataset."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

if TYPE_CHECKING:
    from labelsnap.records.model import DataRow

_ENDINGS: Final = {
    "image/jpeg": (".jpg", ".jpeg"),
    "image/jpg": (".jpg", ".jpeg"),
    "image/mpo": (".jpg", ".jpeg"),
    "image/png": (".png",),
    "image/gif": (".gif",),
    "image/bmp": (".bmp",),
    "image/webp": (".webp",),
    "image/tiff": (".tif", ".tiff"),
    "image/avif": (".avif",),
    "image/heic": (".heic",),
    "image/heif": (".heif",),
    "image/jp2": (".jp2",),
    "image/svg+xml": (".svg",),
}
"""The endings that readers know a type by, the usual one first."""

_UNKNOWN: Final = (".img",)
_SUFFIX: Final = re.compile(r"\.(?:jpe?g|jpe|jfif|mpo|png|gif|bmp|dib|webp|tiff?|avif|hei[cf]|jp2|svg)$", re.IGNORECASE)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")
DEVICES: Final = r"con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]"
"""What Windows takes for devices, in lower case."""
_PLAIN_ID: Final = re.compile(rf"(?!(?:{DEVICES})$)[a-z0-9][a-z0-9_]{{0,63}}")
_LONGEST_STEM: Final = 60
_LONGEST_ID: Final = 40
_DIGITS: Final = 12


def file_name(data_row: DataRow, mime_type: str, *, of_type: bool = False) -> str:
    """Return a row's file name: ``STEM-ID.EXTENSION``.

    STEM is the row's key for people (at most 60 of ``A-Za-z0-9_-``, left out where nothing of the key is left), ID its
    id, EXTENSION that of the key, in lower case, where readers know the image's mime type by it, else the usual one of
    that type; with ``of_type`` always the usual one. A name begins with a letter or a digit, because readers pass over
    others; there is no dot but the extension's, and no separator of folders. Two ids never give one stem, not even
    where upper and lower case are the same: an id that is not plain lower case, or that Windows takes for a device,
    gets 12 digits of its sha256.
    """
    key = data_row.key
    stem, extension = _stem(key), _extension("" if of_type else key, mime_type)
    return f"{stem}-{_identifier(data_row.id)}{extension}" if stem else f"{_identifier(data_row.id)}{extension}"


def _extension(key: str, mime_type: str) -> str:
    endings = _ENDINGS.get(mime_type.lower(), _UNKNOWN)
    suffix = _SUFFIX.search(key)
    return suffix[0].lower() if suffix and suffix[0].lower() in endings else endings[0]


def _stem(key: str) -> str:
    ascii_letters = normalize("NFKD", _SUFFIX.sub("", key)).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("_", ascii_letters).lstrip("-_")[:_LONGEST_STEM].rstrip("-_")


def _identifier(row_id: str) -> str:
    """Return an id without dashes, so that the last dash of a file name is where its id begins."""
    if _PLAIN_ID.fullmatch(row_id):
        return row_id
    readable = re.sub(r"[^a-z0-9]+", "_", row_id.lower()).strip("_")[:_LONGEST_ID]
    digest = sha256(row_id.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{readable}_{digest}" if readable else digest
