"""The report: one HTML file with everything inside, for people who want to see what a snapshot holds.

It loads nothing and runs nothing: its policy forbids scripts and other sources, and every name in it is escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from labelsnap.formats.description.losses import report
from labelsnap.formats.report.plots import Bar, bars
from labelsnap.shown import markup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from labelsnap.formats.description.facts import Description
    from labelsnap.formats.description.losses import Tally
    from labelsnap.formats.outputs import Output
    from labelsnap.formats.report.thumbnails import Thumbnail
    from labelsnap.records.model import Problem

CLASSES_SHOWN: Final = 60
PROBLEMS_SHOWN: Final = 200
STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.lead { color: GrayText; margin-top: .2rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid GrayText; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
td.text { max-width: 34rem; overflow-wrap: break-word; }
.numbers { display: flex; flex-wrap: wrap; gap: 2.5rem; margin: 1.2rem 0; }
.numbers b { display: block; font-size: 1.7rem; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 1rem; }
figure { margin: 0; } figure svg { width: 100%; height: auto; display: block; background: #8884; }
figcaption { font-size: .85rem; color: GrayText; overflow-wrap: anywhere; }
svg { max-width: 100%; }
.lost { color: #c9503a; }
"""
POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Page:
    """What the report shows beside the description: outputs, thumbnails, and the rows that are not published.

    ``noted`` is what was done about published rows that were not quite as expected: how often, and in words.
    """

    description: Description
    outputs: Sequence[Output]
    thumbnails: Sequence[Thumbnail]
    excluded: Mapping[str, int]
    problems: Sequence[Problem]
    noted: Sequence[tuple[int, str]] = ()


def html(page: Page) -> bytes:
    """Give the whole document."""
    description = page.description
    title = markup(description.name)
    sheet = "".join(one.html for one in page.thumbnails)
    sections = (
        _numbers(page),
        _section("Images with their annotations", f'<div class="sheet">{sheet}</div>' if sheet else ""),
        _section("Rows by source", _by_source(description)),
        _section("Objects by class and split", _by_class(description)),
        _section("Annotations by kind and split", _by_kind(description, predicted=False)),
        _section("Predictions by kind and split", _by_kind(description, predicted=True)),
        _section("Objects in an image", bars([Bar(_bin(low), (n,)) for low, n in description.census.objects.items()])),
        _section("Size of objects: square root of the area, in pixels", _by_size(description)),
        _section("What each output holds, loses and leaves out", _losses(page)),
        _section("Rows that are not published", _unpublished(page)),
        _section("What was not quite as expected in published rows", _noted(page)),
    )
    body = "\n".join(filter(None, sections))
    document = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><style>{STYLE}</style></head>\n<body>'
        f'<h1>{title}</h1><p class="lead">{markup(_lead(description))}</p>\n{body}\n'
        "</body></html>\n"
    )
    return document.encode()


def _lead(description: Description) -> str:
    changed = f" · last change at Labelbox {description.census.latest}" if description.census.latest else ""
    text = f"{description.text} · " if description.text else ""
    return f"{text}{description.source}{changed} · licence {description.license}"


def _section(title: str, body: str) -> str:
    return f"<section><h2>{markup(title)}</h2>{body}</section>" if body else ""


def _numbers(page: Page) -> str:
    description = page.description
    numbers = {
        "images": description.rows,
        "objects": sum(description.objects.values()),
        "classes": len(description.classes),
        "problems": len(page.problems),
        **{f"in {split}": description.census.rows.get(split, 0) for split in description.splits},
    }
    boxes = "".join(f"<div><b>{count:,}</b>{markup(name)}</div>" for name, count in numbers.items())
    return f'<div class="numbers">{boxes}</div>'


def _by_source(description: Description) -> str:
    names = list(dict.fromkeys(name for counts in description.sources.values() for name in counts))
    rows = [
        (markup(source), *(f"{counts[name]:,}" for name in names)) for source, counts in description.sources.items()
    ]
    return _table(("source", *names), rows) if rows else ""


def _by_class(description: Description) -> str:
    ordered = sorted(description.classes, key=lambda each: (-sum(each.objects.values()), each.category.id))
    shown = [Bar(each.name, tuple(each.objects.values())) for each in ordered[:CLASSES_SHOWN]]
    rest = ordered[CLASSES_SHOWN:]
    if rest:
        together = tuple(sum(each.objects[split] for each in rest) for split in description.splits)
        shown.append(Bar(f"{len(rest)} other classes", together))
    return bars(shown, description.splits)


def _by_kind(description: Description, *, predicted: bool) -> str:
    counts = {kind: dict.fromkeys(description.splits, 0) for kind in description.census.kinds(predicted=predicted)}
    for part, count in description.census.parts:
        if part.predicted is predicted:
            counts[part.kind][part.split] += count
    return bars([Bar(kind, tuple(of.values())) for kind, of in counts.items()], description.splits)


def _by_size(description: Description) -> str:
    sides = description.census.sides
    lows = sorted({low for of_kind in sides.values() for low in of_kind})
    return bars([Bar(_bin(low), tuple(of.get(low, 0) for of in sides.values())) for low in lows], tuple(sides))


def _bin(low: int) -> str:
    return str(low) if low <= 1 else f"{low} – {2 * low - 1}"


def _losses(page: Page) -> str:
    rows: list[tuple[str, ...]] = []
    for each in page.outputs:
        found = report(each.form, page.description.of(each).census)
        tallies = [
            ("labels", found.labels),
            *([("predictions", found.predictions)] if page.description.model_run else []),
        ]
        for what, tally in tallies:
            left_out = _counts(tally.not_selected) if tally.not_selected else "nothing"
            rows.append((each.name, each.form.name, what, _counts(tally.held), _lost(tally), left_out))
    return _table(("output", "format", "of", "held", "lost (whole in parquet)", "not selected"), rows)


def _counts(counts: Mapping[str, int]) -> str:
    return markup(", ".join(f"{count:,} {kind}" for kind, count in counts.items())) or "–"


def _lost(tally: Tally) -> str:
    return f'<span class="lost">{_counts(tally.lost)}</span>' if tally.lost else "nothing"


def _unpublished(page: Page) -> str:
    excluded = [(markup(policy), f"{count:,}") for policy, count in page.excluded.items()]
    shown = [
        (markup(one.code), markup(one.data_row_id or "–"), markup(one.path), markup(one.reason))
        for one in page.problems[:PROBLEMS_SHOWN]
    ]
    hidden = len(page.problems) - len(shown)
    more = f"<p>{hidden:,} more stand in problems.ndjson of the format raw.</p>" if hidden else ""
    return (
        (_table(("excluded by policy", "rows"), excluded) if excluded else "")
        + (_table(("problem", "data row", "where", "what"), shown) if shown else "")
        + more
    )


def _noted(page: Page) -> str:
    rows = [(f"{number:,}", markup(said)) for number, said in page.noted]
    return _table(("times", "what"), rows) if rows else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def cells(tag: str, row: Sequence[str]) -> Iterator[str]:
        for place, cell in enumerate(row):
            yield f'<{tag} class="text">{cell}</{tag}>' if place else f"<{tag}>{cell}</{tag}>"

    body = "".join(f"<tr>{''.join(cells('td', row))}</tr>" for row in rows)
    return f"<table><tr>{''.join(cells('th', head))}</tr>{body}</table>"
