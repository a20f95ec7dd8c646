"""Damaged bytes and damaged JSON, drawn from one generator of random numbers: the same seed, the same damage."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

    Mutate = Callable[[Random, bytes, Sequence[bytes]], bytes]
    """A generator, the bytes to damage and all seeds → damaged bytes."""

LONGEST = 1 << 20
"""No mutation is longer, in bytes: what is sent is bounded, whatever it asks for."""
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 2**63 - 1, 2**63)
_HOLE = re.compile(rb'"\\u0000(digits|fraction|deep|wide) (\d+)"')
"""What no JSON writer writes stands as a text for it until the end: see ``_filled``."""
_ODD_TEXT = ("", " ", "\0", "\ud83d", "é", "e\u0301", "\u202e", "\x1b[31m", "../x", "/etc/passwd", "a" * 300, "NaN")
_ODD = (None, True, False, 0, -1, 1, 1.5, 1e308, -0.0, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, [], {}, [[]])
_HOLES = ("\0digits 5000", "\0fraction 5000", "\0deep 300", "\0deep 100000", "\0wide 3000")


def bytes_mutator(tokens: Sequence[bytes] = ()) -> Mutate:
    """Damage bytes in one to five places; ``tokens`` are words that the format knows."""

    def mutate(generator: Random, body: bytes, seeds: Sequence[bytes]) -> bytes:
        made = bytearray(body)
        for _ in range(generator.choice((1, 1, 1, 2, 3, 5))):
            _damage(generator, made, seeds, tokens)
            del made[LONGEST:]
        return bytes(made)

    return mutate


def _damage(  # noqa: C901 - one case a kind of damage
    generator: Random, made: bytearray, seeds: Sequence[bytes], tokens: Sequence[bytes]
) -> None:
    """Damage one place."""
    size = len(made)
    place = generator.randrange(size + 1)
    end = min(size, place + generator.choice((1, 2, 4, 16, 100, size)))
    match generator.randrange(10 if tokens else 8):
        case 0 if place < size:
            made[place] ^= 1 << generator.randrange(8)
        case 1:
            made[place:end] = generator.randbytes(end - place)
        case 2:
            number = generator.choice(INTERESTING) + generator.choice((-1, 0, 0, 1))
            width = generator.choice((1, 2, 4, 8))
            order: Any = generator.choice(("big", "little"))
            made[place : place + width] = (number % 256**width).to_bytes(width, order)
        case 3:
            del made[place:end]
        case 4:
            del made[place:]
        case 5:
            other = generator.choice(seeds)
            made[place:] = other[generator.randrange(len(other) + 1) :]
        case 6:
            made[place:place] = bytes(made[place:end]) * generator.choice((1, 1, 2, 50))
        case 7:
            made[place:place] = generator.randbytes(generator.choice((1, 2, 4, 20)))
        case 8:
            made[place:place] = generator.choice(tokens)
        case _ if tokens:
            token = generator.choice(tokens)
            made[place : place + len(token)] = token


def json_mutator(tokens: Sequence[bytes] = (), *, share_of_bytes: float = 0.2) -> Mutate:
    """Damage JSON's values in one to five places, or, in a share of cases and where it is none, its bytes."""
    of_bytes = bytes_mutator(tokens)

    def mutate(generator: Random, body: bytes, seeds: Sequence[bytes]) -> bytes:
        try:
            value = json.loads(body)
        except ValueError:
            return of_bytes(generator, body, seeds)
        if generator.random() < share_of_bytes:
            return of_bytes(generator, body, seeds)
        value = damaged_value(generator, value)
        spaced = (None, (",", ":"))[generator.randrange(2)]
        return filled(json.dumps(value, ensure_ascii=generator.random() < 0.5, separators=spaced))

    return mutate


def damaged_value(generator: Random, value: Any) -> Any:
    """Damage JSON's values in one to five places."""
    root = [value]
    for _ in range(generator.choice((1, 1, 1, 2, 3, 5))):
        places = list(islice(_places(root), 5000))
        holder, key = generator.choice(places)
        _damage_value(generator, holder, key)
    return root[0]


def _places(root: Any) -> Iterator[tuple[Any, Any]]:
    """Every list or object with an index or a key of it."""
    waiting = [root]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            yield holder, key
            if isinstance(holder[key], dict | list) and holder[key]:
                waiting.append(holder[key])


def _damage_value(generator: Random, holder: Any, key: Any) -> None:  # noqa: C901 - one case a kind of damage
    value = holder[key]
    match generator.randrange(9):
        case 0:
            del holder[key]
            if isinstance(holder, list) and not holder:
                holder.append(None)
        case 1 if isinstance(holder, dict):
            holder[generator.choice((key + "x", key.upper(), *_ODD_TEXT))] = holder.pop(key)
        case 1 | 2 if isinstance(holder, list):
            holder.insert(generator.randrange(len(holder) + 1), value)
        case 3:
            holder[key] = [value] if generator.random() < 0.5 else {"": value}
        case 4 if isinstance(value, str):
            place = generator.randrange(len(value) + 1)
            holder[key] = value[:place] + generator.choice(_ODD_TEXT) + value[place + generator.randrange(3) :]
        case 4 if isinstance(value, int | float):
            holder[key] = value * generator.choice((-1, 0, 1.5, 10**6, 10**12)) + generator.choice((0, 1, -1))
        case 5:
            holder[key] = generator.choice(_HOLES)
        case 6:
            holder[key] = generator.choice(_ODD_TEXT)
        case 7:
            holder[key] = str(value)[:1000] if not isinstance(value, str) else generator.choice((len(value), [value]))
        case _:
            holder[key] = generator.choice(_ODD)
            if isinstance(holder[key], list | dict):
                holder[key] = type(holder[key])()


def filled(text: str) -> bytes:
    """Write a JSON text with what no writer writes: half characters, numbers of thousands of digits, and nesting."""
    return _HOLE.sub(_filling, text.encode("utf-8", "surrogatepass"))


def _filling(hole: re.Match[bytes]) -> bytes:
    kind, size = hole[1], int(hole[2])
    match kind:
        case b"digits":
            return b"9" * size
        case b"fraction":
            return b"1." + b"9" * size + b"e999"
        case b"deep":
            return b"[" * size + b"]" * size
        case _:
            return b"[" + b"0," * size + b"0]"
