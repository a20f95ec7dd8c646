"""What a snapshot says of itself: a card and Croissant in every format's tree, and one report for all of them."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from labelsnap.buckets.boundary import attempted
from labelsnap.buckets.noted import RENAMED, blocks_of, said_of
from labelsnap.buckets.parts.index import format_folder
from labelsnap.buckets.source import BucketSource
from labelsnap.decoders import decoder_of
from labelsnap.formats.description.card import card
from labelsnap.formats.description.croissant import croissant
from labelsnap.formats.description.facts import Listed
from labelsnap.formats.outputs import output_of
from labelsnap.formats.registry import STANDING
from labelsnap.formats.report.page import Page, html
from labelsnap.formats.report.sheet import sheet
from labelsnap.formats.report.thumbnails import choose, thumbnail
from labelsnap.records.choices.splits import SPLITS
from labelsnap.records.model import Problem
from labelsnap.snapshots.manifest import digest
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.reading.pull import REPORT
from labelsnap.snapshots.writing.draft import Uploads
from tasks.formats.conversion import DESCRIBED
from tasks.formats.given import picture_limits
from tasks.machines.environment import scratch
from tasks.machines.here import here_of
from tasks.machines.retries import RETRIES
from tasks.run.receipts import FormatReceipt, Settlement, content_of
from tasks.run.result import description_of
from tasks.telling.artifacts import show_picture
from tasks.unchanged import stands

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from labelsnap.formats.report.thumbnails import Thumbnail
    from labelsnap.snapshots.manifest import File, Manifest
    from labelsnap.storage import ObjectStore

THUMBNAILS_OF_A_SPLIT = 3
THUMBNAILS_SHOWN = 3
"""In Prefect's interface, whose database keeps them for each run: about 20 kB each."""


@task(**RETRIES)
def describe(dataset: Dataset, settlement: Settlement, formats: tuple[FormatReceipt, ...], base: int) -> FormatReceipt:
    """Write ``README.md`` and ``croissant.json`` for each output, and ``report.html`` for all, from counts.

    Where the base says the same, so that nothing is published, its own take the place of the last two.
    """
    here = here_of(dataset.url)
    store, earlier = here.store, here.manifest(base)
    draft = here.draft(earlier)
    description = description_of(dataset, settlement)
    chosen = dataset.outputs
    outputs = chosen | {name: output_of(name) for name in STANDING if name not in chosen}
    described = {name: description.of(output) for name, output in outputs.items()}
    of_card, of_croissant = ({name: f"{format_folder(name)}{each}" for name in outputs} for each in DESCRIBED)
    listed: dict[str, list[Listed]] = {}
    readmes: dict[str, bytes] = {}
    for name, output in outputs.items():
        files = chain.from_iterable(receipt.files for receipt in formats if receipt.name == name)
        listed[name] = [listed_of(file, format_folder(name)) for file in files]
        readmes[name] = card(described[name], output.form, listed[name])
    documents = [(of_card[name], readme) for name, readme in readmes.items()]
    cards = tuple(draft.placed(*each) for each in documents)
    content = content_of(settlement, (*formats, FormatReceipt("", cards, (), Uploads())))
    if earlier and stands(dataset, earlier, content.files, settlement.conversion.lost):
        standing = files_there(earlier, (*of_croissant.values(), REPORT), settlement.conversion.lost)
        if standing:
            return FormatReceipt("", (*draft.add_files(documents), *standing), (), draft.uploads)
    for name, output in outputs.items():
        files_of = [*listed[name], Listed(DESCRIBED[0], digest(readmes[name]), small=False)]
        documents.append((of_croissant[name], croissant(described[name], output.form, files_of)))
    pictures = thumbnails(store, settlement)
    if pictures:
        show_picture(dataset, sheet(pictures[:THUMBNAILS_SHOWN]))
    noted = {name: number for name, number in settlement.tally.noted.items() if name != RENAMED}
    page = Page(
        description=description,
        outputs=list(outputs.values()),
        thumbnails=pictures,
        excluded=settlement.tally.excluded,
        problems=problems_told(store, settlement.problems),
        noted=list(said_of(blocks_of(noted) | {"problems": settlement.tally.problem_codes})),
    )
    documents.append((REPORT, html(page)))
    return FormatReceipt(name="", files=draft.add_files(documents), packs=(), uploads=draft.uploads)


def problems_told(store: ObjectStore, file: File) -> list[Problem]:
    """The rows that could not be used; of none the store is asked for none."""
    lines = read_file(store, file).splitlines() if file.size else ()
    return [decoder_of(Problem).decode(line) for line in lines]


def files_there(earlier: Manifest, paths: Iterable[str], lost: Collection[str]) -> tuple[File, ...]:
    """The files that a version has under some paths; none where it lacks one, or one is among the ``lost`` keys."""
    files = tuple(map(earlier.file, paths))
    found = tuple(file for file in files if file and file.key not in lost)
    return found if len(found) == len(files) else ()


def listed_of(file: File, folder: str) -> Listed:
    """A file as it lies in its format's tree."""
    return Listed(file.path.removeprefix(folder), file.sha256, small=file.offset is not None)


def thumbnails(store: ObjectStore, settlement: Settlement) -> list[Thumbnail]:
    """A few images of each split with their annotations; none of a dataset that refers to images.

    One that cannot be drawn is no reason to have no report.
    """

    def drawn(source: BucketSource) -> Iterator[Thumbnail | None]:
        chosen = [row_id for split in SPLITS for row_id in choose(source.kinds(split), THUMBNAILS_OF_A_SPLIT)]
        samples = sorted(source.some(chosen), key=lambda sample: SPLITS.index(sample.split))
        for sample, body in zip(samples, source.pick_images(samples), strict=True):
            yield (
                None
                if body is None
                else attempted(partial(thumbnail, sample, body, settlement.registry, limits.memory))
            )

    settings = load_settings()
    limits = picture_limits(settings)
    with scratch(settings) as directory:
        return [found for found in drawn(BucketSource(store, settlement.tables, directory, limits=limits)) if found]
