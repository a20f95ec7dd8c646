"""Lines into buckets, and each bucket built: the parallel part of a run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from msgspec import Struct, structs
from prefect import task

from config.dataset import Dataset
from config.settings import Settings, load_settings
from labelsnap.buckets.base import BasePart, part_base
from labelsnap.buckets.boundary import UNFORESEEN, attempted
from labelsnap.buckets.build import BucketBuilder
from labelsnap.buckets.given import behind_part, read_given
from labelsnap.buckets.grouping import bucket_name
from labelsnap.buckets.reading import read_earlier
from labelsnap.buckets.receipt import BucketInput, BucketReceipt, built_again
from labelsnap.buckets.rows.fetch import Fetcher
from labelsnap.buckets.rows.held import Held
from labelsnap.buckets.rows.several import Several
from labelsnap.buckets.spool import Said, read_spool, spread
from labelsnap.errors import LabelboxRefusedError
from labelsnap.labelbox.stream import split_lines
from labelsnap.memory import give_back, shared_budget
from labelsnap.records.lines.text import is_blank
from labelsnap.snapshots.keeping.behind import manifests_behind
from labelsnap.snapshots.manifest import damaged, result_of
from labelsnap.snapshots.reading.at_hand import the_store_of
from labelsnap.snapshots.reading.chunks import chunk_blocks
from labelsnap.snapshots.reading.content import SMALL, sha256_of, unpacked
from labelsnap.snapshots.tables.bucket_tables import bucket_count_of
from labelsnap.storage import open_store
from labelsnap.storage.compression import compress
from labelsnap.storage.interface import DOCUMENT_BYTES
from tasks.machines.environment import downloader, scratch
from tasks.machines.here import here_of
from tasks.machines.retries import RETRIES
from tasks.machines.software import splits_alike, written_alike
from tasks.parts import check_parts
from tasks.raw.origin import check_whole, opened
from tasks.raw.said import saying_of
from tasks.run.beginning import Head
from tasks.run.ledger import LITTLE, ledger_here
from tasks.run.receipts import Origin, StreamReceipt
from tasks.run.unfinished import TAKEN, Taken

LINES_BYTES: Final = 16 << 20
"""An object of lines is closed when it has so many bytes, compressed."""

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from labelsnap.buckets.spool import SpooledBucket
    from labelsnap.labelbox.downloads.download import Downloader
    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.storage.interface import ObjectStore
    from tasks.run.ledger import Ledger
    from tasks.run.span import Span


class Buckets(Struct, frozen=True):
    """The buckets of a run that have lines, and the numbers of lines that no bucket gets: they are not in its range."""

    inputs: tuple[BucketInput, ...]
    not_in_range: tuple[int, ...] = ()

    @property
    def lines(self) -> int:
        """Every line of the RESULT streams that is not blank."""
        return sum(bucket.lines for bucket in self.inputs) + len(self.not_in_range)


@task(**RETRIES)
def group_rows(
    dataset: Dataset,
    run: str,
    results: tuple[StreamReceipt, ...],
    errors: tuple[StreamReceipt, ...],
    base: Head,
    origin: Origin | None = None,
) -> Buckets:
    """Spread the lines of the RESULT streams over buckets, in bounded memory, and leave one object a bucket.

    Each bucket is told which part of the snapshot ``base``, of those behind it, of the ``origin`` whose lines these
    are, and of what a killed run built, concerns it. One without lines is among them where rows may have left it, for
    it keeps their splits, and the first, which has a file of every table.

    Raises ``LabelboxRefusedError`` when there are errors and no rows, or neither and the base has rows, of the whole or
    of one export of several: a failed export is no empty dataset. Blank lines are no rows.
    """
    failed = any(stream.size for stream in errors)
    if failed and not any(stream.size for stream in results):
        raise _errors_alone(dataset, errors)
    settings = load_settings()
    here = here_of(dataset.url)
    store, manifest = here.store, here.manifest(base.version)
    standing = result_of(manifest).rows.published if manifest else 0
    if standing and not any(stream.files for stream in results):
        raise _without_rows(dataset, base.version, standing)
    ledger = ledger_here(dataset.url, run)
    if grouped := ledger.recall("buckets", Buckets):
        return grouped
    left_out: list[int] = []
    filled: set[int] = set()
    begins: list[tuple[int, str]] = []
    only = dataset.source.id if dataset.source else ""

    def in_range(number: int, line: bytes, span: Span | None) -> bytes | None:
        if span is None or attempted(partial(span.holds, line, only)) is not False:
            return line
        left_out.append(number)
        return None

    with scratch(settings) as directory:
        told = rows_of(store, results, directory, filled, begins)
        lines = (in_range(number, *each) for number, each in enumerate(told, start=1))
        at_most = sum(stream.lines for stream in results)
        before = bucket_count_of(manifest.files) if manifest else 1
        saying = saying_of(dataset, directory, at_most)
        by_lines = bool(dataset.sources)
        count, spooled = spread(
            lines, directory, at_most, settings.rows_per_bucket, before, say=saying.say, by_lines=by_lines
        )
        has_rows = bool(spooled or left_out)
        if failed and not has_rows:
            raise _errors_alone(dataset, errors)
        if standing and not has_rows:
            raise _without_rows(dataset, base.version, standing)
        check_parts(store, dataset, manifest, results, filled)
        of_lines = {bucket.index: bucket for bucket in spooled}
        saying.take_back(store, manifest, of_lines, count)
        taken = part_base(ledger.recall(TAKEN, Taken), of_lines, count)
        of_origin = _held(dataset, origin, manifest)
        held = part_base(of_origin, of_lines, count)
        held_splits_stand = of_origin is not None and splits_alike(of_origin, dataset)

        each_bucket = without_lines(dataset, count, manifest, manifests_behind(store, base.behind))
        wanted = (each for each in each_bucket if each.index in of_lines or each.may_have_left or each.is_first)
        inputs = tuple(
            structs.replace(
                each,
                taken=taken[each.index],
                held=held[each.index],
                held_splits_stand=held_splits_stand,
                sources=tuple(begins) if dataset.sources else (),
            )
            if each.lines
            else each
            for each in with_lines(store, ledger, wanted, of_lines, directory)
        )
    grouped = Buckets(inputs, tuple(left_out))
    return ledger.note("buckets", grouped) if sum(stream.size for stream in results) > LITTLE else grouped


def _held(dataset: Dataset, origin: Origin | None, base: Manifest | None) -> Manifest | None:
    """The snapshot whose lines are read again, of which all is there that may be pointed to; None: none is."""
    if origin is None:
        return None
    store, manifest = opened(dataset.url, origin)
    if store.url == dataset.url and manifest != base:
        check_whole(the_store_of(store), manifest, origin.ref)
    return manifest


def with_lines(
    store: ObjectStore,
    ledger: Ledger,
    buckets: Iterable[BucketInput],
    spooled: Mapping[int, SpooledBucket],
    directory: Path,
) -> Iterator[BucketInput]:
    """Put the buckets' lines into the store, those of several into one object; each is told where its own lie."""
    waiting: list[BucketInput] = []
    together, part = directory / "lines", directory / "part"
    size = 0
    for bucket in buckets:
        if (lines := spooled.get(bucket.index)) is None:
            waiting.append(bucket)
            continue
        with compress(lines.path, part).open("rb") as source, together.open("ab") as target:
            shutil.copyfileobj(source, target)
        end = together.stat().st_size
        waiting.append(structs.replace(bucket, lines=lines.lines, lines_offset=size, lines_size=end - size))
        size = end
        if size >= LINES_BYTES:
            yield from _put_together(store, ledger, waiting, together)
            waiting, size = [], 0
    yield from _put_together(store, ledger, waiting, together)


def _put_together(
    store: ObjectStore, ledger: Ledger, buckets: Sequence[BucketInput], together: Path
) -> Iterator[BucketInput]:
    if not together.exists():
        yield from buckets
        return
    key = ledger.key(f"lines/{sha256_of(together)}.zst")
    store.put(key, together)
    together.unlink()
    for bucket in buckets:
        yield structs.replace(bucket, lines_key=key) if bucket.lines else bucket


def without_lines(
    dataset: Dataset, count: int, base: Manifest | None, behind: Iterable[Manifest]
) -> Iterator[BucketInput]:
    """Each of ``count`` buckets with what the base, and the snapshots behind it, have of its rows."""
    alike = base is not None and written_alike(base, dataset)
    splits_stand = base is not None and splits_alike(base, dataset)
    parts = part_base(base, range(count), count, alike=alike)
    parts_behind = [part_base(each, range(count), count) for each in behind if splits_alike(each, dataset)]
    for index in range(count):
        tables = behind_part(part[index] for part in parts_behind)
        yield BucketInput(index, count, "", 0, parts[index], splits_stand=splits_stand, behind=tables)


def _errors_alone(dataset: Dataset, errors: tuple[StreamReceipt, ...]) -> LabelboxRefusedError:
    return LabelboxRefusedError(
        f"Labelbox's export gave no row and {sum(stream.lines for stream in errors)} errors.",
        remedy=f"Read them below {dataset.url}/data/raw/; nothing was published.",
        code="export_only_errors",
    )


def _without_rows(dataset: Dataset, base: int, standing: int) -> LabelboxRefusedError:
    return LabelboxRefusedError(
        f"Labelbox's export is complete and has no row, where version {base} of {dataset.url} has {standing}.",
        remedy="Nothing was published. Look at the filters, and run again; if the project really is empty now, "
        "publish under another `dataset` name.",
        code="export_without_rows",
    )


@task(**RETRIES)
def build_bucket(
    dataset: Dataset, run: str, bucket: BucketInput, since: datetime, origin: Origin | None = None
) -> BucketReceipt:
    """Parse a bucket's lines, fetch its masks and images, and write its tables and its pack.

    Of an ``origin`` whose lines these are masks and images are taken, and nothing is downloaded.
    ``since`` is when the run began to look for what stands. What was built already is built again where a row of it met
    a fault of labelsnap's own, or where a format failed at one; the other rows are reused. What is built for want of
    rows that a format failed at is not noted: whoever goes on with the run tries them again.
    """
    settings = load_settings()
    here = here_of(dataset.url)
    store, ledger = here.store, ledger_here(dataset.url, run)
    name = bucket_name(bucket.index, bucket.count)
    built = ledger.recall(name, BucketReceipt)
    if built:
        if not bucket.unwritable and UNFORESEEN not in built.tally.problem_codes:
            return built
        bucket = structs.replace(bucket, taken=BasePart(built.files, built.packs))
    with downloader(settings, offline=origin is not None) as pool, scratch(settings) as directory:
        earlier = read_earlier(store, bucket.base, (bucket.index, bucket.count))
        said: dict[int, Said] = {}
        builder = BucketBuilder(
            store=store,
            draft=here.draft(bucket.base),
            policy=dataset.policy,
            keep_embeddings=dataset.params.embeddings,
            earlier=earlier,
            taken=read_earlier(store, bucket.taken),
            fetcher=fetcher(dataset, settings, pool, directory, held_of(dataset, bucket, origin)),
            threads=settings.download_threads,
            since=since,
            given=partial(read_given, store, bucket, earlier),
            said=said,
            several=Several(dataset.policies, bucket.sources) if dataset.sources else None,
        )
        lines: Iterable[tuple[int, bytes]] = ()
        if bucket.lines:
            lines = lines_there(store, bucket, directory / "lines", said)
        receipt = builder.build(bucket, lines)
    give_back()
    if bucket.unwritable:
        return built_again(receipt, built)
    if not costly(receipt):
        return receipt
    note = partial(ledger.note, name, receipt)
    if run not in here.begun:
        return note()
    here.soon(note)  # which this process waits for itself, as it runs the whole flow
    return receipt


def costly(receipt: BucketReceipt) -> bool:
    """Whether a bucket has brought or written anything: else building it again takes no longer than recalling it."""
    return bool(receipt.tally.downloaded or receipt.tally.uploads.objects)


@dataclass(frozen=True, slots=True)
class LinesThere:
    """Number and bytes of each line of a bucket, which are read of ``path`` as often as they are gone through.

    ``said`` is given what the run found out about them, by their numbers. Going through them raises StorageRefusedError
    where the object ``key`` is not as it was put.
    """

    path: Path
    key: str
    said: dict[int, Said]

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return read_spool(unpacked(self.path, self.key, most=DOCUMENT_BYTES), self.key, self.said)


def lines_there(store: ObjectStore, bucket: BucketInput, path: Path, said: dict[int, Said] | None = None) -> LinesThere:
    """Bring the lines that were put in the store for a bucket to ``path``; ``said`` is as in ``LinesThere``.

    Raises StorageRefusedError where they are not there.
    """
    key = bucket.lines_key
    offset, end = bucket.lines_offset, bucket.lines_offset + bucket.lines_size
    with path.open("wb") as target:
        while offset < end:
            block = store.get(key, offset=offset, length=min(SMALL, end - offset))
            if not block:
                raise damaged(repr(key), "nothing" if block is None else f"{offset} bytes")
            offset += target.write(block)
    return LinesThere(path, key, {} if said is None else said)


def held_of(dataset: Dataset, bucket: BucketInput, origin: Origin | None) -> Held | None:
    """What the snapshot whose lines are read again holds of a bucket's rows."""
    if origin is None:
        return None
    is_here = origin.url == dataset.url
    store = here_of(dataset.url).store if is_here else open_store(origin.url)
    return Held(store, read_earlier(store, bucket.held), is_here=is_here, splits_stand=bucket.held_splits_stand)


def fetcher(
    dataset: Dataset, settings: Settings, pool: Downloader, directory: Path, held: Held | None = None
) -> Fetcher:
    """How this dataset's rows get their pixels, within this environment's limits."""
    return Fetcher(
        downloader=pool,
        directory=directory,
        images=dataset.images,
        orientation=dataset.orientation,
        masks=dataset.masks,
        split=dataset.split.rule,
        group_by=dataset.split.group_by,
        max_image_bytes=settings.max_image_bytes,
        max_image_pixels=settings.max_image_pixels,
        max_mask_bytes=settings.max_mask_bytes,
        memory=shared_budget(settings.memory_bytes),
        held=held,
        split_from=dataset.split.taken_from,
        split_names=dataset.split.names,
        file_names=dataset.file_names,
    )


def rows_of(
    store: ObjectStore,
    results: Sequence[StreamReceipt],
    directory: Path,
    filled: set[int],
    begins: list[tuple[int, str]],
) -> Iterator[tuple[bytes, Span | None]]:
    """The lines of streams, one after another, each with its stream's span.

    ``filled`` is given the place of each stream that has a line which is not blank, and ``begins`` the number of the
    first line of each, from 1, with the stream's source.
    """
    number = 1
    for place, stream in enumerate(results):
        begins.append((number, stream.source))
        for line in lines_of(store, stream, directory):
            if place not in filled and not is_blank(line):
                filled.add(place)
            number += 1
            yield line, stream.span


def lines_of(store: ObjectStore, stream: StreamReceipt, directory: Path) -> Iterator[bytes]:
    """The lines of a fetched stream, chunk after chunk."""
    chunks = (chunk_blocks(store, file, directory / "chunk.zst") for file in stream.files)
    return split_lines(chain.from_iterable(chunks))
