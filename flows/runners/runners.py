"""Where the tasks of a run are carried out: threads, processes, or the machines of a Dask or Ray cluster."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

from config.settings import load_settings
from labelsnap.errors import ConfigurationError
from labelsnap.redaction import address_shown

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

ADDRESSES: Final = {
    "dask": re.compile(r"((tcp|tls|ws|wss)://)?(\[[0-9A-Fa-f:.]+\]|[\w.-]+):[0-9]{1,5}", re.ASCII),
    "ray": re.compile(r"auto|(ray://)?(\[[0-9A-Fa-f:.]+\]|[\w.-]+):[0-9]{1,5}", re.ASCII),
}
RUNNERS: Final = {"dask": "DaskRunner", "ray": "RayRunner"}


def runner_of(text: str) -> TaskRunner[Any]:
    """The task runner that ``thread | process | dask[:ADDRESS] | ray[:ADDRESS]`` names.

    Without an address a cluster is started for the run on this machine, with ``LABELSNAP_WORKERS`` workers. Raises
    ``ConfigurationError`` for anything else, and where the extra that brings the runner is not installed.
    """
    kind, _, address = text.partition(":")
    workers = load_settings().workers
    match kind:
        case "thread" if not address:
            return ThreadPoolTaskRunner(max_workers=workers)
        case "process" if not address:
            return ProcessPoolTaskRunner(max_workers=workers)
        case "dask":
            local = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
            return _optional("dask", address, cluster_kwargs=local)
        case "ray":
            return _optional("ray", address, init_kwargs={"num_cpus": workers})
        case _:
            raise ConfigurationError(
                f"--runner is {address_shown(text)}, which names no runner.",
                remedy="Use thread, process, dask, dask:tcp://SCHEDULER:8786, ray, or ray:ray://HEAD:10001.",
                code="unknown_runner",
            )


def _optional(extra: str, address: str, **local: Any) -> TaskRunner[Any]:
    """The runner of an extra, on the cluster at the address or on one of its own."""
    if address and not ADDRESSES[extra].fullmatch(address):
        raise ConfigurationError(
            f"--runner names the address {address_shown(address)}, which is none with a host and a port.",
            remedy="Write dask:tcp://SCHEDULER:8786 or ray:ray://HEAD:10001.",
            code="bad_runner_address",
        )
    try:
        import_module(f"prefect_{extra}")
    except ImportError as error:
        raise ConfigurationError(
            f"The runner {extra!r} is not installed: {error}.",
            remedy=f"Install it here and on the cluster: pip install 'labelsnap[{extra}]'.",
            code="runner_not_installed",
        ) from None
    made = getattr(import_module(f"flows.runners.{extra}_runner"), RUNNERS[extra])
    runner: TaskRunner[Any] = made(address=address) if address else made(**local)
    return runner
