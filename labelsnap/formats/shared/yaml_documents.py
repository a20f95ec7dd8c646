"""YAML that every reader takes for the same: those of YAML 1.0, 1.1 and 1.2 read plain scalars differently."""

from __future__ import annotations

from typing import Any, Final

import yaml

_WIDTH: Final = 4096
_WORDS: Final = frozenset(
    "y n yes no on off true false t f null none nil nan inf infinity".split()  # noqa: SIM905 - they read better so
)
"""What begins with a letter and is read as a truth value, as nothing or as a number somewhere, in lower case."""


class _Dumper(yaml.SafeDumper):
    """Writes text plainly only where it cannot be anything else."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Quote what does not begin with a letter, which may be a number, a date or a time, and words with a meaning.

    Line breaks of any kind are escaped, because readers make a space of them.
    """
    is_word = text[:1].isalpha() and text.lower() not in _WORDS
    style = '"' if not text.isprintable() else None if is_word else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(document: Any) -> str:
    """Write a document of plain values, keys in their order."""
    written: str = yaml.dump(document, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=_WIDTH)
    return written
