"""The official SDK's client, with its refusals told in our own words.

The SDK sends the key in every GraphQL request and keeps it in ``client.headers``; neither the client nor its headers
leave this package.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

import labelbox
from google.api_core.exceptions import RetryError
from labelbox import Client
from lbox import exceptions as refusals

from tasks.errors import ConfigurationError, LabelboxAnswerError, LabelboxRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

logging.getLogger(labelbox.__name__).setLevel(logging.ERROR)

Answer = TypeVar("Answer")
SourceKind = Literal["project", "model_run"]


@dataclass(frozen=True, slots=True)
class Account:
    """Which Labelbox to talk to, and the key. The key is left out of ``repr``."""

    api_key: str = field(repr=False)
    graphql_endpoint: str
    rest_endpoint: str


def connect(account: Account) -> Client:
    """The SDK's client. It sends nothing yet. Raises ``ConfigurationError`` when there is no key."""
    if not account.api_key:
        raise ConfigurationError(
            "There is no Labelbox API key.",
            remedy="Set LABELBOX_API_KEY (Labelbox → Workspace settings → API).",
            code="no_api_key",
        )
    return Client(api_key=account.api_key, endpoint=account.graphql_endpoint, rest_endpoint=account.rest_endpoint)


def check_source(client: Client, kind: SourceKind, source_id: str) -> str:
    """The name of the project or model run. Raises ``LabelboxRefusedError`` for a wrong key or an unknown id."""
    get = client.get_project if kind == "project" else client.get_model_run
    return str(asked(spoken(kind, source_id), lambda: get(source_id)).name)


def spoken(kind: SourceKind, source_id: str) -> str:
    """A source as messages name it: ``model run a2fb1fec``."""
    return f"{kind.replace('_', ' ')} {source_id}"


def asked(subject: str, call: Callable[[], Answer]) -> Answer:
    """What a call of the SDK gives; what it raises about ``subject`` becomes labelsnap's errors.

    Raises ``LabelboxRefusedError`` and ``LabelboxAnswerError``, whose messages never carry headers or the key.
    The call is made in a thread of its own: at each request the SDK describes every frame of the caller's stack
    (``lbox.call_info``), and a flow's stack is deep.
    """
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="labelbox") as thread:
            return thread.submit(call).result()
    except (refusals.AuthenticationError, refusals.AuthorizationError):
        raise LabelboxRefusedError(
            f"Labelbox refused the API key for {subject}.",
            remedy="Check LABELBOX_API_KEY, and that its user may read it.",
            code="key_refused",
        ) from None
    except refusals.ResourceNotFoundError:
        raise LabelboxRefusedError(
            f"Labelbox knows no {subject}.",
            remedy="Check the id under `source` in the dataset file, and that the key's workspace holds it.",
            code="source_not_found",
        ) from None
    except (refusals.ApiLimitError, refusals.ResourceConflict) as error:
        raise LabelboxRefusedError(
            f"Labelbox allows no more requests or exports now ({subject}): {error.message}",
            remedy="Wait, or stop other exports: 10 may run in a project and 20 in an organization.",
            code="labelbox_limit",
        ) from None
    except (refusals.NetworkError, RetryError, refusals.InternalServerError, refusals.TimeoutError) as error:
        raise LabelboxAnswerError(
            f"Labelbox did not answer about {subject} ({type(error).__name__}).",
            remedy="Check the network and LABELBOX_GRAPHQL_ENDPOINT, then run again.",
            code="labelbox_unreachable",
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise LabelboxAnswerError(
            f"Labelbox's SDK could make nothing of the answer about {subject} ({type(error).__name__}: "
            f"{_first_line(error)}).",
            remedy="Run again. If it stays so, check the dataset file's source and filters.",
            code="labelbox_answer",
        ) from None
    except (
        refusals.LabelboxError,
        refusals.MalformedQueryException,
        refusals.OperationNotAllowedException,
    ) as error:
        raise LabelboxRefusedError(
            f"Labelbox did not accept the request about {subject} ({type(error).__name__}: {_first_line(error)}).",
            remedy="Check the dataset file's source, params and filters against what the workspace allows.",
            code="labelbox_refused",
        ) from None


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "message", None) or error)
    return text.splitlines()[0][:200] if text else "no reason given"
