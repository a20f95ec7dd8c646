"""The variables that the library goes by: none, until who starts a process hands them in.

The library reads no environment by itself; boto3 and requests read what is theirs. What is handed in decides when a new
client of boto3 is made and in which region (``AWS_REGION``, which boto3 does not read), and which values no message may
show. Tasks and commands hand in ``os.environ``; so does a program of one's own that changes variables, or wants
messages without them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_HANDED_IN: Final[deque[Mapping[str, str]]] = deque(({},), maxlen=1)


def work_in(variables: Mapping[str, str]) -> None:
    """Go by these from now on in this process; they are looked at each time, so ``os.environ`` may change."""
    _HANDED_IN.append(variables)


def variables() -> Mapping[str, str]:
    """What was handed in last."""
    return _HANDED_IN[0]


def aws_variables() -> tuple[tuple[str, str], ...]:
    """The names and values of those that say where AWS is and as whom it is asked, in order."""
    return tuple(sorted(item for item in variables().items() if item[0].startswith("AWS_")))
