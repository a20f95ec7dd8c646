"""How parsing says no: a code, a JSON path and a reason, collected on the way out of a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Given = TypeVar("Given")
Made = TypeVar("Made")
Context = TypeVar("Context")

_PLAIN_KEY: Final = re.compile(r"[\w-]{1,64}", re.ASCII)


class RefusedError(Exception):
    """A part of a line cannot be used. It never leaves this package: ``parse`` turns it into a ``Problem``."""

    def __init__(self, code: str, reason: str, path: str = "") -> None:
        super().__init__(code, reason, path)
        self.code = code
        self.reason = reason
        self.path = path

    def below(self, parent: str) -> RefusedError:
        """Return the same refusal as seen from ``parent``, one step nearer to the line's root."""
        return type(self)(self.code, self.reason, f"{parent}.{self.path}" if self.path else parent)


def each(
    items: Sequence[Given] | None, make: Callable[[Given, Context], Made | None], context: Context, name: str
) -> tuple[Made, ...]:
    """Return ``make(item, context)`` for each item, None left out.

    A refusal says which entry of the list ``name`` it was.
    """
    made: list[Made | None] = []
    try:
        for item in items or ():
            made.append(make(item, context))  # noqa: PERF401 - a refusal has to know how many were made
    except RefusedError as refused:
        raise refused.below(f"{name}[{len(made)}]") from None
    return tuple([one for one in made if one is not None]) if None in made else tuple(made)  # type: ignore[arg-type]


def missing(name: str, code: str | None = None) -> NoReturn:
    """Refuse what lacks a text that must be there, as ``missing_NAME`` unless another code is given."""
    raise RefusedError(code or f"missing_{name}", f"Expected {name} as text, found none.", name)


def step(key: str) -> str:
    """Return a key as a step of a path: ``[...]`` where it is no plain identifier."""
    return key if _PLAIN_KEY.fullmatch(key) else "[...]"


def canonical_json(value: Any) -> str:
    """Return a decoded JSON value as JSON with sorted keys and no blanks: one text for one value."""
    return msgspec.json.encode(value, order="sorted").decode()
