"""Prefect's work pools: which names one may have, and one that is made where there is none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from labelsnap.errors import ConfigurationError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

NAME: Final = re.compile(r"(?=.*\w)[^/\\%&<>?#\x00-\x1f\x7f]{1,200}")
"""What Prefect takes as a name, and what its client can put into an address as it is."""
RESERVED: Final = "prefect"
"""Prefect makes pools of its own whose names begin so, in whatever case, and lets nobody else make one."""


def check_pool_name(name: str) -> None:
    """Raise ``ConfigurationError`` for what is no name of a pool."""
    if not NAME.fullmatch(name):
        raise _bad_name(name, "Prefect takes 1 to 200 characters without any of / \\ % & < > ? #")


def make_pool(client: SyncPrefectClient, name: str) -> None:
    """Make a process pool where there is none of this name. Raises ``ConfigurationError`` for one that is reserved."""
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        if name.lower().startswith(RESERVED):
            raise _bad_name(name, f"names that begin with {RESERVED!r} are reserved, and there is none yet") from None
        try:
            client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        except ObjectAlreadyExists:
            return


def _bad_name(name: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"No work pool can be named {name[:80]!r}: {why}.", remedy="Give another --pool.", code="bad_pool"
    )
