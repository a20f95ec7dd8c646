"""Standard output and standard error as a process was given them: open, closed, or on a disk that is full."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelsnap.errors import ConfigurationError, OutputLostError

if TYPE_CHECKING:
    from collections.abc import Iterator


class CheckedOutput(io.FileIO):
    """A file whose refusals are told from those of every other file. A reader that went is no refusal."""

    def write(self, data: Any, /) -> int:
        """Write. Raises ``OutputLostError`` where that is refused."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLostError(
                f"Standard output cannot be written: {error.strerror or error}.",
                remedy="What the command did stands, and only its result was not told: free that disk or write "
                "elsewhere, and ask again (a refresh that was published says `unchanged`).",
                code="output_lost",
            ) from error


@contextmanager
def output_checked() -> Iterator[None]:
    """Write standard output through ``CheckedOutput`` in the block; no standard error is one that nobody reads.

    Raises ``ConfigurationError`` where standard output is closed: the next file that is opened would take its place.
    """
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as the process
    if sys.stdout is None:
        raise ConfigurationError(
            "Standard output is closed, so that nobody would learn the outcome. Nothing was started.",
            remedy="Give it a file, or /dev/null.",
            code="output_closed",
        )
    given = sys.stdout
    raw = io.BufferedWriter(CheckedOutput(given.fileno(), "wb", closefd=False))
    sys.stdout = io.TextIOWrapper(
        raw, encoding=given.encoding, errors="backslashreplace", line_buffering=given.isatty()
    )
    try:
        yield
    except (OutputLostError, BrokenPipeError):
        discard_output()
        raise
    finally:
        sys.stdout.flush()


def discard_output() -> None:
    """Let what is not written yet, and all that follows, go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
