"""What Labelbox's webhooks are signed with, and what may be believed of them.

A delivery is a POST of JSON with ``X-Hub-Signature: sha1=<hex HMAC-SHA1 of the raw body>``, ``X-Labelbox-Id`` and
``X-Labelbox-Event`` (docs.labelbox.com); ``X-Hub-Signature-256: sha256=…`` is the same with SHA-256. What the body of a
workflow action holds, how often a delivery is repeated and in which order deliveries come is not documented, so a
delivery is a hint that something happened and nothing more.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DELIVERY_HEADER: Final = "x-labelbox-id"
_SIGNATURES: Final = {"x-hub-signature": "sha1", "x-hub-signature-256": "sha256"}


def is_signed(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
    """Whether the raw body carries a signature by this secret; where it carries two, both must be right.

    Header names are lower case. The comparison takes the same time for every wrong signature.
    """
    found = [(name, headers[name]) for name in _SIGNATURES if name in headers]
    right = [hmac.compare_digest(given.strip().encode(), _signature(body, secret, name)) for name, given in found]
    return bool(secret) and bool(right) and all(right)


def delivery_id(body: bytes, headers: Mapping[str, str]) -> str:
    """What names a delivery however often it comes: a digest of its id, or of its body where it has none."""
    return hashlib.sha256(headers.get(DELIVERY_HEADER, "").strip().encode() or body).hexdigest()[:32]


def _signature(body: bytes, secret: str, header: str) -> bytes:
    algorithm = _SIGNATURES[header]
    return f"{algorithm}={hmac.new(secret.encode(), body, algorithm).hexdigest()}".encode()
