"""Which split a row belongs to: the one that it was given before, else a pure function of a key and the dataset's seed.

The function: the first 53 bits of sha256("SEED:KEY") (UTF-8, big-endian) as a fraction of 2**53; below ``train`` it is
train, below ``train + val`` it is val, else test. Other rows play no part.
"""

from __future__ import annotations

from difflib import get_close_matches
from hashlib import sha256
from math import isclose
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from labelsnap.errors import ConfigurationError
from labelsnap.records.model import ProjectEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelsnap.records.model import Record

SPLITS: Final = ("train", "val", "test")

_OF_ROW: Final = ("global_key", "external_id")
_OF_DETAILS: Final = ("dataset_id", "dataset_name", "created_by")
_OF_PROJECT: Final = ("batch_id", "batch_name")
_METADATA: Final = "metadata:"
_BITS: Final = 53


class Split(Struct, frozen=True):
    """The shares of the three splits, which add up to 1, and the seed.

    Raises ``ConfigurationError`` for shares that are negative or do not add up.
    """

    train: float = 0.8
    val: float = 0.1
    test: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        shares = (self.train, self.val, self.test)
        if min(shares) < 0 or not isclose(sum(shares), 1, abs_tol=1e-9):
            raise ConfigurationError(
                f"The shares of train, val and test are expected to be at least 0 and to add up to 1, found {shares}.",
                remedy="Correct `split` in the dataset file.",
                code="bad_split",
            )


def assign(key: str, split: Split) -> str:
    """Return the split of a key: ``train``, ``val`` or ``test``."""
    digest = sha256(f"{split.seed}:{key}".encode()).digest()
    place = (int.from_bytes(digest[:8]) >> (64 - _BITS)) / 2**_BITS
    total = split.train + split.val + split.test
    if place < split.train / total:
        return "train"
    return "val" if place < (split.train + split.val) / total else "test"


def split_of(
    record: Record, image_sha256: str | None, group_by: str | None, split: Split, given: Mapping[str, str]
) -> str:
    """Return the split of a row. ``given`` are those that rows were given under the same settings, by data row id.

    A row with a value for its group is where that puts it. Any other stays where it was, whatever becomes of its image.
    """
    if _group(record, group_by) is None and (found := given.get(record.data_row.id)) is not None:
        return found
    return assign(split_key(record, image_sha256, group_by), split)


def split_key(record: Record, image_sha256: str | None, group_by: str | None) -> str:
    """Return what a record is split by: its group's value, else its image's sha256 (hex), else its row's id.

    Rows of one group share a split; so do rows of one image where there is no group. A row that has no value for its
    group falls back to its image.
    """
    group = _group(record, group_by)
    return group if group is not None else image_sha256 or record.data_row.id


def check_group_by(text: str) -> None:
    """Refuse a ``group_by`` that names nothing of a row, with the nearest that does, as ``ConfigurationError``."""
    known = (*_OF_ROW, *_OF_DETAILS, *_OF_PROJECT)
    if text in known or (text.startswith(_METADATA) and text != _METADATA):
        return
    nearest = get_close_matches(text, (*known, f"{_METADATA}NAME"), 1)
    raise ConfigurationError(
        f"split.group_by is expected to be {_METADATA}NAME or one of {', '.join(known)}; found {text!r}.",
        remedy=f"Did you mean {nearest[0]}?" if nearest else "Use one of these names, or null.",
        code="unknown_group_by",
    )


def _group(record: Record, group_by: str | None) -> str | None:
    """Return the value of what a row is grouped by; None: it has none, or rows are not grouped."""
    if group_by is None:
        return None
    if group_by.startswith(_METADATA):
        name = group_by.removeprefix(_METADATA)
        values = [field.value for field in record.data_row.metadata if field.schema_name == name]
        found = values[0] if values else None
        return found if found is None or isinstance(found, str) else msgspec.json.encode(found).decode()
    owner: object = record.data_row
    if group_by in _OF_DETAILS:
        owner = record.data_row.details
    elif group_by in _OF_PROJECT:
        owner = record.entry.details if isinstance(record.entry, ProjectEntry) else None
    value: str | None = getattr(owner, group_by, None)
    return value or None
