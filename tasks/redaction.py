"""What may be shown of a text or a value: without what is a secret, or looks like one, and not more than a line."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

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
_IN_TEXT: Final = re.compile(r"(://)([^\s'\"]*@)?([^\s'\"?#]*)([?#][^\s'\"]*)?")
_WHOLE: Final = re.compile(r"(://)(.*@)?([^?#]*)([?#].*)?", re.DOTALL)
"""An address: a name and password before its host, and a query. As a whole value, whatever characters it has."""


def without_secrets(text: str) -> str:
    """The text without what the environment holds of secrets, and without what looks like one."""
    variables = {name: value for name, value in os.environ.items() if _SECRET_VARIABLES.search(name)}
    secrets = {value for value in variables.values() if len(value) >= MIN_SECRET}
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, LEFT_OUT)
    return _SECRET_PLACES.sub(rf"\1{LEFT_OUT}", text)


def is_secret_name(name: str) -> bool:
    """Whether what is called so is a secret: ``api_key``, ``sas_token``; not ``global_keys``."""
    return bool(_SECRET_NAMES.search(name))


def without_address_secrets(text: str) -> str:
    """The text without names, passwords and queries of the addresses in it; an address ends at a blank or quote."""
    return _IN_TEXT.sub(_shortened, text)


def address_shown(value: str) -> str:
    """The same of a value that is one address, which may have blanks and quotes in its password."""
    return _WHOLE.sub(_shortened, value, count=1)


def shown(value: object) -> str:
    """A value as a message repeats it: in quotes, cut, without secrets of an address; of a container only its kind."""
    match value:
        case str():
            return cut(repr(address_shown(value)))
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


def _shortened(match: re.Match[str]) -> str:
    start, user, place, query = match.groups()
    return f"{start}{LEFT_OUT + '@' if user else ''}{place}{query[0] + LEFT_OUT if query else ''}"
