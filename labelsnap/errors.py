"""Everything that labelsnap raises on purpose, named by who is at fault.

::

    LabelsnapError
    ├── ConfigurationError                the dataset file, the environment or the command line       exit 2
    ├── LabelboxError                                                                                 exit 3
    │   ├── LabelboxRefusedError          a wrong key, an unknown project, a failed export task
    │   └── LabelboxAnswerError           an answer that Labelbox's protocol does not have
    ├── StorageError                                                                                  exit 4
    │   ├── StorageRefusedError           no rights, no bucket, no conditional writes, damaged bytes
    │   ├── OutputLostError               standard output cannot be written: what was done stands, and is not told
    │   ├── StorageOutcomeUnknownError    the store's answer was lost; the outcome cannot be told
    │   └── ReaderTooOldError             what lies there is sound, and the pyarrow of this machine cannot read it
    ├── DatasetRejectedError              the dataset's own policy does not allow the result          exit 5
    └── RunStoppedError                   Ctrl-C, or the run was cancelled in Prefect                 exit 130
        ├── RunHungUpError                SIGHUP                                                      exit 129
        └── RunTerminatedError            SIGTERM                                                     exit 143

A row that cannot be used is no exception: it is a ``Problem`` (see ``labelsnap.records``), counted and kept.
"""

from __future__ import annotations

from typing import ClassVar

from labelsnap.shown import line


class LabelsnapError(Exception):
    """The root. ``message`` says what was expected and what was found, ``remedy`` what to do about it.

    Both are made to be shown, by Prefect too, and may quote what others wrote: each is one line of plain text.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str, code: str) -> None:
        super().__init__(line(message))
        self.message = line(message)
        self.remedy = line(remedy)
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"

    @property
    def described(self) -> dict[str, str]:
        """The error as commands and results describe it in JSON."""
        return {"code": self.code, "message": self.message, "remedy": self.remedy}

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.remedy, self.code)


def _rebuild(kind: type[LabelsnapError], message: str, remedy: str, code: str) -> LabelsnapError:
    return kind(message, remedy=remedy, code=code)


class ConfigurationError(LabelsnapError):
    """The dataset file, the environment or the command line asks for something that cannot be."""

    exit_status = 2


class LabelboxError(LabelsnapError):
    """Labelbox did not do what was asked."""

    exit_status = 3


class LabelboxRefusedError(LabelboxError):
    """Labelbox understood and said no."""


class LabelboxAnswerError(LabelboxError):
    """Labelbox answered something that its protocol does not have, or stopped answering."""


class StorageError(LabelsnapError):
    """The object store did not do what was asked."""

    exit_status = 4


class StorageRefusedError(StorageError):
    """The store said no, cannot do what a snapshot needs, or holds bytes that are not what was written."""


class OutputLostError(StorageError):
    """Standard output is a full disk, or one that fails: what a command did stands, and its result is not told."""


class StorageOutcomeUnknownError(StorageError):
    """An answer was lost and reading back did not settle what happened."""


class ReaderTooOldError(StorageError):
    """What the store holds is what was written, and the pyarrow that is installed here cannot read it."""


class DatasetRejectedError(LabelsnapError):
    """The dataset's own policy rejects the result: nothing is published. ``result`` is the refresh's, whole."""

    exit_status = 5

    def __init__(self, message: str, *, remedy: str, code: str, result: dict[str, object] | None = None) -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.result = result

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_rejection, (self.message, self.remedy, self.code, self.result)


class RunStoppedError(LabelsnapError):
    """Somebody stopped the run. Nothing was published after that."""

    exit_status = 130


class RunHungUpError(RunStoppedError):
    """The terminal that the command was typed in was closed."""

    exit_status = 129


class RunTerminatedError(RunStoppedError):
    """Whoever looks after the process ended it."""

    exit_status = 143


def _rebuild_rejection(message: str, remedy: str, code: str, result: dict[str, object] | None) -> DatasetRejectedError:
    return DatasetRejectedError(message, remedy=remedy, code=code, result=result)
