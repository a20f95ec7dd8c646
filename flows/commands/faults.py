"""Whatever a command ends with → an error with a code, a sentence and a remedy. What nobody foresaw keeps its trace."""

from __future__ import annotations

import hashlib
import os
import platform
import signal
import sys
import threading
import traceback
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from labelsnap.errors import LabelsnapError, RunHungUpError, RunStoppedError, RunTerminatedError
from labelsnap.redaction import without_secrets
from labelsnap.shown import lines
from tasks.machines.room import scratch_fault, scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MESSAGE: Final = 300


class StoppedBySignal(BaseException):
    """One of ``stops`` came. No ``Exception``, so that nothing on the way takes it for a fault of its own."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def stops() -> tuple[signal.Signals, ...]:
    """The signals that stop a process in order: SIGTERM, and SIGHUP unless it was started to outlive its terminal."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGTERM,) if ignored else (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_raise() -> Iterator[None]:
    """Raise ``StoppedBySignal`` in the block when one of ``stops`` comes, so that what it holds is let go of."""

    def stop(number: int, _: Any) -> NoReturn:
        raise StoppedBySignal(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, stop) for each in stops()}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def fault_of(error: BaseException) -> LabelsnapError:
    """The error that a command ends with."""
    match error:
        case LabelsnapError():
            return error
        case StoppedBySignal(number=signal.SIGHUP):
            return RunHungUpError("SIGHUP ended it: its terminal was closed.", remedy=_AGAIN, code="hung_up")
        case StoppedBySignal():
            return RunTerminatedError("SIGTERM ended it.", remedy=_AGAIN, code="terminated")
        case OSError() if fault := scratch_fault(error):
            return fault
        case Exception():
            return _of_prefect(error) or unforeseen(error)
        case _:
            return RunStoppedError("Ctrl-C ended it.", remedy=_AGAIN, code="interrupted")


_AGAIN: Final = "Run it again: what was done is kept."


def _of_prefect(error: Exception) -> LabelsnapError | None:
    """What Prefect's client raised; a process that has not loaded it has not asked it anything."""
    if "prefect" not in sys.modules:
        return None
    from flows.service.prefect_settings import fault_of_settings

    if fault := fault_of_settings():  # nothing else of Prefect can be imported then
        return fault
    from flows.service.prefect_server import fault_of_prefect

    return fault_of_prefect(error)


def unforeseen(error: BaseException) -> LabelsnapError:
    """The error for what nobody foresaw; its trace is kept in a file that only its owner reads."""
    found = without_secrets(" ".join(f"{type(error).__name__}: {error}".split()))[:MAX_MESSAGE]
    return LabelsnapError(
        f"Nobody foresaw this: {found}",
        remedy=f"{_kept(error)} This is a fault of labelsnap: please report it with that. No version is half "
        "published; running it again does no harm.",
        code="unforeseen",
    )


def _kept(error: BaseException) -> str:
    """Keep the trace, once however often it comes; say where."""
    told = " ".join(sys.argv)
    head = [f"labelsnap {version('labelsnap')}, Python {platform.python_version()}\n", f"{told}\n\n"]
    text = lines(without_secrets("".join([*head, *traceback.format_exception(error)])))
    path = Path(
        scratch_folder(), f"labelsnap-trace-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:16]}.txt"
    )
    try:
        with (
            suppress(FileExistsError),
            open(path, "x", encoding="utf-8", errors="replace", opener=_for_its_owner) as file,
        ):
            file.write(text)
    except OSError as refused:
        return f"The trace could not be kept in {path.parent} ({refused.strerror or refused})."
    return f"The trace is in {path}."


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
