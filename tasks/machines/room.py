"""A disk that nothing more can be written to: which of this machine's it is, and what to do about it."""

from __future__ import annotations

import os
import socket
from errno import EDQUOT, ENOSPC, EROFS
from tempfile import gettempdir
from typing import Final

from labelsnap.errors import StorageRefusedError

NO_ROOM: Final = {ENOSPC, EDQUOT, EROFS}
"""How a disk says so. No connection does."""


def scratch_folder() -> str:
    """Where this process keeps what it needs for a while."""
    try:
        return os.environ.get("LABELSNAP_TEMPORARY_DIRECTORY") or gettempdir()
    except OSError:  # Python tries several, and none can be written
        return "that the system has"


def scratch_fault(error: OSError) -> StorageRefusedError | None:
    """What is wrong with the scratch space of this machine; None where the error says nothing about that."""
    return no_scratch(error) if error.errno in NO_ROOM else None


def no_scratch(error: OSError) -> StorageRefusedError:
    """The error for scratch space that cannot be written."""
    return StorageRefusedError(
        f"The scratch space {scratch_folder()} on {socket.gethostname()} cannot be written: {error.strerror or error}.",
        remedy="Nothing was published. Make room there, or set LABELSNAP_TEMPORARY_DIRECTORY to a larger disk, and run "
        "again: what was fetched is kept.",
        code="scratch_full",
    )
