"""The formats by name: one line each."""

from __future__ import annotations

from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from labelsnap.decoders import converted
from labelsnap.errors import ConfigurationError
from labelsnap.formats.coco.writer import Coco
from labelsnap.formats.huggingface import HuggingFace
from labelsnap.formats.labelme import LabelMe
from labelsnap.formats.masks import Masks
from labelsnap.formats.parquet import Parquet
from labelsnap.formats.raw import Raw
from labelsnap.formats.voc import Voc
from labelsnap.formats.webdataset import WebDataset
from labelsnap.formats.yolo.writer import Yolo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labelsnap.formats.interface import Format

FORMATS: Mapping[str, type[Format]] = MappingProxyType(
    {
        Coco.name: Coco,
        HuggingFace.name: HuggingFace,
        LabelMe.name: LabelMe,
        Masks.name: Masks,
        Parquet.name: Parquet,
        Raw.name: Raw,
        Voc.name: Voc,
        WebDataset.name: WebDataset,
        Yolo.name: Yolo,
    }
)

DEFAULT: Final = Coco.name
"""The format of a dataset file that names none."""
STANDING: Final = (Parquet.name, Raw.name)
"""The formats that every snapshot has, named in the dataset file or not, because their files are its own."""


def format_of(name: str, options: Mapping[str, Any] | None = None) -> Format:
    """Give the format of that name with its options, as the dataset file spells them.

    Raises ``ConfigurationError`` with the code ``unknown_format``, ``unknown_format_option`` or
    ``bad_format_option``; an unknown name's remedy is the nearest known one.
    """
    if name not in FORMATS:
        raise unknown("format", name, FORMATS, code="unknown_format")
    kind, given = FORMATS[name], dict(options or {})
    known = kind.__struct_fields__
    for option in given:
        if option not in known:
            raise unknown(f"option of the format {name}", option, known, code="unknown_format_option")
    try:
        return converted(given, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"An option of the format {name} does not fit: {error}.",
            remedy="Correct its value in the dataset file.",
            code="bad_format_option",
        ) from error


def unknown(what: str, found: str, known: Iterable[str], *, code: str, more: str = "") -> ConfigurationError:
    """Return the error for a name that is none of those that are known; its remedy ends with ``more``."""
    names = sorted(known)
    near = get_close_matches(found, names, n=1)
    remedy = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names) or 'none'}."
    return ConfigurationError(f"Unknown {what}: {found!r}.", remedy=f"{remedy}{more}", code=code)
