"""A flow that a person typed, run in the process of its command: without what Prefect does for other runs only."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from copy import copy
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from prefect import flow_engine
from prefect.client import orchestration
from pydantic import BaseModel

from flows.commands.console import progress_shown
from flows.commands.process import pass_over_pandas
from flows.runners.runners import runner_of
from flows.service.own_records import trim_own_records
from flows.service.prefect_server import check_server
from tasks.telling.progress import listening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect import Flow

HEARTBEATS: Final = "_send_heartbeats"
"""What sends a run's heartbeats while it works, by its name in Prefect's engine."""


def run_here(flow: Flow[..., dict[str, Any]], runner: str, *arguments: Any) -> dict[str, Any]:
    """The flow's result, its tasks carried out by the runner of this name. Shows how far it is on standard error."""
    pass_over_pandas()
    run = copy(flow)  # as ``with_options`` gives it, which works out the schema of the parameters anew
    run.task_runner = runner_of(runner)
    if all(isinstance(each, BaseModel) for each in arguments):
        run.serialize_parameters = encoded  # type: ignore[method-assign]
    with reading_certificates_once():
        check_server()
        trim_own_records()
        with progress_shown() as show, listening(show), ending_at_once():
            return run(*arguments)


def encoded(parameters: dict[str, Any]) -> dict[str, Any]:
    """Models as Prefect's server keeps them. Prefect's own way loads FastAPI for the same, which takes 0.1 seconds."""
    return {name: model.model_dump(mode="json", by_alias=True) for name, model in parameters.items()}


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Have the end of a flow in the block not wait for the thread of its heartbeats, which looks up once a second.

    Prefect's asynchronous engine does not wait for it, either. An engine that knows no such choice has its way.
    """
    sends = getattr(flow_engine, HEARTBEATS, None)
    if sends is None:
        yield
        return
    setattr(flow_engine, HEARTBEATS, partial(sends, join_on_exit=False))
    try:
        yield
    finally:
        setattr(flow_engine, HEARTBEATS, sends)


class _OneTrust:
    """``ssl`` as Prefect's client sees it: what it trusts is read once, and not for each of its clients."""

    def __init__(self) -> None:
        self._read = lru_cache(ssl.create_default_context)

    def __getattr__(self, name: str) -> Any:
        return getattr(ssl, name)

    def create_default_context(self, **named: Any) -> ssl.SSLContext:
        """A context of its own, to be changed, unless it is of a list of certificates."""
        return self._read(**named) if named.keys() == {"cafile"} else ssl.create_default_context(**named)


@contextmanager
def reading_certificates_once() -> Iterator[None]:
    """Have Prefect's clients in the block share one list of certificates: each reads it, in 20 ms, and a run has four.

    A client that knows no ``ssl`` has its way.
    """
    of_client: Any = orchestration
    before = getattr(of_client, "ssl", None)
    if before is None:
        yield
        return
    of_client.ssl = _OneTrust()
    try:
        yield
    finally:
        of_client.ssl = before
