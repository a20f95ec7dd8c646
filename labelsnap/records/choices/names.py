"""File names for images: readable, safe on every file system, and unique in a dataset.

Those of ``file_names: key`` are made here, too: which row may have its key's name is found out in
``labelsnap/buckets/claims.py``, for all rows together.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from unicodedata import category, normalize

from xxhash import xxh3_64_hexdigest

if TYPE_CHECKING:
    from labelsnap.records.model import DataRow

NameRule = Literal["unique", "key"]
"""Whether every image's name has its row's id, or is the row's key where it may be."""

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
LONGEST_KEY: Final = 120
"""Bytes of UTF-8 of a key that a file is called by: with an ending, and an id beside it, any file system has room."""
_SIGNS: Final = frozenset("_-.+=@()")
"""What a key may have beside letters, their marks and digits: nothing at which a shell, a URL or a list parts names."""
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
"""Letters and marks that show nothing."""
_DEVICE: Final = re.compile(rf"(?:{DEVICES})(?:\..*)?", re.DOTALL)
BESIDE: Final = "--"
"""What stands between a key and the id beside it."""
_WITH_ID: Final = re.compile(rf"(?P<stem>.+){BESIDE}(?P<id>[a-z0-9_]+)", re.DOTALL)
_NO_KEY: Final = "image"


class Naming(NamedTuple):
    """What is known of a row's name under ``file_names: key`` before it is made.

    ``claimed`` is the claim (see ``claim_of``) of the name that it may have, if any: no other row has it. ``before`` is
    the name of its file in the version before.
    """

    claimed: str = ""
    before: str = ""


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
    stem, extension = _stem(key), _extension("" if of_type else key, mime_type).lower()
    return f"{stem}-{_identifier(data_row.id)}{extension}" if stem else f"{_identifier(data_row.id)}{extension}"


def key_name(data_row: DataRow, mime_type: str, naming: Naming, *, of_type: bool = False) -> str:
    """Return a row's file name under ``file_names: key``: its key, where that is safe and no other row's.

    Else ``KEY--ID``, where KEY is as in ``file_name`` if the key is not safe. So is the name of a row that had it so
    under the same key in the version before: no name changes for want of another row. The extension is the key's own
    where readers know the image's mime type by it, as in ``file_name``.
    """
    key = known_by(data_row.global_key, data_row.external_id)
    stem, extension = safe_stem(key), _extension("" if of_type else key, mime_type)
    row = _identifier(data_row.id)
    if stem and naming.claimed == claim_of(stem) and held(naming.before, data_row.id) != (naming.claimed, True):
        return f"{stem}{extension}"
    return f"{stem or _stem(key) or _NO_KEY}{BESIDE}{row}{extension}"


def known_by(global_key: str | None, external_id: str | None) -> str:
    """Return the key that a file is called by: the global key, or the external id where that is safe and no such key.

    Where neither is safe, it is the one that there is; "": there is none.
    """
    keys = [key for key in (global_key, external_id) if key]
    return next(filter(safe_stem, keys), keys[0] if keys else "")


def safe_stem(key: str) -> str:
    """Return what a file is called by a key, without its ending, in Unicode's form NFC; "": no file may be called so.

    It has letters and digits of any script and ``_SIGNS``, at most ``LONGEST_KEY`` bytes, begins with a letter or a
    digit, does not end with a dot, is no device's name, and does not look like a name that has an id beside it.
    """
    stem = normalize("NFC", _SUFFIX.sub("", key[: 2 * LONGEST_KEY]))
    if not stem or len(stem.encode(errors="replace")) > LONGEST_KEY or len(key) > 2 * LONGEST_KEY:
        return ""
    is_odd = stem.endswith(".") or _DEVICE.fullmatch(stem.lower()) or _WITH_ID.fullmatch(_met(stem))
    is_plain = category(stem[0])[0] in "LN" and all(each in _SIGNS or category(each)[0] in "LMN" for each in stem)
    return stem if is_plain and not is_odd and not _UNSEEN.search(stem) else ""


def claim_of(stem: str) -> str:
    """Return the claim to a name without its ending, 16 hexadecimal digits: the same for all names that would meet.

    They do where a file system that ignores case, or Unicode's forms, has one file for both; and where they differ in
    dots for underscores, because readers of tars take the first dot for the end of a name.
    """
    return xxh3_64_hexdigest(_met(stem).encode())


def held(file_name: str, row_id: str) -> tuple[str, bool]:
    """Return the claim to the name that a file has, and whether its row's id stands beside it."""
    stem = PurePosixPath(file_name).stem
    found = _WITH_ID.fullmatch(stem)
    if found and found["id"] == _identifier(row_id):
        return claim_of(found["stem"]), True
    return claim_of(stem), False


def folded(path: str) -> str:
    """Return what a path is to a file system that ignores upper and lower case, and forms of Unicode."""
    return path.lower() if path.isascii() else normalize("NFC", normalize("NFC", path).casefold())


def undotted(stem: str) -> str:
    """Return a name without its ending as readers of tars need it: without dots. No two of a dataset meet so."""
    return stem.replace(".", "_")


def _met(stem: str) -> str:
    return undotted(folded(stem))


def _extension(key: str, mime_type: str) -> str:
    endings = _ENDINGS.get(mime_type.lower(), _UNKNOWN)
    suffix = _SUFFIX.search(key)
    return suffix[0] if suffix and suffix[0].lower() in endings else endings[0]


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
