"""The official SDK's client, asked with patience, and with its refusals told in our own words.

The SDK sends the key in every GraphQL request and keeps it in ``client.headers``; neither its client nor its headers
leave this package.
"""

from __future__ import annotations

import logging
import os
import platform
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

import labelbox

from labelsnap.apart import apart
from labelsnap.errors import ConfigurationError
from labelsnap.labelbox.answers import Answers
from labelsnap.labelbox.faults import RAISED, fault_of
from labelsnap.labelbox.patience import DEFAULT, Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from labelbox.schema.catalog import Catalog
    from labelbox.schema.slice import CatalogSlice

    from labelsnap.records.model import SourceKind

logging.getLogger(labelbox.__name__).setLevel(logging.ERROR)
logging.getLogger("lbox").setLevel(logging.CRITICAL)  # what it logs of a failed request is told in our own words

Answer = TypeVar("Answer")
Source: TypeAlias = "labelbox.Project | labelbox.ModelRun | labelbox.Dataset | CatalogSlice | Catalog"


@dataclass(frozen=True, slots=True)
class Account:
    """Which Labelbox to talk to, and the key. The key is left out of ``repr``."""

    api_key: str = field(repr=False)
    graphql_endpoint: str
    rest_endpoint: str


@dataclass(frozen=True, slots=True)
class Client:
    """The SDK's client, and how long its questions are asked again."""

    sdk: labelbox.Client
    patience: Patience

    def asked(
        self,
        subject: str,
        call: Callable[[labelbox.Client], Answer],
        *,
        whole: float | None = None,
        lasting: Container[str] = frozenset(),
    ) -> Answer:
        """What a call of the SDK gives, asked again while what it raises may pass (see ``Patience.outlast``).

        Raises ``LabelboxRefusedError`` and ``LabelboxAnswerError`` about ``subject``. The call is made in a thread of
        its own: at each request the SDK describes every frame of the caller's stack (``lbox.call_info``), and a flow's
        stack is deep. Nobody who is told to end waits for it.
        """

        def once() -> Answer:
            try:
                return apart(partial(call, self.sdk), "labelbox").result()
            except RAISED as error:
                raise fault_of(error, subject) from None

        return self.patience.outlast(once, whole=whole, lasting=lasting)

    def briefly(self, seconds: float) -> Client:
        """The same client, which asks one question for so many seconds at most."""
        return replace(self, patience=replace(self.patience, question=min(seconds, self.patience.question)))


def connect(account: Account, patience: Patience = DEFAULT) -> Client:
    """The client. It sends nothing yet. Raises ``ConfigurationError`` when there is no key."""
    if not account.api_key:
        raise ConfigurationError(
            f"There is no Labelbox API key on the machine {platform.node()}.",
            remedy="Set LABELBOX_API_KEY there (Labelbox → Workspace settings → API).",
            code="no_api_key",
        )
    sdk = labelbox.Client(
        api_key=account.api_key, endpoint=account.graphql_endpoint, rest_endpoint=account.rest_endpoint
    )
    for scheme in ("https://", "http://"):
        sdk.connection.mount(scheme, _connections(os.getpid()))
    return Client(sdk, patience)


@cache
def _connections(_process: int) -> Answers:
    """The process's connections, which its clients share: none of them connects, and trusts, anew."""
    return Answers()


def check_source(client: Client, kind: SourceKind, source_id: str) -> str:
    """The name of a source. Raises ``LabelboxRefusedError`` for a wrong key or an unknown id.

    The catalog has none: of it the key's user is asked for.
    """

    def named(sdk: labelbox.Client) -> object:
        found = sdk.get_user() if kind == "catalog" else source_of(sdk, kind, source_id)
        return getattr(found, "name", None)

    return str(client.asked(spoken(kind, source_id), named))


def source_of(sdk: labelbox.Client, kind: SourceKind, source_id: str) -> Source:
    """The SDK's own project, model run, dataset, slice or catalog."""
    match kind:
        case "project":
            return sdk.get_project(source_id)
        case "model_run":
            return sdk.get_model_run(source_id)
        case "dataset":
            return sdk.get_dataset(source_id)
        case "slice":
            return cast("CatalogSlice", sdk.get_catalog_slice(source_id))
        case "catalog":
            return sdk.get_catalog()


def spoken(kind: SourceKind, source_id: str) -> str:
    """A source as messages name it: ``model run a2fb1fec``."""
    return f"{kind.replace('_', ' ')} {source_id}".strip()
