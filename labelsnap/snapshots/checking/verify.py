"""Is a version whole? Every object is read again, hashed, decoded and counted; what is wrong is named by its key."""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from labelsnap.decoders import decoder_of
from labelsnap.errors import ReaderTooOldError, StorageRefusedError
from labelsnap.snapshots.checking.decoding import UndecodableError, image_size
from labelsnap.snapshots.checking.objects import Fault, Whole, check_object, wholes_of
from labelsnap.snapshots.keeping.records import decode_commit
from labelsnap.snapshots.layout import manifest_key
from labelsnap.snapshots.manifest import Manifest, decode_manifest, digest, result_of
from labelsnap.snapshots.reading.read import LATEST, find_commit
from labelsnap.snapshots.tables.images import AT_ONCE, IMAGES, copied_images
from labelsnap.storage.interface import DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from labelsnap.snapshots.keeping.records import Commit
    from labelsnap.storage import ObjectStore

_PARALLEL: Final = 8


class Unread(Struct, frozen=True):
    """An object whose bytes are those that were written, and what the pyarrow of this machine says of it."""

    key: str
    path: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at, every fault that was found, and what could not be read here, by key; none: it is whole."""

    version: int
    objects: int
    bytes: int
    faults: tuple[Fault, ...]
    unread: tuple[Unread, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a verification is, in objects."""

    done: int
    total: int


def verify(
    store: ObjectStore,
    selector: int | str = LATEST,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Verification:
    """Read every object of a version; several at a time, each through a scratch file, none held in memory.

    A damaged commit record or manifest is a fault like any other; nothing below it can then be looked at. Raises
    ConfigurationError for a version that does not exist, and StorageError when the store does not answer.
    """
    key = find_commit(store, selector)
    body = store.get(key.key)
    if body is None:
        return Verification(key.version, 1, 0, (Fault(key.key, None, "missing", "a commit record", "nothing"),))
    try:
        commit = decode_commit(body, key)
    except StorageRefusedError as error:
        return Verification(
            key.version, 1, len(body), (Fault(key.key, None, "record", "a commit record", error.message),)
        )
    name = manifest_key(commit.manifest)
    manifest_body = store.get(name, most=DOCUMENT_BYTES)
    manifest = _manifest(name, commit, manifest_body)
    size = len(body) + len(manifest_body or b"")
    if isinstance(manifest, Fault):
        return Verification(key.version, 2, size, (manifest,))
    with TemporaryDirectory(prefix="labelsnap-") as scratch:
        check = _Check(store, manifest, Path(scratch))
        faults = [*check.run(on_progress), *check.miscounts(name)]
    size += sum(whole.size for whole in check.objects)
    found = tuple(sorted(faults, key=lambda each: each.key))
    unread = tuple(sorted(check.unread, key=lambda each: each.key))
    return Verification(key.version, 2 + len(check.objects), size, found, unread)


def _manifest(key: str, commit: Commit, body: bytes | None) -> Manifest | Fault:
    if body is None:
        return Fault(key, None, "missing", "the manifest", "nothing")
    if (found := digest(body)) != commit.manifest:
        return Fault(key, None, "bytes", f"sha256 {commit.manifest}", f"{len(body)} bytes with sha256 {found}")
    try:
        return decode_manifest(body, commit.manifest)
    except StorageRefusedError as error:
        return Fault(key, None, "content", "a manifest", error.message)


class _Packed(Struct, frozen=True, array_like=True):
    """An image as the images table has it."""

    path: str
    offset: int
    size: int
    sha256: str
    width: int | None
    height: int | None


@dataclass(slots=True)
class _Check:
    """One version's objects, looked at one by one. What the images table says of a pack waits on disk until then."""

    store: ObjectStore
    manifest: Manifest
    scratch: Path
    objects: tuple[Whole, ...] = ()
    unread: list[Unread] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    counted: bool = True
    _packs: dict[str, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def run(self, on_progress: Callable[[Progress], None]) -> Iterator[Fault]:
        """Check every object; the images table first, because it says what lies in the packs."""
        self._packs = {pack.key: number for number, pack in enumerate(self.manifest.packs)}
        wholes = wholes_of(self.manifest)
        tables = [whole for whole in wholes if whole.name.startswith(IMAGES)]
        others = [whole for whole in wholes if not whole.name.startswith(IMAGES)]
        self.objects = (*tables, *others)
        done = 0
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="verify") as pool:
            checked = chain.from_iterable(pool.map(self._checked, group) for group in (tables, others))
            for faults in checked:
                done += 1
                on_progress(Progress(done, len(self.objects)))
                yield from faults
        pointed = {file.key for file in self.manifest.files if file.offset is not None}
        pointed |= {part.key for file in self.manifest.files for part in file.parts}
        strays = pointed - self._packs.keys()
        yield from (Fault(key, None, "missing", "a pack that the manifest lists", "none") for key in sorted(strays))

    def miscounts(self, key: str) -> Iterator[Fault]:
        """Compare what the tables hold with the manifest's result; not where a table could not be read."""
        expected = expected_counts(self.manifest)
        if self.counted and expected:
            for name in sorted(expected.keys() | self.counts.keys()):
                stated, found = expected.get(name, 0), self.counts[name]
                if stated != found:
                    yield Fault(key, None, "counts", f"{stated} {name}, as in its result", f"{found} in the tables")

    def _checked(self, whole: Whole) -> tuple[Fault, ...]:
        path = self.scratch / f"object-{digest(f'{whole.key} {whole.path}'.encode())}"
        try:
            faults = tuple(self._faults(whole, path))
            is_read = not faults
        except ReaderTooOldError as error:
            faults, is_read = (), False
            self.unread.append(Unread(whole.key, whole.path, str(error.__cause__)))
        finally:
            path.unlink(missing_ok=True)
        if any(file.path.startswith("tables/") for file in whole.files) and not is_read:
            self.counted = False
        return faults

    def _faults(self, whole: Whole, path: Path) -> Iterator[Fault]:
        outcome = check_object(self.store, whole, path)
        if isinstance(outcome, Fault):
            yield outcome
            return
        with self._lock:
            self.counts.update(outcome)
        if whole.name.startswith(IMAGES):
            try:
                yield from self._note_images(whole.name, path)
            except StorageRefusedError as error:
                yield Fault(whole.key, whole.path, "content", "places of images", error.message)
        if whole.pack:
            yield from self._members(whole, path)

    def _note_images(self, name: str, table: Path) -> Iterator[Fault]:
        """Set aside, pack by pack, where a table says that the images lie."""
        images, unlisted = copied_images(table, name), set[str]()
        while held := list(islice(images, AT_ONCE)):
            lines: defaultdict[str, list[_Packed]] = defaultdict(list)
            for split, image in held:
                place = (image.offset, image.size, image.sha256, image.width, image.height)
                lines[image.pack].append(_Packed(f"{split}/{image.file_name}", *place))
            for key, packed in lines.items():
                if key in self._packs:
                    with self._lock, self._noted(key).open("ab") as noted:
                        noted.write(b"".join(msgspec.json.encode(each) + b"\n" for each in packed))
                elif key not in unlisted:
                    unlisted.add(key)
                    yield Fault(key, name, "missing", "a pack that the manifest lists", "none")

    def _noted(self, key: str) -> Path:
        return self.scratch / f"pack-{self._packs[key]}"

    def _members(self, whole: Whole, path: Path) -> Iterator[Fault]:
        """Check every file and image that points into a pack."""
        with path.open("rb") as pack:

            def sliced(offset: int, size: int) -> bytes:
                pack.seek(offset)
                return pack.read(min(size, whole.size))

            for file in whole.files:
                if digest(sliced(file.offset or 0, file.size)) != file.sha256:
                    yield Fault(whole.key, file.path, "bytes", f"sha256 {file.sha256}", "another one")
            for image in self._images_in(whole.key):
                body = sliced(image.offset, image.size)
                if digest(body) != image.sha256:
                    yield Fault(whole.key, image.path, "bytes", f"sha256 {image.sha256}", "another one")
                    continue
                expected = f"an image of {image.width}×{image.height} pixels"
                try:
                    width, height = image_size(BytesIO(body))
                except UndecodableError as error:
                    yield Fault(whole.key, image.path, "content", expected, str(error))
                    continue
                if (width, height) != (image.width, image.height):
                    yield Fault(whole.key, image.path, "content", expected, f"one of {width}×{height}")

    def _images_in(self, key: str) -> Iterable[_Packed]:
        noted = self._noted(key)
        if noted.exists():
            with noted.open("rb") as lines:
                for line in lines:
                    yield decoder_of(_Packed).decode(line)


def expected_counts(manifest: Manifest) -> dict[str, int]:
    """What a snapshot's tables should hold by its result, keyed as ``decode_file`` counts; nothing without tables."""
    if not manifest.below("tables/data_rows/"):
        return {}
    result = result_of(manifest)
    rows, parts = result.rows.published, {"annotations": result.annotations, "predictions": result.predictions}
    kinds = {f"{part}.{kind}": count for part, counts in parts.items() for kind, count in counts.items()}
    return {"rows": rows, "images": rows, "left": result.rows_left, "labels": result.labels.published, **kinds}
