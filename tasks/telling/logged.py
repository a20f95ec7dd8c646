"""Log records as plain text, whoever writes and whoever shows them: a terminal, a file, or Prefect's pages."""

from __future__ import annotations

import logging
from typing import Any, Final

from labelsnap.shown import line, lines

OURS: Final = ("labelsnap.", "tasks.", "flows.", "config.")
"""The loggers that write one line at a time; what others write may have several."""
_TRACES: Final = logging.Formatter()


class ShownRecord(logging.LogRecord):
    """A record whose message and trace have nothing that a terminal obeys."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if isinstance(self.exc_info, tuple):
            self.exc_text = lines(_TRACES.formatException(self.exc_info))

    def getMessage(self) -> str:  # noqa: N802 - the name that logging asks for
        """The message with its arguments."""
        told = super().getMessage()
        return line(told) if self.name.startswith(OURS) else lines(told)


def show_plainly() -> None:
    """Make every record of this process such a one."""
    logging.setLogRecordFactory(ShownRecord)
