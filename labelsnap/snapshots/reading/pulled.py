"""What pulls have put in a folder: known until a whole tree stands there, so that what is of no use goes.

``snapshot.json`` lists the files of a whole tree, and goes before the first of them is changed. From then on the list
is ``.labelsnap-pulled``: a line a file, of the tree before and of the new one, each written before the file is. Whoever
pulls has that file locked; the lock ends with the process, the list when the new ``snapshot.json`` stands, or when the
pull ends without having changed anything. So after any crash the next pull knows all that may be removed or replaced.
Paths in both are as trustworthy as the folder: nothing is removed outside it, and no file that is not as it was
written.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, Final

import msgspec

from labelsnap.decoders import decoder_of
from labelsnap.errors import StorageRefusedError
from labelsnap.records.choices.names import folded
from labelsnap.snapshots.manifest import NOT_SUCH_JSON, File
from labelsnap.snapshots.reading.content import sha256_of
from labelsnap.snapshots.reading.places import folder_of, folder_refused, target_of
from labelsnap.snapshots.values import Sha256, Size
from labelsnap.storage.beneath import opened_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import BufferedRandom
    from pathlib import Path

RECEIPT: Final = "snapshot.json"
PULLED: Final = ".labelsnap-pulled"

log = logging.getLogger(__name__)


class _Entry(msgspec.Struct, frozen=True):
    size: Size
    sha256: Sha256


class _Receipt(msgspec.Struct, frozen=True):
    ref: str
    files: dict[str, _Entry]


class _Line(msgspec.Struct, frozen=True, array_like=True):
    path: str
    size: Size
    sha256: Sha256


@dataclass(slots=True)
class Pulled:
    """The list of a folder (``root``, resolved) while a pull works in it.

    ``earlier`` are the sha256s (hex, separated by blanks) of what pulls before this one have written, by path;
    ``paths`` those of the new tree so far, ``folded`` what file systems that ignore case take some of them for.
    ``changed`` tells whether a file was written or removed. ``mended`` files were changed since, and are set right: the
    new tree has there what was written.
    """

    root: Path
    file: BufferedRandom
    overwrite: bool = False
    earlier: dict[str, str] = field(default_factory=dict)
    paths: set[str] = field(default_factory=lambda: {RECEIPT})
    folded: set[str] = field(default_factory=set)
    changed: bool = False
    mended: int = 0

    def claim(self, files: Sequence[File]) -> None:
        """Take the paths for the new tree. Raises StorageRefusedError when two files would stand at one.

        One that leads out of the folder is named as that.
        """
        for file in files:
            name = folded(file.path)
            if name in self.paths or name in self.folded:
                target_of(self.root, file.path)
                raise StorageRefusedError(
                    f"Expected one file at every path, found two for {file.path!r}.",
                    remedy="Publish the dataset again with names that are unique in each split.",
                    code="path_clash",
                )
            self.paths.add(file.path)
            if name != file.path:
                self.folded.add(name)

    def expect(self, files: Sequence[File]) -> None:
        """Write down files that are about to be written, and make way for them.

        Raises StorageRefusedError, before any of them is, when another file stands there that no pull has written, or
        that was changed since.
        """
        in_the_way = [file.path for file in files if not self._is_free(file)]
        self._begin()
        for path in in_the_way:
            self._make_way(path)
        self._append([_Line(file.path, file.size, file.sha256) for file in files])

    def finish(self) -> tuple[int, int]:
        """Remove what pulls have written and is not in the new tree; return how many files, and how many stay.

        One that is not as it was written stays.
        """
        self._begin()
        outcomes = {line.path: False for line in self._lines() if line.path not in self.paths}
        for line in self._lines():
            if line.path in outcomes and self._remove(line):
                outcomes[line.path] = True
        left = [path for path, removed in outcomes.items() if not removed and self._stands(path)]
        return sum(outcomes.values()), len(left)

    def is_empty(self) -> bool:
        """Say whether no pull has written anything that is listed."""
        return next(self._lines(), None) is None

    def adopt(self) -> None:
        """Go on from what earlier pulls left: a whole tree's ``snapshot.json``, and the list of one broken off."""
        receipt = self.root / RECEIPT
        if os.path.lexists(receipt):
            self._append(self._listed(receipt))
        for line in self._lines():
            known = self.earlier.get(line.path)
            if known is None or line.sha256 not in known.split():
                self.earlier[line.path] = f"{known} {line.sha256}" if known else line.sha256

    def _begin(self) -> None:
        """From now on the folder is not the tree that its ``snapshot.json`` lists."""
        self.changed = True
        (self.root / RECEIPT).unlink(missing_ok=True)

    def _listed(self, receipt: Path) -> list[_Line]:
        try:
            files = decoder_of(_Receipt).decode(receipt.read_bytes()).files
        except NOT_SUCH_JSON:
            if not self.overwrite:
                raise _not_pulled(receipt) from None
            return []
        return [_Line(path, entry.size, entry.sha256) for path, entry in files.items()]

    def _append(self, lines: Sequence[_Line]) -> None:
        """Write lines to the disk, after whatever a crash left of the last one."""
        self.file.seek(0, os.SEEK_END)
        self.file.write(b"".join([b"\n", *(msgspec.json.encode(line) + b"\n" for line in lines)]))
        self.file.flush()
        os.fsync(self.file.fileno())

    def _lines(self) -> Iterator[_Line]:
        self.file.seek(0)
        for line in self.file:
            try:
                yield decoder_of(_Line).decode(line)
            except NOT_SUCH_JSON:  # nothing that it could list was written
                continue

    def _is_free(self, file: File) -> bool:
        """Say whether a file can be written to its path, in place of what a pull has written; False: way must be made.

        Raises StorageRefusedError when another file stands there.
        """
        target = self.root / file.path
        try:
            mode = target.lstat().st_mode
        except FileNotFoundError:
            return True
        except NotADirectoryError:
            return False
        if S_ISDIR(mode):
            return False
        written = self.earlier.get(file.path, "").split()
        if not self.overwrite and not (S_ISREG(mode) and sha256_of(target) in written):
            if file.sha256 not in written:
                raise _not_pulled(target)
            self.mended += 1
        return True

    def _make_way(self, path: str) -> None:
        """Remove what pulls have written where the path needs a folder, or in a folder that stands at it."""
        folders = {folder.as_posix() for folder in PurePosixPath(path).parents}
        for line in self._lines():
            if (line.path in folders or line.path.startswith(f"{path}/")) and line.path not in self.paths:
                self._remove(line)

    def _stands(self, path: str) -> bool:
        try:
            return os.path.lexists(target_of(self.root, path))
        except StorageRefusedError:
            return False

    def _remove(self, line: _Line) -> bool:
        """Remove a file that is as it was written, and folders that are empty then."""
        try:
            with folder_of(self.root, line.path) as (folder, name):
                if not _is_as_written(name, folder, line):
                    return False
                os.unlink(name, dir_fd=folder)
        except (StorageRefusedError, FileNotFoundError, NotADirectoryError):
            return False
        for above in PurePosixPath(line.path).parents[:-1]:
            try:
                with folder_of(self.root, above.as_posix()) as (folder, name):
                    os.rmdir(name, dir_fd=folder)
            except (StorageRefusedError, OSError):  # something is in it, or it is a link
                break
        return True


def _is_as_written(name: str, folder: int, line: _Line) -> bool:
    """Say whether a file of an open folder is what a pull has written there. Raises OSError where there is none."""
    if not S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        return False
    with os.fdopen(opened_file(name, folder), "rb") as file:
        if os.fstat(file.fileno()).st_size != line.size:
            return False
        return hashlib.file_digest(file, "sha256").hexdigest() == line.sha256


@contextmanager
def pulling(directory: Path, *, overwrite: bool = False) -> Iterator[Pulled]:
    """Make the folder if need be, and have it alone; when the block ends well, what it finished is all there is.

    With ``overwrite`` files that are not as a pull has written them may be replaced. Raises StorageRefusedError while
    another pull has the folder, and when it cannot be written.
    """
    root = directory.resolve()
    try:
        root.mkdir(parents=True, exist_ok=True)
        file = _locked(root)
    except OSError as error:
        raise folder_refused(root, error) from error
    with file:
        pulled = Pulled(root, file, overwrite)
        was_empty = pulled.is_empty()
        try:
            pulled.adopt()
            yield pulled
        except BaseException as error:
            if pulled.is_empty() or (was_empty and not pulled.changed):
                (root / PULLED).unlink()
            if isinstance(error, OSError):
                raise folder_refused(root, error) from error
            raise
        (root / PULLED).unlink()


def _locked(root: Path) -> BufferedRandom:
    """Open the list of a folder, and lock it: the one that is there, not one that a pull has just removed."""
    path = root / PULLED
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666), "a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise _taken(root) from None
        except OSError as error:
            log.warning("%s is on a file system without locks (%s): let one pull use it at a time", root, error)
            return file
        try:
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        file.close()


def _taken(root: Path) -> StorageRefusedError:
    return StorageRefusedError(
        f"Expected {root} to be free, found that another pull works in it.",
        remedy="Wait until it ends, or pull into another folder.",
        code="pull_running",
    )


def _not_pulled(path: Path) -> StorageRefusedError:
    return StorageRefusedError(
        f"Expected to write {path}, found a file there that no pull has written, or that was changed since.",
        remedy="Move it away, or pull into another folder, or give --overwrite.",
        code="file_stands",
    )
