"""Files that were pulled before, by their content: a second tree is linked from here, not downloaded."""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from labelsnap.snapshots.reading.content import is_copy

if TYPE_CHECKING:
    from pathlib import Path

    from labelsnap.snapshots.manifest import File

_READ_ONLY: Final = 0o444
_PARTIAL: Final = ".partial"
_OF_A_COPY: Final = re.compile("[0-9a-f]{32}")
_ABANDONED_SECONDS: Final = 24 * 3600
"""A copy that nobody wrote to for so long is one of a pull that was killed."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of files named by their sha256, to be shared by trees, processes and users, and deleted at any time.

    An entry is a hard link to the file in the tree, so both are one file and read-only; on another file system it is a
    copy. Each use hashes the entry again: one that was changed in place is thrown away, not given out.
    """

    root: Path

    def give(self, file: File, path: Path) -> bool:
        """Put the file's content at ``path``, where nothing stands yet; False when it is not here, or damaged."""
        entry = self._entry(file)
        if not entry.is_file():
            return False
        if not is_copy(entry, file):
            entry.unlink(missing_ok=True)
            return False
        try:
            os.link(entry, path)
        except OSError:  # another file system, one without hard links, or too many of them
            shutil.copyfile(entry, path)
        return True

    def take(self, file: File, path: Path) -> None:
        """Keep the file's content, which lies checked at ``path``."""
        entry = self._entry(file)
        entry.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, entry)
        except FileExistsError:
            return
        except OSError:
            self._copy(path, entry)
        entry.chmod(_READ_ONLY)

    def tidy(self) -> None:
        """Remove what killed pulls left half copied; other pulls' copies, and what is not ours, stay."""
        for path in (self.root / _PARTIAL).glob("*"):
            with suppress(OSError):  # another's who tidies too, or of another user
                if _OF_A_COPY.fullmatch(path.name) and time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()

    def _entry(self, file: File) -> Path:
        return self.root / file.sha256[:2] / file.sha256

    def _copy(self, path: Path, entry: Path) -> None:
        """Copy so that nobody ever sees half an entry."""
        partial = self.root / _PARTIAL / uuid4().hex
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(path, partial)
            partial.replace(entry)
        finally:
            partial.unlink(missing_ok=True)
