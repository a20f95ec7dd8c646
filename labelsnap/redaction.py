"""What may be shown of a text or a value: without what is a secret, or looks like one, and not more than a line."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from labelsnap.environment import variables

LEFT_OUT: Final = "[left out]"
MAX_SHOWN: Final = 120
"""Characters of one value."""
MIN_SECRET: Final = 6
"""A shorter value of the environment cannot be told from other text."""
_SECRET_VARIABLES: Final = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|AUTH|CONNECTION_URL", re.IGNORECASE)
"""Variables of the environment; their values are looked for, so that one too many does no harm."""
_SECRET_NAMES: Final = re.compile(
    r"secret|token|passw|credential|signature|connection_string|(?:api|access|account|private)[_-]?key|^key$|^auth",
    re.IGNORECASE,
)
_SECRET_PLACES: Final = re.compile(
    r"(?i)((?:://)(?=[^/@\s'\"]+@)|[?&](?:[a-z-]*signature|[a-z-]*credential|[a-z-]*token|sig|key)=|\b(?:bearer|basic)\s+)"
    r"[^&@\s'\"]+"
)
"""A name and password in an address, a signature in a query, the value of an Authorization header."""
_WORD: Final = re.compile(rf"(?:{re.escape(LEFT_OUT)}|[^\s'\"`])+")
_ADDRESS: Final = re.compile(r"([^:@?#]*://)?(.*@)?([^?#]*)([?#].*)?", re.DOTALL)
"""A scheme, a name and password, a place, and a query or fragment; of a text without an @ all but the second."""


def without_secrets(text: str) -> str:
    """The text without what the variables handed in hold of secrets, and without what looks like one."""
    of_secrets = (value for name, value in variables().items() if _SECRET_VARIABLES.search(name))
    secrets = {value for value in of_secrets if len(value) >= MIN_SECRET}
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, LEFT_OUT)
    return _SECRET_PLACES.sub(rf"\1{LEFT_OUT}", text)


def is_secret_name(name: str) -> bool:
    """Whether what is called so is a secret: ``api_key``, ``sas_token``; not ``global_keys``."""
    return bool(_SECRET_NAMES.search(name))


def without_address_secrets(text: str) -> str:
    """The text without names, passwords and queries of the addresses in it; an address ends at a blank or quote."""
    return _WORD.sub(lambda word: bare_address(word[0]) if is_like_address(word[0]) else word[0], text)


def is_like_address(value: str) -> bool:
    """Whether a value may be an address with a password or a query, however its slashes are spelled."""
    return "@" in value or (("?" in value or "#" in value) and any(mark in value for mark in ("=", ":", "//")))


def bare_address(address: str) -> str:
    """An address without name, password, query and fragment; without its place too where that may be part of these."""
    start, user, place, query = _ADDRESS.fullmatch(address).groups(default="")  # type: ignore[union-attr]
    if "?" in user or "#" in user:
        return start + LEFT_OUT
    return f"{start}{LEFT_OUT + '@' if user else ''}{place}{query[:1] + LEFT_OUT if query else ''}"


def address_shown(value: str) -> str:
    """A value that is meant to be an address: in quotes, cut, without whatever is before its last @ or after a ?."""
    return cut(repr(bare_address(value)))


def shown(value: object) -> str:
    """A value as a message repeats it: in quotes, cut, without secrets of an address; of a container only its kind."""
    match value:
        case str() if is_like_address(value):
            return address_shown(value)
        case Mapping():
            return "keys and values"
        case list() | tuple() | set() | frozenset():
            return "a list"
        case _:
            return cut(repr(value))


def cut(text: str, limit: int = MAX_SHOWN) -> str:
    """At most so many characters of a text, and how many there are where that is not all."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"


def _spellings(secret: str) -> set[str]:
    encoded = secret.encode(errors="surrogateescape")
    return {secret, quote(encoded, safe=""), b64encode(encoded).decode().rstrip("="), repr(secret)[1:-1]}
