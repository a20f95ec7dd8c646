"""The dataset card: ``README.md`` with the header that Hugging Face's Hub reads.

Format: https://huggingface.co/docs/hub/datasets-cards. It has no clock and no version: equal datasets have equal cards.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from labelsnap.formats.description.advice import advice_of
from labelsnap.formats.description.losses import report
from labelsnap.formats.shared.tabular import Tabular
from labelsnap.formats.shared.yaml_documents import dump
from labelsnap.records.choices.selection import EVERYTHING
from labelsnap.shown import markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from labelsnap.formats.description.facts import Description, Listed
    from labelsnap.formats.description.losses import Tally
    from labelsnap.formats.interface import Format

_BETWEEN_PARAGRAPHS: Final = re.compile(r"\n\s*\n")
_SIZES: Final = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
_TASKS: Final = {
    "bounding_box": "object-detection",
    "polygon": "image-segmentation",
    "mask": "image-segmentation",
    "point": "keypoint-detection",
    "radio": "image-classification",
}


def card(description: Description, each: Format, files: Iterable[Listed]) -> bytes:
    """Give the card of the tree of one format, or of an output in it, which has these files."""
    header = dump(_header(description, each, files))
    lines = ("---", f"{header}---", "", *_body(description, each), "")
    return "\n".join(lines).encode()


def _header(description: Description, each: Format, files: Iterable[Listed]) -> dict[str, Any]:
    kinds = description.census.kinds()
    size = next((name for limit, name in _SIZES.items() if description.rows < limit), "n>1M")
    return {
        "license": description.license,
        "pretty_name": description.name,
        "task_categories": sorted({task for kind, task in _TASKS.items() if kind in kinds}),
        "size_categories": [size],
        "tags": ["labelbox", "labelsnap", each.name],
        **_configs(description, each, files),
    }


def _configs(description: Description, each: Format, files: Iterable[Listed]) -> dict[str, Any]:
    """Give the files of each split, where the Hub can load them: one table whose files begin with the split's name.

    ``load_dataset(DIR)`` knows what it has prepared before by this text and the folder's name alone, not by the files:
    so the text says which files they are.
    """
    if not isinstance(each, Tabular):
        return {}
    tables = [table.includes for table in each.tables(description.registry, model_run=description.model_run).values()]
    splits = [{"split": split, "path": f"data/{split}-*.parquet"} for split in description.images(each)]
    if len(tables) > 1 or not tables[0].startswith("data/") or not splits:
        return {}
    content = sha256("".join(f"{file.path} {file.sha256}\n" for file in sorted(files)).encode()).hexdigest()
    return {"configs": [{"config_name": "default", "data_files": splits, "description": f"files {content}"}]}


def _body(description: Description, each: Format) -> Iterator[str]:
    yield f"# {markdown(description.name)}\n"
    for paragraph in _BETWEEN_PARAGRAPHS.split(description.text.strip()) if description.text else ():
        yield f"{markdown(paragraph)}\n"
    objects, classes = sum(description.objects.values()), len(description.classes)
    images = description.images(each)
    output = f" as the output `{description.output}`" if description.output else ""
    yield f"{description.rows} images with {objects} objects of {classes} classes,{output} in the format `{each.name}`."
    yield f"They come from {markdown(description.source)}."
    if description.census.latest:
        yield f"The last change at Labelbox was at {description.census.latest}."
    yield "\n## Splits\n"
    rows = [(split, count, description.objects[split]) for split, count in images.items()]
    yield from _table(("split", "images", "objects"), rows)
    found = report(each, description.census)
    for ending, count in found.images.lost.items():
        yield f"\n{count} images, `.{ending}`, are left out with all about them: readers of this format pass over them."
    if description.converted:
        yield f"\n{description.converted} images were made JPEGs of other types: quality 95, 8 bits a colour,"
        yield "without transparency."
    for sentence in advice_of(each, description.census, description.registry, markdown, description.choice):
        yield f"\n{sentence}"
    yield "\n## Classes\n"
    counts = [(one.category.id, one.name, *(one.objects[split] for split in images)) for one in description.classes]
    yield from _table(("id", "class", *images), counts)
    yield "\n## What the files hold\n"
    narrowed = description.choice is not None and description.choice.selection != EVERYTHING
    parts = ("held", "lost", "not selected") if narrowed else ("held", "lost")
    sources = "What is lost, or not selected, is" if narrowed else "What is lost is"
    yield f"For every kind, {' + '.join(parts)} is what was annotated. {sources} whole in the format `parquet`.\n"
    yield from _table(("kind", *parts), _counts(found.labels, len(parts)))
    if predicted := _counts(found.predictions, len(parts)):
        yield "\nOf the model run's predictions:\n"
        yield from _table(("kind", *parts), predicted)
    yield "\n## Files\n"
    yield "`snapshot.json` says which version this is and has every file's sha256, `croissant.json` describes the tree"
    yield "to machines, and `report.html` shows it. Made by labelsnap."


def _counts(found: Tally, parts: int) -> list[tuple[str | int, ...]]:
    """Give a row for each kind: how many are held, lost, and not selected, as far as that many parts are told."""
    counts = (found.held, found.lost, found.not_selected)[:parts]
    kinds = sorted({kind for each in counts for kind in each})
    return [(kind, *(each.get(kind, 0) for each in counts)) for kind in kinds]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(markdown(str(cell)) for cell in row)} |"
