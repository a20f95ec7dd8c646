"""Prefect's server: whether it answers, and what its client's failures mean to whoever typed a command."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx
from prefect.settings import PREFECT_API_URL

from config.settings import load_settings
from labelsnap.errors import ConfigurationError
from labelsnap.redaction import LEFT_OUT, bare_address
from tasks.machines.server import NoServerError, chain_of, check_answer
from tasks.run.wanted import cancelled

if TYPE_CHECKING:
    from labelsnap.errors import LabelsnapError

PAUSE: Final = 2.0
"""Seconds between two looks."""
SERVER_ERROR: Final = 500
NOT_FOUND: Final = 404
PASSING: Final = {408, 425, 429, 500, 502, 503, 504}
"""How a server, or a proxy before it, answers for one that is being started."""
EPHEMERAL: Final = "ephemeral Prefect API server"
"""What Prefect's errors say of the server that it starts by itself."""


def check_named(purpose: str) -> None:
    """Raise ``ConfigurationError`` where Prefect's settings name no server: one that Prefect starts ends with us."""
    if not PREFECT_API_URL.value():
        raise ConfigurationError(
            f"There is no Prefect server to {purpose}.",
            remedy="Start one (`prefect server start`) and set PREFECT_API_URL; deploy/README.md shows how.",
            code="no_prefect_server",
        )


def check_server() -> None:
    """Raise ``ConfigurationError`` where the server that Prefect's settings name does not take this client.

    One that does not answer, or fails, has ``LABELSNAP_PREFECT_SECONDS``; one that refuses, or is none, is told of at
    once. Without an address Prefect starts a server of its own.
    """
    if not PREFECT_API_URL.value():
        return
    deadline = time.monotonic() + load_settings().prefect_seconds
    while True:
        try:
            check_answer()
        except NoServerError as error:
            raise no_server(str(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if not may_pass(error) or time.monotonic() >= deadline:
                raise fault_of_prefect(error) or unreachable(type(error).__name__) from None
        else:
            return
        time.sleep(PAUSE)


def may_pass(error: Exception) -> bool:
    """Whether a server that is being started may answer otherwise later."""
    return isinstance(error, httpx.TransportError) or (
        isinstance(error, httpx.HTTPStatusError) and error.response.status_code in PASSING
    )


def fault_of_prefect(error: BaseException) -> LabelsnapError | None:
    """What an error, or one that it came from, says of Prefect's server; None where it says nothing of it."""
    for each in chain_of(error):
        if isinstance(each, httpx.HTTPStatusError):
            status = each.response.status_code  # what such an error says has the address, with a password
            return _refused(each) if status < SERVER_ERROR else unreachable(f"it answers {status}")
        if isinstance(each, httpx.HTTPError | httpx.InvalidURL) or EPHEMERAL in str(each):
            return unreachable(str(each).partition("\n")[0] or type(each).__name__)
    return None


def no_server(found: str) -> ConfigurationError:
    """The error for an address at which no server is that this Prefect can use."""
    return ConfigurationError(
        f"Prefect's server{_named()} cannot be used: {found}.",
        remedy="Correct PREFECT_API_URL, which ends with /api. Where a page answers, a proxy may want a header: "
        "PREFECT_CLIENT_CUSTOM_HEADERS has it.",
        code="prefect_unreachable",
    )


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
        remedy="For 401 and 403 set PREFECT_API_KEY or PREFECT_API_AUTH_STRING, or what a proxy wants in "
        "PREFECT_CLIENT_CUSTOM_HEADERS; for 404 correct PREFECT_API_URL, which ends with /api; else compare its "
        "version with Prefect's here.",
        code="prefect_refused",
    )


def _named() -> str:
    """The server's address without a name and password in it."""
    url = PREFECT_API_URL.value()
    if not url:
        return ", which was started for this run,"
    try:
        urlsplit(url)
    except ValueError:
        return ", whose address in PREFECT_API_URL is none,"
    return f" at {bare_address(url).replace(f'{LEFT_OUT}@', '')}"
