"""From a URL to a store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from labelsnap.errors import ConfigurationError
from labelsnap.redaction import address_shown, cut
from labelsnap.storage.local import LocalStore
from labelsnap.storage.s3.store import S3Store

if TYPE_CHECKING:
    from labelsnap.storage.interface import ObjectStore


_SCHEME: Final = re.compile(r"^(?:(?:s3|gs|file|https?):)?[/\\]*", re.IGNORECASE)
"""Of a URL whose slashes may be wrong."""
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Of a folder's name nothing else is refused: blanks and marks of every script stand in honest ones."""


def open_store(url: str) -> ObjectStore:
    """Open ``s3://BUCKET/PREFIX`` or ``file:///DIR``; nothing is contacted yet. Raises ConfigurationError."""
    try:
        parts = urlsplit(url)
        path = parts.path.strip("/")
        if parts.scheme == "file":
            path = unquote(path, errors="strict")
    except ValueError as error:
        raise _refusal(url) from error
    dotted = any(part in {"", ".", ".."} for part in path.split("/") if path)
    unclean = not url.isprintable() or url != url.strip()  # urlsplit drops such characters in silence
    unclean |= _CONTROL.search(path) is not None
    if dotted or unclean or "://" not in url or {"?", "#"} & set(url):  # and an empty query or fragment too
        raise _refusal(url)
    match parts.scheme:
        case "s3" if parts.netloc and not {"@", ":"} & set(parts.netloc):
            return S3Store(bucket=parts.netloc, prefix=path)
        case "file" if parts.netloc in {"", "localhost"} and path:
            return LocalStore(Path("/", path))
        case _:
            raise _refusal(url)


def check_store_url(url: str) -> str:
    """Return the URL as its store writes it. Raises ConfigurationError when no store has such a URL."""
    return open_store(url).url


def _refusal(url: str) -> ConfigurationError:
    scheme = url.partition("://")[0] if "://" in url else ""
    found = f"one with the scheme {cut(repr(scheme))}" if scheme not in {"", "s3", "file"} else address_shown(url)
    if not url.startswith("file:///") and {"@", ":"} & set(_SCHEME.sub("", url.strip()).partition("/")[0]):
        found = "one with a user or password in it"
    return ConfigurationError(
        f"Expected a store's URL, s3://BUCKET/PREFIX or file:///DIR, found {found}.",
        remedy="Correct the URL; credentials and end points of S3 come from boto3's own environment variables.",
        code="store_url",
    )
