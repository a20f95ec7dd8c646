"""Where things lie below a dataset's URL. FORMAT.md is the specification."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from tasks.errors import StorageRefusedError

COMMITS: Final = "commits/"
MANIFESTS: Final = "manifests/"
DATA: Final = "data/"
WORK: Final = "work/"
KEY_DIGEST_LENGTH: Final = 16  # hexadecimal digits of the sha256 that a data object's key carries
_COMMIT: Final = re.compile(r"commits/(?P<version>\d{20})(?:-(?P<write_id>[0-9a-f]{32}))?\.json")


class CommitKey(NamedTuple):
    """What a commit record's key says."""

    version: int
    key: str


def commit_key(version: int, write_id: str | None = None) -> str:
    """Return the key of a version's commit record; ``write_id`` for stores without conditional creation."""
    return f"{COMMITS}{version:020d}{f'-{write_id}' if write_id else ''}.json"


def parse_commit_key(key: str) -> CommitKey:
    """Return the version of a key below ``commits/``. Raises StorageRefusedError when it is no commit record's."""
    if (match := _COMMIT.fullmatch(key)) is None:
        raise StorageRefusedError(
            f"Expected only commit records below {COMMITS!r}, found {key!r}.",
            remedy="Move the object away, or use the labelsnap version that wrote it.",
            code="commit_key",
        )
    return CommitKey(int(match["version"]), key)


def manifest_key(sha256: str) -> str:
    """Return the key of the manifest with this digest."""
    return f"{MANIFESTS}{sha256}.json"


def data_key(path: str, sha256: str) -> str:
    """Return ``data/PATH`` with the first 16 digits of the content's sha256 before the name's first dot.

    ``tables/a.parquet`` becomes ``data/tables/a-0123456789abcdef.parquet``.
    """
    folder, slash, name = check_path(path).rpartition("/")
    stem, dot, extension = name.partition(".")
    return f"{DATA}{folder}{slash}{stem}-{sha256[:KEY_DIGEST_LENGTH]}{dot}{extension}"


def work_key(run: str, path: str) -> str:
    """Return the key of something that a running refresh sets aside; it belongs to no snapshot."""
    return f"{WORK}{check_path(run)}/{check_path(path)}"


def check_path(path: str) -> str:
    """Return a relative path with ``/`` that stays below any folder it is put in. Raises StorageRefusedError."""
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts) or "\\" in path or not path.isprintable() or ":" in parts[0]:
        raise StorageRefusedError(
            f"Expected a relative path of plain names, found {path!r}.",
            remedy="The manifest, or the name it was made from, is damaged: pull another version of the dataset.",
            code="unsafe_path",
        )
    return path


def check_tree(paths: list[str]) -> None:
    """Check that the sorted paths can be one tree of files. Raises StorageRefusedError.

    Each is safe, none stands twice, and none is the folder of another.
    """
    names = {check_path(path) for path in paths}
    folders = {parent.as_posix() for path in paths for parent in PurePosixPath(path).parents}
    clashing = sorted(names & folders)
    if clashing or len(names) != len(paths) or paths != sorted(paths):
        found = f"{clashing[0]!r} as file and folder" if clashing else "repeated or unsorted ones"
        raise StorageRefusedError(
            f"Expected paths that make one sorted tree, found {found}.",
            remedy="Give every file of a snapshot a path of its own.",
            code="path_clash",
        )
