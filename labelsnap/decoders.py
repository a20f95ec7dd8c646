"""Decoders of what is kept as JSON, each made once a process."""

from __future__ import annotations

from threading import Lock
from typing import Any, Final, TypeVar

import msgspec
from msgspec.json import Decoder

Kind = TypeVar("Kind")

_making: Final = Lock()
_made: Final[dict[object, Decoder[Any]]] = {}


def decoder_of(kind: type[Kind]) -> Decoder[Kind]:
    """The decoder of a type, made by one thread at a time: msgspec 0.22 crashes where two are the first to look at one.

    Whatever is read by several threads is decoded by this or ``converted``, and never by ``msgspec.json.decode`` with a
    type, a ``Decoder`` of its own, or ``msgspec.convert``.
    """
    with _making:
        if kind not in _made:
            _made[kind] = Decoder(kind)
        return _made[kind]


def converted(values: object, kind: type[Kind]) -> Kind:
    """Values as a type, like ``msgspec.convert``, by threads that may be the first to look at it."""
    decoder_of(kind)
    return msgspec.convert(values, kind)
