"""The list of ids beside a dataset file that `split.from: file:PATH` names: read, and checked to its last line."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Final

from labelsnap.errors import ConfigurationError
from labelsnap.records.choices.split_files import LONGEST_LINE, SplitFileError, read_splits
from labelsnap.redaction import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from config.dataset import Dataset
    from labelsnap.records.choices.split_files import SplitTable

MAX_BYTES: Final = 256 << 20
"""Room for the ids of two million rows."""


def listed_splits(dataset: Dataset) -> SplitTable | None:
    """The list that a dataset takes its splits from; None: it has none.

    Raises ``ConfigurationError`` where it cannot be read, or a line of it cannot be used, with the line's number.
    """
    source = dataset.split.taken_from
    if source is None or source.kind != "file":
        return None
    path = Path(source.name)
    try:
        with _opened(path) as file:
            return read_splits(_lines(file), dataset.split.names)
    except SplitFileError as error:
        fault, remedy = f"cannot be used: {error}", "Correct the file and run again."
    except (OSError, ValueError) as error:  # a path may hold what no path may
        reason = getattr(error, "strerror", None) or error
        fault = f"cannot be read on the machine {platform.node()}: {reason}"
        remedy = "split.from is a path beside the dataset file; where runs are deployed it has to be there, too."
    raise ConfigurationError(
        f"The list of splits {shown(str(path))} {fault.removesuffix('.')}.", remedy=remedy, code="bad_split_file"
    )


def _opened(path: Path) -> IO[bytes]:
    """Open a file; what is none, such as a pipe or a device, is not waited for."""
    if path.exists() and not path.is_file():
        raise SplitFileError("it is no file")
    return path.open("rb")


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file, of which one that is too long, or goes beyond what is read, is cut just behind that."""
    left = MAX_BYTES
    while line := file.readline(LONGEST_LINE + 1):
        left -= len(line)
        if left < 0:
            raise SplitFileError(f"it has more than {MAX_BYTES:,} bytes")
        yield line
