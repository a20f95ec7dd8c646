"""Work in a process of its own, which may die in the middle of it."""

from __future__ import annotations

import os


def in_process(work):
    """Run the work in a process of its own; return the signal that ended it, 0 for none."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:  # noqa: BLE001 - the parent is told by the status
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "the publication failed in another way"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
