"""Prefect's own settings: which of them its client cannot be loaded with."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from labelsnap.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX: Final = "PREFECT_"


def fault_of_settings() -> ConfigurationError | None:
    """The error for settings that Prefect refuses, by the variables' names; None where it takes them.

    A value may be a secret, or hold one, and is not shown.
    """
    if _loads():
        return None
    names = sorted(name for name in os.environ if name.startswith(PREFIX))
    refused = [name for name in names if not _loads_with(name)]
    with _only(()):
        of_files = not _loads()
    where = "its profile, prefect.toml or .env" if of_files else ", ".join(refused or names)
    return ConfigurationError(
        f"Prefect cannot read its settings: it refuses what {where} says.",
        remedy="Correct or unset that, and run again: nothing was started. `prefect config view` shows what is set.",
        code="bad_prefect_setting",
    )


def _loads() -> bool:
    from prefect.settings import Settings  # noqa: PLC0415 - seconds, and only commands that failed ask

    try:
        Settings()
    except ValidationError:
        return False
    return True


def _loads_with(name: str) -> bool:
    with _only((name,)):
        return _loads()


@contextmanager
def _only(names: tuple[str, ...]) -> Iterator[None]:
    """Of Prefect's variables the environment has these alone in the block."""
    before = {name: value for name, value in os.environ.items() if name.startswith(PREFIX) and name not in names}
    for name in before:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)
