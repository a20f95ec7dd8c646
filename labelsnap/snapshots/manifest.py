"""What a snapshot consists of: files by logical path, each bound to an object and its sha256."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Meta

from labelsnap.decoders import converted, decoder_of
from labelsnap.errors import StorageRefusedError
from labelsnap.records.choices.selection import OF_OUTPUTS
from labelsnap.snapshots.layout import OBJECT
from labelsnap.snapshots.paths import check_tree
from labelsnap.snapshots.tables.bucket_paths import stray_table
from labelsnap.snapshots.values import LARGEST_SIZE, MAX_PARTS, Moment, Number, Sha256, Size

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

FORMAT_VERSION: Final = 1
"""That of records, and of every manifest that a reader of version 1 reads right."""
OF_SELECTIONS: Final = 2
"""That of a manifest with outputs that have names of their own, ``classes`` or ``kinds``."""
NOT_SUCH_JSON: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON, or not of the type asked for, or nested too deep to read."""
RESTORE: Final = "Restore the object from a copy of the bucket, or use another version of the dataset."
UNREADABLE: Final = frozenset(
    {"object_damaged", "object_too_long", "not_an_object", "format_version", "unsafe_path", "path_clash"}
)
"""Codes of errors for bytes that are there and cannot be used, or are not there; not of a store that says no."""
FREE_BYTES: Final = 8 << 20  # of a manifest's configuration, and of its result
_NO_CONTENT: Final = ("raw/", "tables/problems/", "tables/left/", "parts/")
"""What a raw export changes each time (line numbers, task ids), rows that are not in the snapshot, and what tells of
other files alone."""
_DESCRIPTIONS: Final = {"croissant.json", "report.html"}  # name the snapshot they belong to


Stored = TypeVar("Stored", bound=msgspec.Struct)


class _Versioned(msgspec.Struct):
    format_version: Number


class _Free(msgspec.Struct, frozen=True):
    """What a manifest has of any form, unread: JSON of nothing takes 30 times its bytes once it is read."""

    config: msgspec.Raw = msgspec.Raw(b"{}")
    result: msgspec.Raw = msgspec.Raw(b"{}")


class Part(msgspec.Struct, frozen=True, array_like=True):
    """``size`` bytes of the object ``key``, a pack, from ``offset``."""

    key: str
    offset: Size
    size: Size


class File(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of the snapshot: ``size`` bytes with ``sha256`` (hexadecimal) under the logical ``path``.

    It is the object ``key``, or, where ``offset`` is given, ``size`` bytes of that object (a pack) from ``offset``. A
    file with ``parts`` is what these give one after another; its ``key`` is "".
    """

    path: str
    key: str
    size: Size
    sha256: Sha256
    offset: Size | None = None
    parts: Annotated[tuple[Part, ...], Meta(max_length=MAX_PARTS)] = ()

    @property
    def ranges(self) -> tuple[Part, ...]:
        """Return where the file's bytes lie: its parts, or one object or a range of it."""
        return self.parts or (Part(self.key, self.offset or 0, self.size),)


class Pack(msgspec.Struct, frozen=True):
    """An object that files are parts of: a plain tar of many small ones, or bytes that files are joined from."""

    key: str
    size: Size
    sha256: Sha256


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
    created_at: Moment
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

        Raises StorageRefusedError when the paths are no tree, or configuration or result are longer than readers take.
        """
        for name, value in (("configuration", config), ("result", result)):
            readable_size(f"the {name} of a snapshot", msgspec.json.encode(value, order="sorted"), FREE_BYTES)
        ordered = tuple(sorted(files, key=lambda file: file.path))
        check_tree([file.path for file in ordered])
        return cls(
            format_version=_version_of(config),
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
        return packs_of(self, files)

    def below(self, folder: str) -> tuple[File, ...]:
        """Return the files whose path starts with ``folder`` (``tables/``)."""
        return tuple(file for file in self.files if file.path.startswith(folder))


def _version_of(config: dict[str, Any]) -> int:
    """Return 2 where an earlier reader would lay out an output wrongly: without images, for it knows no such format."""
    outputs = config.get("formats")
    options = outputs.values() if isinstance(outputs, dict) else ()
    selects = any(isinstance(each, dict) and not each.keys().isdisjoint(OF_OUTPUTS) for each in options)
    return OF_SELECTIONS if selects else FORMAT_VERSION


def packs_of(contents: Contents, files: Iterable[File]) -> tuple[Pack, ...]:
    """Return those packs of a snapshot, or a part of it, that these files are joined from."""
    keys = {part.key for file in files for part in file.parts}
    return tuple(pack for pack in contents.packs if pack.key in keys)


def encode(value: msgspec.Struct) -> bytes:
    """Return canonical JSON: sorted keys, no spaces, UTF-8; equal values give equal bytes."""
    return msgspec.json.encode(value, order="sorted")


def readable_size(name: str, body: bytes, most: int) -> bytes:
    """Return what is about to be written. Raises StorageRefusedError where it is longer than readers take."""
    if len(body) > most:
        raise StorageRefusedError(
            f"Expected to write {most} bytes at most as {name}, found {len(body)}, which no reader would take.",
            remedy="Nothing was published. Look in the dataset file, the project's ontology and the versions that are "
            "kept for what there is so much of.",
            code="too_long_to_publish",
        )
    return body


def digest(body: bytes) -> str:
    """Return the sha256 in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def decode_manifest(body: bytes, sha256: str) -> Manifest:
    """Read a manifest whose bytes must have this digest. Raises StorageRefusedError."""
    if (found := digest(body)) != sha256:
        raise damaged(f"manifest {sha256}", f"bytes with sha256 {found}")
    name = f"manifest {sha256}"
    free = decode(body, _Free, name=name, known=(FORMAT_VERSION, OF_SELECTIONS))
    if (size := max(memoryview(free.config).nbytes, memoryview(free.result).nbytes)) > FREE_BYTES:
        raise damaged(name, f"a configuration or a result of {size} bytes")
    manifest = _fitting(body, Manifest, name=name)
    check_tree([file.path for file in manifest.files])
    if (path := stray_table(file.path for file in manifest.files)) is not None:
        raise damaged(name, f"the table {path!r}, which is of no bucket that can be beside its others")
    check_places(manifest.files, manifest.packs, name)
    _read_as(Told, manifest.result, name)
    _read_as(Applied, manifest.config, name)
    return manifest


def check_places(files: Iterable[File], packs: Collection[Pack], name: str) -> None:
    """Check where files and packs lie that ``name`` tells of. Raises StorageRefusedError."""
    objects = {pack.key: (pack.size, pack.sha256) for pack in packs}
    for file in files:
        if (wrong := _misplaced(file) or _contradicted(file, objects)) is not None:
            raise damaged(name, f"the file {file.path!r} {wrong}")
    if (stray := next((pack.key for pack in packs if OBJECT.match(pack.key) is None), None)) is not None:
        raise damaged(name, f"a pack under the key {stray!r}, which no object has")


def _misplaced(file: File) -> str | None:
    """Say what is wrong with where a file lies; None: nothing."""
    if file.parts and (file.key or file.offset is not None or sum(part.size for part in file.parts) != file.size):
        return "in parts that are not the whole of it"
    for part in file.ranges:
        if OBJECT.match(part.key) is None:
            return f"in {part.key!r}, which is no object's key"
        if part.offset + part.size > LARGEST_SIZE:
            return f"from byte {part.offset} of {part.key!r}, where no object is so large"
    return None


def _contradicted(file: File, objects: dict[str, tuple[int, str]]) -> str | None:
    """Say what a file tells of an object otherwise than the packs, or files before it; None: nothing.

    ``objects`` has size and sha256 by key; that of a file which is a whole object is added.
    """
    if not file.parts and file.offset is None:
        if objects.setdefault(file.key, (file.size, file.sha256)) != (file.size, file.sha256):
            return f"as {file.key!r}, of another size or sha256 than that has elsewhere"
        return None
    for part in file.ranges:
        size, _ = objects.get(part.key, (LARGEST_SIZE, ""))
        if part.offset + part.size > size:
            return f"to byte {part.offset + part.size} of {part.key!r}, which has {size}"
    return None


class _Published(msgspec.Struct, frozen=True):
    published: Number


class _Rows(_Published, frozen=True):
    exported: Number = 0


class _Lost(msgspec.Struct, frozen=True):
    lost: dict[str, int] = {}


class _FormatTold(msgspec.Struct, frozen=True):
    images: _Lost = _Lost()


class Told(msgspec.Struct, frozen=True):
    """What a manifest's result tells, as far as anything is done with it; the rest is for people."""

    rows: _Rows = _Rows(0)
    labels: _Published = _Published(0)
    annotations: dict[str, Number] = {}
    predictions: dict[str, Number] = {}
    rows_left: Number = 0
    export_errors: Number = 0
    formats: dict[str, _FormatTold] = {}


class Applied(msgspec.Struct, frozen=True):
    """What a manifest's configuration says, as far as anything is done with it: the options of each format."""

    formats: dict[str, dict[str, Any] | None] = {}


def result_of(manifest: Manifest) -> Told:
    """Return what a manifest's result tells. Raises StorageRefusedError where it cannot be read so."""
    return _read_as(Told, manifest.result, f"the manifest of {manifest.created_at}")


def config_of(manifest: Manifest) -> Applied:
    """Return what a manifest's configuration says. Raises StorageRefusedError where it cannot be read so."""
    return _read_as(Applied, manifest.config, f"the manifest of {manifest.created_at}")


def _read_as(kind: type[Stored], values: dict[str, Any], name: str) -> Stored:
    try:
        return converted(values, kind)
    except msgspec.ValidationError as error:
        raise damaged(name, f"what does not fit: {error}") from error


def decode(
    body: bytes, kind: type[Stored], *, name: str, remedy: str = RESTORE, known: tuple[int, ...] = (FORMAT_VERSION,)
) -> Stored:
    """Read a manifest or record of a format version that is known. Raises StorageRefusedError."""
    version = _fitting(body, _Versioned, name=name, remedy=remedy).format_version
    if version in known:
        return _fitting(body, kind, name=name, remedy=remedy)
    raise StorageRefusedError(
        f"Expected {name} in format version {' or '.join(map(str, known))}, found version {version}.",
        remedy="Use a later labelsnap.",
        code="format_version",
    )


def _fitting(body: bytes, kind: type[Stored], *, name: str, remedy: str = RESTORE) -> Stored:
    try:
        return decoder_of(kind).decode(body)
    except NOT_SUCH_JSON as error:
        raise damaged(name, f"JSON that does not fit: {error}", remedy=remedy) from error


def same_content(one: Manifest, other: Manifest) -> bool:
    """Say whether two snapshots are the same to whoever trains on them.

    Equal are the configuration as given and every file by path and sha256, except what changes with each export
    though no label did: the raw export, the problems table (it holds line numbers), and the descriptions that name
    the snapshot itself (``croissant.json``, ``report.html``); nor do rows count that it lacks (the table ``left``).
    Packs count through the tables that point into them.
    """
    return has_content(one, other.config, other.files)


def has_content(manifest: Manifest, config: dict[str, Any], files: Iterable[File]) -> bool:
    """Say whether a snapshot would have the same content as one of this configuration and these files."""
    return manifest.config == config and _content(manifest.files) == _content(files)


def _content(files: Iterable[File]) -> dict[str, str]:
    return {
        file.path: file.sha256
        for file in files
        if not file.path.startswith(_NO_CONTENT) and file.path.rpartition("/")[2] not in _DESCRIPTIONS
    }


def damaged(what: str, found: str, *, remedy: str = RESTORE) -> StorageRefusedError:
    """Return the error for an object whose bytes are not those that were written."""
    return StorageRefusedError(
        f"Expected {what} as it was written, found {found}.",
        remedy=remedy,
        code="object_damaged",
    )
