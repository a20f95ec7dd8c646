"""What a snapshot consists of: files by logical path, each bound to an object and its sha256."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec

from tasks.errors import StorageRefusedError
from tasks.snapshots.decoders import decoder_of
from tasks.snapshots.layout import check_tree

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT_VERSION: Final = 1
NOT_SUCH_JSON: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON, or not of the type asked for, or nested too deep to read."""
RESTORE: Final = "Restore the object from a copy of the bucket, or use another version of the dataset."
UNREADABLE: Final = frozenset({"object_damaged", "format_version", "unsafe_path", "path_clash"})
"""Codes of errors for bytes that are there and cannot be used, or are not there; not of a store that says no."""
_NO_CONTENT: Final = ("raw/", "tables/problems/", "tables/left/")
"""What a raw export changes each time (line numbers, task ids), and rows that are not in the snapshot."""
_DESCRIPTIONS: Final = {"croissant.json", "report.html"}  # name the snapshot they belong to


Stored = TypeVar("Stored", bound=msgspec.Struct)


class _Versioned(msgspec.Struct):
    format_version: int


class Part(msgspec.Struct, frozen=True, array_like=True):
    """``size`` bytes of the object ``key``, a pack, from ``offset``."""

    key: str
    offset: int
    size: int


class File(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of the snapshot: ``size`` bytes with ``sha256`` (hexadecimal) under the logical ``path``.

    It is the object ``key``, or, where ``offset`` is given, ``size`` bytes of that object (a pack) from ``offset``. A
    file with ``parts`` is what these give one after another; its ``key`` is "".
    """

    path: str
    key: str
    size: int
    sha256: str
    offset: int | None = None
    parts: tuple[Part, ...] = ()

    @property
    def ranges(self) -> tuple[Part, ...]:
        """Return where the bytes of a file that is no member of a pack lie: its parts, or its whole object."""
        return self.parts or (Part(self.key, 0, self.size),)


class Pack(msgspec.Struct, frozen=True):
    """An object that files are parts of: a plain tar of many small ones, or bytes that files are joined from."""

    key: str
    size: int
    sha256: str


class Contents(Protocol):
    """Files and packs of a snapshot: all of them, as its manifest has them, or a part."""

    @property
    def files(self) -> tuple[File, ...]:
        """The files."""

    @property
    def packs(self) -> tuple[Pack, ...]:
        """The packs."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole snapshot. Files are sorted by path and packs by key; ``created_at`` is RFC 3339 in UTC.

    ``software`` names the code that wrote it: of the same rows, the same code makes the same files.
    """

    format_version: int = FORMAT_VERSION
    dataset: str
    created_at: str
    config: dict[str, Any]
    result: dict[str, Any]
    files: tuple[File, ...]
    packs: tuple[Pack, ...] = ()
    software: str | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(
        cls,
        *,
        dataset: str,
        created_at: str,
        config: dict[str, Any],
        result: dict[str, Any],
        files: list[File],
        packs: list[Pack],
        software: str | msgspec.UnsetType = msgspec.UNSET,
    ) -> Manifest:
        """Make a manifest of files and packs in any order; a pack used twice is listed once.

        Raises StorageRefusedError when the paths are no tree.
        """
        ordered = tuple(sorted(files, key=lambda file: file.path))
        check_tree([file.path for file in ordered])
        return cls(
            dataset=dataset,
            created_at=created_at,
            config=config,
            result=result,
            files=ordered,
            packs=tuple(sorted(set(packs), key=lambda pack: pack.key)),
            software=software,
        )

    def file(self, path: str) -> File | None:
        """Return the file of this logical path; None: there is none."""
        return next((file for file in self.files if file.path == path), None)

    def packs_of(self, files: Iterable[File]) -> tuple[Pack, ...]:
        """Return the packs that these files are joined from, by key."""
        keys = {part.key for file in files for part in file.parts}
        return tuple(pack for pack in self.packs if pack.key in keys)

    def below(self, folder: str) -> tuple[File, ...]:
        """Return the files whose path starts with ``folder`` (``tables/``)."""
        return tuple(file for file in self.files if file.path.startswith(folder))


def encode(value: msgspec.Struct) -> bytes:
    """Return canonical JSON: sorted keys, no spaces, UTF-8; equal values give equal bytes."""
    return msgspec.json.encode(value, order="sorted")


def digest(body: bytes) -> str:
    """Return the sha256 in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def decode_manifest(body: bytes, sha256: str) -> Manifest:
    """Read a manifest whose bytes must have this digest. Raises StorageRefusedError."""
    if (found := digest(body)) != sha256:
        raise damaged(f"manifest {sha256}", f"bytes with sha256 {found}")
    manifest = decode(body, Manifest, name=f"manifest {sha256}")
    check_tree([file.path for file in manifest.files])
    return manifest


def decode(body: bytes, kind: type[Stored], *, name: str, remedy: str = RESTORE) -> Stored:
    """Read a manifest or commit record of the format version this code knows. Raises StorageRefusedError."""
    try:
        version = decoder_of(_Versioned).decode(body).format_version
        if version == FORMAT_VERSION:
            return decoder_of(kind).decode(body)
    except NOT_SUCH_JSON as error:
        raise damaged(name, f"JSON that does not fit: {error}", remedy=remedy) from error
    raise StorageRefusedError(
        f"Expected {name} in format version {FORMAT_VERSION}, found version {version}.",
        remedy="Use a later labelsnap.",
        code="format_version",
    )


def same_content(one: Manifest, other: Manifest) -> bool:
    """Say whether two snapshots are the same to whoever trains on them.

    Equal are the configuration as given and every file by path and sha256, except what changes with each export
    though no label did: the raw export, the problems table (it holds line numbers), and the descriptions that name
    the snapshot itself (``croissant.json``, ``report.html``); nor do rows count that it lacks (the table ``left``).
    Packs count through the tables that point into them.
    """
    return one.config == other.config and _content(one) == _content(other)


def _content(manifest: Manifest) -> dict[str, str]:
    return {
        file.path: file.sha256
        for file in manifest.files
        if not file.path.startswith(_NO_CONTENT) and file.path.rpartition("/")[2] not in _DESCRIPTIONS
    }


def damaged(what: str, found: str, *, remedy: str = RESTORE) -> StorageRefusedError:
    """Return the error for an object whose bytes are not those that were written."""
    return StorageRefusedError(
        f"Expected {what} as it was written, found {found}.",
        remedy=remedy,
        code="object_damaged",
    )
