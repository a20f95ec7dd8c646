"""Where things lie below a dataset's URL. FORMAT.md is the specification."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from labelsnap.snapshots.paths import check_path
from labelsnap.storage.interface import is_key
from labelsnap.storage.probing import PROBES

COMMITS: Final = "commits/"
MANIFESTS: Final = "manifests/"
DATA: Final = "data/"
WORK: Final = "work/"
TAGS: Final = "tags/"
EPOCHS: Final = "gc/"
CHECKPOINTS: Final = "checkpoints/"
NEWEST_CHECKPOINT: Final = f"{CHECKPOINTS}newest.json"
"""The hint that names the newest checkpoint."""
KEY_DIGEST_LENGTH: Final = 16  # hexadecimal digits of the sha256 that a data object's key carries
GENERATION: Final = "[1-9][0-9]{0,14}"
"""What follows ``-g`` in the key of an object: no dataset has more epochs than that."""
_GENERATION: Final = re.compile(rf".*-[0-9a-f]{{{KEY_DIGEST_LENGTH}}}-g(?P<generation>{GENERATION})")


class Kind(NamedTuple):
    """Keys of one kind: those that begin with ``prefix``, and go on as ``pattern`` says to their end."""

    prefix: str
    pattern: re.Pattern[str]

    def match(self, key: str) -> re.Match[str] | None:
        """Return what the pattern finds in a key; None: it is of another kind, or none that a store could hold."""
        if not key.startswith(self.prefix) or not is_key(key):
            return None
        return self.pattern.fullmatch(key, len(self.prefix))


COMMIT: Final = Kind(COMMITS, re.compile(r"(?P<version>(?!0{20})[0-9]{20})(?:-[0-9a-f]{32})?\.json"))
EPOCH: Final = Kind(EPOCHS, re.compile(r"(?P<number>(?!0{20})[0-9]{20})(?P<swept>-swept)?\.json"))
CHECKPOINT: Final = Kind(CHECKPOINTS, re.compile(r"(?P<version>(?!0{20})[0-9]{20})\.json"))
TAG: Final = Kind(TAGS, re.compile(r"(?!(?:latest|[0-9]+)\.json$)(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63})\.json"))
MANIFEST: Final = Kind(MANIFESTS, re.compile(r"(?P<sha256>[0-9a-f]{64})\.json"))
OBJECT: Final = Kind(
    DATA, re.compile(rf"(?:.+/)?[^/.]*-[0-9a-f]{{{KEY_DIGEST_LENGTH}}}(?:-g{GENERATION})?(?:\.[^/]*)?")
)
LEASE: Final = Kind(f"{WORK}lease/", re.compile(r"(?P<number>[0-9]{20})\.json"))
HINT: Final = Kind(f"{WORK}hints/", re.compile(r".+\.json"))
HANDED_ON: Final = Kind(WORK, re.compile(r"[^/]+/(?:lines|parts)/[0-9a-f]{64}\.zst"))
"""What tasks of a run give to others, under its sha256: lines of buckets, and what documents are joined from."""
EXPORTED: Final = f"{WORK}exported.json"
RUN: Final = Kind(f"{WORK}runs/", re.compile(r"[0-9a-f]{32}\.json"))
SCRATCH: Final = Kind(
    WORK,
    re.compile(
        "|".join(f"{kind.prefix.removeprefix(WORK)}{kind.pattern.pattern}" for kind in (LEASE, RUN))
        + r"|(?!(?:lease|hints|runs)/)[^/]+/.+"  # and whatever a run has in its own folder
    ),
)
"""What runs leave; hints, and the note of the last export, are no scratch: who settles them removes them."""
PROBE: Final = Kind(PROBES, re.compile(r"[0-9a-f]{32}"))
GARBAGE: Final = (OBJECT, MANIFEST, SCRATCH, PROBE)
"""What garbage collection looks at; commit records, tags and epochs are for ever, and a hint until it is answered."""


class CommitKey(NamedTuple):
    """What a commit record's key says."""

    version: int
    key: str

    @property
    def single_writer(self) -> bool:
        """Whether it was written without conditional creation."""
        return self.key != commit_key(self.version)


class EpochKey(NamedTuple):
    """What the key of an epoch of garbage collection says; ``swept``: of the note that it is done."""

    number: int
    swept: bool


def commit_key(version: int, write_id: str | None = None) -> str:
    """Return the key of a version's commit record; ``write_id`` for stores without conditional creation."""
    return f"{COMMITS}{version:020d}{f'-{write_id}' if write_id else ''}.json"


def checkpoint_key(version: int) -> str:
    """Return the key of the checkpoint whose last version is this one."""
    return f"{CHECKPOINTS}{version:020d}.json"


def manifest_key(sha256: str) -> str:
    """Return the key of the manifest with this digest."""
    return f"{MANIFESTS}{sha256}.json"


def is_tag_name(name: str) -> bool:
    """Say whether a tag can have this name: up to 64 characters, and no version's number nor ``latest``."""
    return TAG.match(tag_key(name)) is not None


def tag_key(name: str) -> str:
    """Return the key of the tag with this name."""
    return f"{TAGS}{name}.json"


def epoch_key(number: int, *, swept: bool = False) -> str:
    """Return the key of an epoch of garbage collection, or of the note that its objects are deleted."""
    return f"{EPOCHS}{number:020d}{'-swept' if swept else ''}.json"


def data_key(path: str, sha256: str, generation: int = 0) -> str:
    """Return ``data/PATH`` with the first 16 digits of the content's sha256 before the name's first dot.

    ``tables/a.parquet`` becomes ``data/tables/a-0123456789abcdef.parquet``, and, in a dataset whose newest epoch of
    garbage collection is the seventh, ``data/tables/a-0123456789abcdef-g7.parquet``.
    """
    folder, slash, name = check_path(path).rpartition("/")
    stem, dot, extension = name.partition(".")
    suffix = f"-g{generation}" if generation else ""
    return f"{DATA}{folder}{slash}{stem}-{sha256[:KEY_DIGEST_LENGTH]}{suffix}{dot}{extension}"


def generation_of(key: str) -> int:
    """Return the epoch in which a data object was written, 0 when there was none."""
    match = _GENERATION.fullmatch(key.rpartition("/")[2].partition(".")[0])
    return int(match["generation"]) if match else 0


def without_generation(key: str) -> str:
    """Return the key that the same content has in generation 0."""
    folder, slash, name = key.rpartition("/")
    stem, dot, extension = name.partition(".")
    return f"{folder}{slash}{stem.removesuffix(f'-g{generation_of(key)}')}{dot}{extension}"


def work_key(run: str, path: str) -> str:
    """Return the key of something that a running refresh sets aside; it belongs to no snapshot."""
    return f"{WORK}{check_path(run)}/{check_path(path)}"
