"""Prefect's server: whether it answers, and what its client's failures mean to whoever typed a command."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx

from config.settings import load_settings
from tasks.errors import ConfigurationError
from tasks.steps.wanted import cancelled

if TYPE_CHECKING:
    from tasks.errors import LabelsnapError

PAUSE: Final = 2.0
"""Seconds between two looks."""
SERVER_ERROR: Final = 500
NOT_FOUND: Final = 404
EPHEMERAL: Final = "ephemeral Prefect API server"
"""What Prefect's errors say of the server that it starts by itself."""


def check_named(purpose: str) -> None:
    """Raise ``ConfigurationError`` where ``PREFECT_API_URL`` names no server: one that Prefect starts ends with us."""
    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigurationError(
            f"There is no Prefect server to {purpose}.",
            remedy="Start one (`prefect server start`) and set PREFECT_API_URL; deploy/README.md shows how.",
            code="no_prefect_server",
        )


def check_server() -> None:
    """Raise ``ConfigurationError`` where ``PREFECT_API_URL`` names a server that does not answer in time.

    That is ``LABELSNAP_PREFECT_SECONDS``; without an address Prefect starts a server of its own.
    """
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return
    deadline = time.monotonic() + load_settings().prefect_seconds
    while True:
        try:
            answer = httpx.get(f"{url.rstrip('/')}/health", timeout=10)
            found = None if answer.is_success else f"it answers {answer.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            found = str(error) or type(error).__name__
        if found is None:
            return
        if time.monotonic() >= deadline:
            raise unreachable(found)
        time.sleep(PAUSE)


def fault_of_prefect(error: BaseException) -> LabelsnapError | None:
    """What an error, or one that it came from, says of Prefect's server; None where it says nothing of it.

    Nothing else here speaks through httpx.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, httpx.HTTPStatusError) and seen.response.status_code < SERVER_ERROR:
            return _refused(seen)
        if isinstance(seen, httpx.HTTPError | httpx.InvalidURL) or EPHEMERAL in str(seen):
            return unreachable(str(seen).partition("\n")[0] or type(seen).__name__)
        seen = seen.__cause__ or seen.__context__
    return None


def unreachable(found: str) -> ConfigurationError:
    """The error for a server that does not answer, or fails."""
    return ConfigurationError(
        f"Prefect's server{_named()} does not answer: {found}.",
        remedy="Look whether it runs, and correct PREFECT_API_URL; without that variable Prefect starts one for the "
        "run. Then run again: what was fetched is kept, and a version that was published stands.",
        code="prefect_unreachable",
    )


def _refused(error: httpx.HTTPStatusError) -> LabelsnapError:
    if error.response.status_code == NOT_FOUND and "/flow_runs/" in error.request.url.path:
        return cancelled("was deleted")
    return ConfigurationError(
        f"Prefect's server{_named()} refuses {error.request.method} {error.request.url.path}: "
        f"{error.response.status_code} {error.response.reason_phrase}.",
        remedy="For 401 and 403 set PREFECT_API_KEY or PREFECT_API_AUTH_STRING; else compare its version with "
        "Prefect's here.",
        code="prefect_refused",
    )


def _named() -> str:
    """The server's address without a name and password in it."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return ", which was started for this run,"
    try:
        parts = urlsplit(url)
    except ValueError:
        return ", whose address in PREFECT_API_URL is none,"
    return f" at {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
