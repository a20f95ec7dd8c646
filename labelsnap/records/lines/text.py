r"""A line's bytes as JSON values, however its text was cut: what the strict decoder refuses is read here.

Text that is not quite Unicode is read with U+FFFD in those places: half a character, which is an escape without its
other half (``"\ud83d"``), and bytes that are not UTF-8. A byte order mark before the line, and control characters in
text, which JSON wants escaped, are taken as they are meant. Numbers beyond a float's range become their own text.
"""

from __future__ import annotations

import codecs
import json
import re
from math import isfinite
from typing import Any, Final, NoReturn

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
REPLACEMENT: Final = "\ufffd"

_HALF: Final = re.compile("[\ud800-\udfff]")
"""What stands in values for what is no character: a surrogate without its other half, which no text may hold."""
_MAY_BE_HALF: Final = re.compile(rf"{_HALF.pattern}|\\u[dD][89a-fA-F]")
_CUT: Final = "labelsnap.cut"
codecs.register_error(_CUT, lambda error: ("\udfff", error.end))  # type: ignore[attr-defined]
_LONGEST_INTEGER: Final = 4000
"""Digits; Python converts 4300 at most, unless it is told to."""


def is_blank(line: bytes) -> bool:
    """Whether there is nothing on a line but white space, a byte order mark before it included."""
    return not line or line.isspace() or (line.startswith(BYTE_ORDER_MARK) and is_blank(line[len(BYTE_ORDER_MARK) :]))


def readable(line: bytes) -> str:
    """Return a line as text; ``whole`` settles what of it is no character."""
    return line.removeprefix(BYTE_ORDER_MARK).decode("utf-8", _CUT)


def whole(values: Any, text: str) -> tuple[Any, int]:
    """Return JSON values, or some of those of a text, in whole characters, and how many stand for what was none.

    Raises RecursionError for values that are nested too deep.
    """
    if not _MAY_BE_HALF.search(text):
        return values, 0
    spelled, replaced = _HALF.subn(REPLACEMENT, json.dumps(values, ensure_ascii=False))
    return json_values(spelled), replaced


def json_values(text: str) -> Any:
    """Return a line's JSON values. Raises ValueError for what is none, RecursionError for one nested too deep."""
    try:
        return json.loads(text, strict=False, parse_int=_integer, parse_float=_float, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        message = f"{error.msg} at character {error.pos}"
        raise ValueError(message) from None


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else digits


def _float(digits: str) -> float | str:
    number = float(digits)
    return number if isfinite(number) else digits


def _refuse(name: str) -> NoReturn:
    message = f"{name} is no JSON value"
    raise ValueError(message)
