"""Splits that exist already: where a dataset takes them from, and which of ours a name of theirs is.

===================  ==================================================================================
``model_run``        Labelbox's own split of the model run that the dataset is of (``run_split``)
``metadata:NAME``    a row's value of the metadata field NAME; any value has to name a split
``tag:NAME``         a row's tags, which are its values of the metadata field NAME; others name none
``file:PATH``        a list of ids beside the dataset file: see ``split_files.py``
===================  ==================================================================================

An export has no tags of data rows but what stands in metadata (Labelbox's own field for that is called ``tag``).
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

import msgspec
from msgspec import Struct

from labelsnap.errors import ConfigurationError
from labelsnap.records.choices.splits import SPLITS
from labelsnap.records.model import ModelRunEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labelsnap.records.model import MetadataField, Record

Kind: TypeAlias = Literal["model_run", "metadata", "tag", "file"]
Names: TypeAlias = "Mapping[str, str | None]"
"""What a source calls a split → which of ours it is; None: such a name says nothing."""

_KINDS: Final = ("metadata", "tag", "file")
_SPELLINGS: Final[dict[str, str | None]] = {
    **{name: name for name in SPLITS},
    "training": "train",
    "valid": "val",
    "validation": "val",
    "testing": "test",
    "unassigned": None,
    "": None,
}
"""Labelbox's names and the usual ones, in small letters."""


class SplitSource(Struct, frozen=True):
    """Where splits are taken from; ``name`` is that of the metadata field, or the path of the file."""

    kind: Kind
    name: str = ""


class SplitNameError(ValueError):
    """What a source says of a row is no split. ``code`` is a problem's code, ``path`` the JSON path of what says it."""

    def __init__(self, code: str, reason: str, path: str = "$") -> None:
        super().__init__(reason)
        self.code = code
        self.path = path


def split_source(text: str) -> SplitSource:
    """Read ``split.from``. Raises ``ConfigurationError`` for what names no source, with the nearest that does."""
    if text == "model_run":
        return SplitSource("model_run")
    kind, colon, name = text.partition(":")
    if colon and name and kind in _KINDS:
        return SplitSource(cast("Kind", kind), name)
    known = ("model_run", "metadata:NAME", "tag:NAME", "file:PATH")
    nearest = get_close_matches(text, known, 1)
    raise ConfigurationError(
        f"split.from is expected to be {', '.join(known[:-1])} or {known[-1]}; found {text!r}.",
        remedy=f"The nearest is {nearest[0]}." if nearest else "Use one of these, or null.",
        code="unknown_split_source",
    )


def split_called(name: str, names: Names) -> str | None:
    """Return which split a source means by a name; None: it names none. Raises ``SplitNameError``.

    Letters' case and white space around do not count, and what the dataset file says of a name comes first.
    """
    spelled = spelled_alike(name)
    ours = {spelled_alike(each): split for each, split in names.items()}
    if spelled in ours:
        return ours[spelled]
    if spelled in _SPELLINGS:
        return _SPELLINGS[spelled]
    raise SplitNameError("unknown_split", f"Expected one of {', '.join(known_names(names))}, found another name.")


def spelled_alike(name: str) -> str:
    """Return what is the same for names that mean the same."""
    return name.strip().casefold()


def known_names(names: Names) -> tuple[str, ...]:
    """Return the names that are known of splits."""
    return tuple(dict.fromkeys((*names, *filter(None, _SPELLINGS))))


def named_by(record: Record, source: SplitSource, names: Names) -> str | None:
    """Return the split that the source names for a record; None: it says nothing. A file says nothing here.

    Raises ``SplitNameError`` for a name that is unknown, and where several splits are named.
    """
    try:
        match source.kind:
            case "model_run":
                path = "$.experiments[...].runs[...].split"
                runs = (entry for entry in record.entries if isinstance(entry, ModelRunEntry))
                said = next((run.split for run in runs if run.split is not None), None)
                return None if said is None else split_called(said, names)
            case "metadata" | "tag":
                path = "$.metadata_fields"
                return _of_field(record, source, names)
            case "file":
                return None
    except SplitNameError as error:
        raise SplitNameError(error.code, str(error), path) from None


def _of_field(record: Record, source: SplitSource, names: Names) -> str | None:
    fields = (field for field in record.data_row.metadata if field.schema_name == source.name)
    said = [value for field in fields for value in _values(field)]
    if source.kind == "tag":
        said = [value for value in said if _is_known(value, names)]
    found = {split for value in said if (split := split_called(value, names)) is not None}
    if len(found) > 1:
        raise SplitNameError("ambiguous_split", f"Expected one split, found {', '.join(sorted(found))}.")
    return next(iter(found), None)


def _is_known(value: str, names: Names) -> bool:
    try:
        split_called(value, names)
    except SplitNameError:
        return False
    return True


def _values(field: MetadataField) -> Iterable[str]:
    """The values of a field, as text: an entry may have a list of them."""
    value: Any = msgspec.json.decode(field.value) if field.is_json and isinstance(field.value, str) else field.value
    for each in value if isinstance(value, list) else (value,):
        if each is not None:
            yield each if isinstance(each, str) else msgspec.json.encode(each).decode()
