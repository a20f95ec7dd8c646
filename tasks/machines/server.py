"""Prefect's server, asked one short question as Prefect's client asks: over its TLS, with its headers and key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import httpx
from msgspec import json
from prefect import __version__
from prefect.client.base import ServerType, determine_server_type
from prefect.client.orchestration import get_client

from labelsnap.snapshots.manifest import NOT_SUCH_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS: Final = 10.0
"""How long the server may be silent at each step of one question."""
CONNECTIONS: Final = 4
"""How often Prefect's client tries to connect."""
MAX_BYTES: Final = 1 << 20
"""A longer answer is none that is asked for here."""
RIGHTS: Final = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
"""How a server answers whom it does not know, and who may not."""


class NoServerError(Exception):
    """What answers is no Prefect server that this Prefect can use; the text says what was found."""


def ask(method: str, path: str, body: Any = None, *, seconds: float = SECONDS) -> Any:
    """What the server answers, from its JSON; it may be silent for so many seconds at each step.

    Asked once, because Prefect's own repetitions last for minutes. Raises ``httpx.HTTPError`` and ``httpx.InvalidURL``,
    and ``NoServerError`` where nothing can be asked, or no JSON comes.
    """
    try:
        timeout = httpx.Timeout(seconds, connect=seconds / CONNECTIONS)
        connected = get_client(sync_client=True, httpx_settings={"timeout": timeout})
    except OSError as error:  # an SSLError is one, too
        raise NoServerError(f"PREFECT_API_SSL_CERT_FILE holds no certificates ({error.strerror or error})") from None
    with connected as client:
        plain = client._client  # noqa: SLF001 - the settings of Prefect's client without its repetitions
        answer = httpx.Client.send(plain, plain.build_request(method, path, json=body), stream=True)
        try:
            answer.raise_for_status()
            found = b""
            for block in answer.iter_bytes():
                found += block
                if len(found) > MAX_BYTES:
                    raise NoServerError(f"its answer is longer than {MAX_BYTES} bytes")
        finally:
            answer.close()
    try:
        return json.decode(found)
    except NOT_SUCH_JSON:
        raise NoServerError(f"it answers {answer.headers.get('Content-Type', 'nothing')[:80]}, and no JSON") from None


def check_answer() -> None:
    """Return where the server of Prefect's settings takes this client, which has to have rights for what is asked.

    Raises as ``ask`` does.
    """
    if determine_server_type() == ServerType.CLOUD:
        ask("POST", "/flow_runs/filter", {"limit": 1})
        return
    found = ask("GET", "/admin/version")
    major = re.match(r"\d{1,4}(?=\.)", found) if isinstance(found, str) else None
    if major is None:
        raise NoServerError("it names no version")
    if major[0] != __version__.partition(".")[0]:
        raise NoServerError(f"it is Prefect {found[:40]}, and here is {__version__}")


def fault_of_server() -> str | None:
    """Why this machine cannot use the server, to follow its name in a sentence; None where it can."""
    try:
        check_answer()
    except NoServerError as error:
        return f"cannot be used: {error}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return refusal_of_server(error) or f"does not answer ({type(error).__name__})"
    return None


def refusal_of_server(error: BaseException) -> str | None:
    """That the server refuses this machine, as ``fault_of_server``, where an error says so or came from one that does.

    Nothing else that a run uses speaks through httpx.
    """
    for each in chain_of(error):
        if isinstance(each, httpx.HTTPStatusError) and each.response.status_code in RIGHTS:
            return f"refuses it ({each.response.status_code}): PREFECT_API_AUTH_STRING or PREFECT_API_KEY is at fault"
    return None


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """An error, what it came from, and so on; each once."""
    seen: list[BaseException] = []
    next_one: BaseException | None = error
    while next_one is not None and next_one not in seen:
        yield next_one
        seen.append(next_one)
        next_one = next_one.__cause__ or next_one.__context__
