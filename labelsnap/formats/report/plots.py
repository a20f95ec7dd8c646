"""Bars as inline SVG: no script, no style sheet, no font of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from labelsnap.shown import line, markup

if TYPE_CHECKING:
    from collections.abc import Sequence

COLOURS: Final = ("#3569c9", "#e08a1e", "#2f9e77", "#b3478f", "#7a7f87", "#c9503a")
WIDTH: Final = 720
LABEL_WIDTH: Final = 200
NUMBER_WIDTH: Final = 70
BAR: Final = 18
GAP: Final = 6
LABEL_LETTERS: Final = 28
LETTER_WIDTH: Final = 8


class Bar(NamedTuple):
    """A labelled row of parts, one for each series, whose lengths add up."""

    label: str
    parts: tuple[int, ...]


def bars(bars_: Sequence[Bar], series: Sequence[str] = ()) -> str:
    """Draw stacked bars, with a legend where there are several series; no bars are an empty text."""
    if not bars_:
        return ""
    longest = max(*(sum(bar.parts) for bar in bars_), 1)
    scale = (WIDTH - LABEL_WIDTH - NUMBER_WIDTH) / longest
    legend_height = BAR + GAP if len(series) > 1 else 0
    height = legend_height + len(bars_) * (BAR + GAP)
    rows = [_legend(series)] if legend_height else []
    for place, bar in enumerate(bars_):
        rows.append(_bar(bar, legend_height + place * (BAR + GAP), scale, series))
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13">{"".join(rows)}</svg>'
    )


def _bar(bar: Bar, top: int, scale: float, series: Sequence[str]) -> str:
    middle = top + BAR * 0.75
    label = f"<title>{markup(bar.label)}</title>{markup(_short(bar.label))}"
    drawn = [f'<text x="{LABEL_WIDTH - 8}" y="{middle:g}" text-anchor="end" fill="currentColor">{label}</text>']
    left = float(LABEL_WIDTH)
    for number, part in enumerate(bar.parts):
        if part:
            name = f"{series[number]}: {part}" if series else str(part)
            width = part * scale
            drawn.append(
                f'<rect x="{left:.2f}" y="{top}" width="{width:.2f}" height="{BAR}" '
                f'fill="{COLOURS[number % len(COLOURS)]}"><title>{markup(name)}</title></rect>'
            )
            left += width
    drawn.append(f'<text x="{left + 6:.2f}" y="{middle:g}" fill="currentColor">{sum(bar.parts):,}</text>')
    return "".join(drawn)


def _legend(series: Sequence[str]) -> str:
    drawn = []
    left = LABEL_WIDTH
    for number, name in enumerate(series):
        drawn.append(
            f'<rect x="{left}" y="3" width="12" height="12" fill="{COLOURS[number % len(COLOURS)]}"/>'
            f'<text x="{left + 18}" y="14" fill="currentColor">{markup(name)}</text>'
        )
        left += 40 + LETTER_WIDTH * len(name)
    return "".join(drawn)


def _short(text: str) -> str:
    text = line(text)
    return text if len(text) <= LABEL_LETTERS else f"{text[: LABEL_LETTERS - 1]}…"
