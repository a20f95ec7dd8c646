r"""Text of others as people may see it: one function a medium, for the border at which it leaves.

Whoever names a class, a file or a project decides what stands in these texts. What a terminal or a page would obey is
spelled out in place (``\x1b``, ``\u202e``): control characters, marks that turn the direction of writing, characters
without width or ink that Unicode lets readers ignore, and what is no character. Those stay that honest names are
written with: the joiners U+200C and U+200D (Persian, Hindi, emoji), U+FE0E and U+FE0F (emoji or text), and Mongolian's
own selectors. Files that machines read keep their texts as they are.
"""

from __future__ import annotations

import json
import re
from html import escape
from typing import Final

from msgspec import to_builtins

_BREAKS: Final = re.compile("[\t-\r\x85\u2028\u2029]+")
_LIVE: Final = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters
    "\u2028\u2029"  # line and paragraph separators
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of writing
    "\u00ad\u034f\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f\ufe00-\ufe0d\ufeff\ufff0-\ufffb"  # no width
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # no width either
    "\u115f\u1160\u3164\uffa0"  # letters of Hangul that fill a place and show nothing
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"  # no characters
    "\U000e0000-\U000e0fff"  # tags and selectors, which hide text in text
    "]"
)
_LINKED: Final = re.compile(r"://|@|\w\.\w")
"""What some reader of Markdown makes a link of without any mark, escapes or not."""
_MARKS: Final = re.compile(r"[\\`*{}\[\]<>#|~!&$^]|(?<!\w)_|_(?!\w)|^[-+=]|^\d(?=\d*[.)])")


def line(text: str) -> str:
    """Return text as one line of a terminal or of a log, without anything that these obey."""
    return _LIVE.sub(_spelled, _BREAKS.sub(" ", text))


def lines(text: str) -> str:
    """Return text of several lines, each as ``line`` gives it; only a line feed parts them."""
    return "\n".join(map(line, text.split("\n")))


def markdown(text: str) -> str:
    """Return text as one line of Markdown, in a cell of a table too: no mark, no HTML, no link.

    What could become a link by itself is code, in which no reader looks for one.
    """
    shown = " ".join(line(text).split())
    if not _LINKED.search(shown):
        return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", shown)
    ticks = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    pad = " " if "`" in shown[:1] + shown[-1:] else ""
    return f"{ticks}{pad}{shown.replace('|', chr(92) + 'x7c')}{pad}{ticks}"


def markup(text: str) -> str:
    """Return text for HTML, SVG and XML, in elements and in quoted attributes: well-formed whatever it is."""
    return escape(line(text))


def json_text(value: object, *, ascii_only: bool = False) -> str:
    """Return a value as JSON for people and machines: what a terminal would obey is escaped, and means the same."""
    written = json.dumps(to_builtins(value, str_keys=True), ensure_ascii=ascii_only, indent=2)
    return _LIVE.sub(lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], written)


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
