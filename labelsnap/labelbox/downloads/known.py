"""What is known of an image before it is asked for, so that an answer without its body may say that it still stands."""

from __future__ import annotations

import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from labelsnap.records.image import Validators

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_ETAG: Final = re.compile(r'(?:W/)?"[!#-~]{1,250}"')
"""An entity tag (RFC 9110, 8.8.3): one, and not ``*``, which would be true of any image."""
_DATE: Final = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT", re.ASCII)
_GRAIN: Final = timedelta(seconds=1)


class Known(Struct, frozen=True):
    """The image that stands: how many bytes its source had, or what the answer that brought it told."""

    size: int | None = None
    validators: Validators = Validators()

    @property
    def conditions(self) -> dict[str, str]:
        """Headers that ask for the image only if it is another one by now."""
        if self.validators.etag:
            return {"If-None-Match": self.validators.etag}
        return {"If-Modified-Since": since} if (since := self.validators.last_modified) else {}


class ImageAnswer(NamedTuple):
    """Whether the image is the one that was known, so that no body was read, and what the answer told of it."""

    is_known: bool
    validators: Validators


def validators_of(headers: Mapping[str, str]) -> Validators:
    """Return what an answer's headers tell; what is not as HTTP has it tells nothing.

    A ``Last-Modified`` within the second of the answer is left out: the image may change again in that second.
    """
    etag = headers.get("ETag", "")
    modified, now = _date(headers.get("Last-Modified")), _date(headers.get("Date"))
    settled = modified is not None and (now is None or now - modified >= _GRAIN)
    return Validators(etag if _ETAG.fullmatch(etag) else None, headers["Last-Modified"] if settled else None)


def _date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text and _DATE.fullmatch(text) else None
    except ValueError:
        return None
