"""Text that may be shown: without what the environment holds of secrets, and without what looks like one."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from typing import Final
from urllib.parse import quote

MIN_SECRET: Final = 6
"""A shorter value of the environment cannot be told from other text."""
_SECRET_NAMES: Final = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|AUTH|CONNECTION_URL", re.IGNORECASE)
_SECRET_PLACES: Final = re.compile(
    r"(?i)((?:://)(?=[^/@\s'\"]+@)|[?&](?:[a-z-]*signature|[a-z-]*credential|[a-z-]*token|sig|key)=|\b(?:bearer|basic)\s+)"
    r"[^&@\s'\"]+"
)
"""A name and password in an address, a signature in a query, the value of an Authorization header."""
_LEFT_OUT: Final = "[left out]"


def without_secrets(text: str) -> str:
    """The text without what the environment holds of secrets, and without what looks like one."""
    secrets = {value for name, value in os.environ.items() if _SECRET_NAMES.search(name) and len(value) >= MIN_SECRET}
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, _LEFT_OUT)
    return _SECRET_PLACES.sub(rf"\1{_LEFT_OUT}", text)


def _spellings(secret: str) -> set[str]:
    encoded = secret.encode(errors="surrogateescape")
    return {secret, quote(encoded, safe=""), b64encode(encoded).decode().rstrip("="), repr(secret)[1:-1]}
