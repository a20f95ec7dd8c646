"""Whether a machine may carry out a run's tasks: the same software, the same rights, the same store, a clock, space.

A run writes down its terms and every machine holds itself against them, twice: when it is asked, before any work is
sent to it, and in each process before its first task, because a worker may have been replaced since. Terms and answers
are plain JSON and calls are opaque bytes until the machine is known to fit, so that another version of labelsnap can
say what it is. Secrets are compared by a salted hash and never sent.
"""

from __future__ import annotations

import asyncio
import hmac
import platform
import sys
import threading
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import cloudpickle  # type: ignore[import-untyped]
import msgspec
from msgspec import Struct
from prefect.settings import PREFECT_API_URL
from prefect.task_engine import run_task_sync

from config.settings import load_settings
from labelsnap.decoders import decoder_of
from labelsnap.errors import ConfigurationError, LabelsnapError
from labelsnap.storage import open_store, probe
from labelsnap.storage.probing import PROBES
from tasks.machines.environment import scratch
from tasks.machines.server import fault_of_server, refusal_of_server
from tasks.machines.software import software

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.dataset import Dataset
    from config.settings import Settings
    from labelsnap.storage import ObjectStore

KEY: Final = "LABELBOX_API_KEY"
LEAST_SECONDS: Final = 10.0
"""A store tells whole seconds, and its answer takes a while: a clock that is off by less is not."""
SPACE: Final = 1 << 24
"""Bytes of scratch space that are tried out."""
SERVER: Final = "the Prefect server of its PREFECT_API_URL"


class Terms(Struct, frozen=True):
    """What a run asks of the machines that carry out its tasks.

    ``salt`` also names an object that the run has put into the store, which every machine has to see there. ``seals``
    are hashes of what the environment has to say, by its variable. ``seconds`` is how far a clock may be off the
    store's. ``has_server`` tells that there is a Prefect server, which each machine must reach.
    """

    store: str
    single_writer: bool
    salt: str
    versions: dict[str, str]
    seals: dict[str, str]
    seconds: float
    has_server: bool


class Misfit(Struct, frozen=True):
    """A machine that does not carry out a task, and why."""

    machine: str
    reasons: tuple[str, ...]


def set_terms(dataset: Dataset, *, has_server: bool) -> Terms:
    """The terms of a run that this machine has started, with the object that proves a store to be the run's."""
    settings = load_settings()
    salt = uuid4().hex
    open_store(dataset.url).put(f"{PROBES}{salt}", salt.encode())
    return Terms(
        store=dataset.url,
        single_writer=dataset.single_writer,
        salt=salt,
        versions=versions(),
        seals=_seals(settings, salt),
        seconds=max(settings.lease_seconds, LEAST_SECONDS),
        has_server=has_server,
    )


def drop_terms(terms: Terms) -> None:
    """Remove the object that proved the store to be the run's."""
    open_store(terms.store).delete(f"{PROBES}{terms.salt}")


def look(terms: bytes) -> list[str]:
    """What keeps this machine from carrying out a run's tasks, in sentences; none where it fits."""
    try:
        asked = decoder_of(Terms).decode(terms)
    except msgspec.MsgspecError:
        return ["its labelsnap cannot read what is asked of it: it is another version"]
    return list(_faults(asked))


async def look_aside(terms: bytes) -> list[str]:
    """The same in a thread of its own, for a worker whose event loop must go on."""
    return await asyncio.to_thread(look, terms)


_FITTING: Final[deque[bytes]] = deque(maxlen=16)
_LOOKING: Final = threading.Lock()


def carry_out(terms: bytes, call: bytes) -> Any:
    """Run a task as ``packed`` on this machine and give its state; or a ``Misfit`` where the machine does not fit.

    It does not fit any more where Prefect's server refuses it; what a task itself raises is in its state.
    """
    with _LOOKING:
        if terms not in _FITTING:
            if reasons := look(terms):
                return Misfit(platform.node(), tuple(reasons))
            _FITTING.append(terms)
    try:
        return run_task_sync(**cloudpickle.loads(call))
    except Exception as error:
        if (refusal := refusal_of_server(error)) is None:
            raise
        with _LOOKING, suppress(ValueError):
            _FITTING.remove(terms)
        return Misfit(platform.node(), (f"{SERVER} {refusal}",))


def packed(call: dict[str, Any]) -> bytes:
    """The arguments of Prefect's engine, for ``carry_out``."""
    body: bytes = cloudpickle.dumps(call)
    return body


def versions() -> dict[str, str]:
    """What has to be the same wherever a run's tasks are carried out."""
    return {
        "labelsnap": version("labelsnap"),
        "labelsnap's software digest": software(),
        "Python": "{}.{}".format(*sys.version_info),
        "Prefect": version("prefect"),
    }


def _faults(terms: Terms) -> Iterator[str]:
    here = versions()
    pairs = ((name, here.get(name), asked) for name, asked in terms.versions.items())
    if differing := [f"{name} is {found}, not {asked}" for name, found, asked in pairs if found != asked]:
        yield ", ".join(differing)
        return
    try:
        settings = load_settings()
    except ConfigurationError as error:
        yield error.message
        return
    for name, seal in _seals(settings, terms.salt).items():
        if not hmac.compare_digest(seal, terms.seals.get(name, "")):
            yield f"{name} is not what it is where the run was started"
    yield from _faults_of_store(open_store(terms.store), terms)
    yield from _faults_of_scratch(settings)
    yield from _faults_of_server(terms)


def _faults_of_store(store: ObjectStore, terms: Terms) -> Iterator[str]:
    try:
        if store.get(f"{PROBES}{terms.salt}") != terms.salt.encode():
            yield f"its {store.url} does not hold what the run has put there, so it is another store or folder"
            return
        now = probe(store, single_writer=terms.single_writer)
    except LabelsnapError as error:
        yield f"{error.message} {error.remedy}"
        return
    off = abs((datetime.now(UTC) - now).total_seconds())
    if off > terms.seconds:
        yield f"its clock is {off:.0f} seconds off the store's, and {terms.seconds:g} are allowed"


def _faults_of_scratch(settings: Settings) -> Iterator[str]:
    try:
        with scratch(settings) as directory:
            (directory / "space").write_bytes(bytes(SPACE))
    except (OSError, LabelsnapError) as error:
        yield f"it has no scratch space ({error}); LABELSNAP_TEMPORARY_DIRECTORY says where it is"


def _faults_of_server(terms: Terms) -> Iterator[str]:
    if not terms.has_server:
        return
    if not PREFECT_API_URL.value():
        yield "PREFECT_API_URL is not set"
    elif fault := fault_of_server():
        yield f"{SERVER} {fault}"


def _seals(settings: Settings, salt: str) -> dict[str, str]:
    """A hash a variable of those that decide which rows become problems; of sources' credentials whether there are."""
    said = {
        KEY: settings.labelbox.api_key.get_secret_value(),
        "LABELBOX_GRAPHQL_ENDPOINT": settings.labelbox.graphql_endpoint,
        "LABELBOX_REST_ENDPOINT": settings.labelbox.rest_endpoint,
        "LABELSNAP_ALLOW_HOSTS": ",".join(sorted(settings.allow_hosts)),
        "LABELSNAP_SOURCE_BUCKETS": ",".join(sorted(settings.source_buckets)),
        "LABELSNAP_S3_SOURCE_ENDPOINT": settings.s3_source_endpoint,
        "LABELSNAP_GS_SOURCE_ENDPOINT": settings.gs_source_endpoint,
        "LABELSNAP_AZURE_SOURCE_ENDPOINT": settings.azure_source_endpoint,
        "LABELSNAP_MAX_IMAGE_BYTES": str(settings.max_image_bytes),
        "LABELSNAP_MAX_IMAGE_PIXELS": str(settings.max_image_pixels),
        "LABELSNAP_MAX_MASK_BYTES": str(settings.max_mask_bytes),
    }
    return {name: hmac.digest(salt.encode(), value.encode(), "sha256").hex() for name, value in said.items()}
