"""What a task takes from its process's environment: the stores, the account and the connections that it may use.

Tasks may run on other machines, so each makes its own; none of it is a parameter, because Prefect keeps parameters.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from labelsnap.labelbox.client import Account, Client, connect
from labelsnap.labelbox.downloads.azure_source import AzureSource
from labelsnap.labelbox.downloads.download import Downloader
from labelsnap.labelbox.downloads.nothing import NoDownloads
from labelsnap.labelbox.downloads.object_sources import ObjectSource, ObjectSources
from labelsnap.labelbox.downloads.pace import shared_pace
from labelsnap.labelbox.keys import KeyCheck, check_key
from labelsnap.labelbox.patience import Patience
from tasks.machines.room import no_scratch, scratch_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Settings


def labelbox(settings: Settings) -> Client:
    """The Labelbox account of the environment, asked with the environment's patience."""
    account = Account(
        api_key=settings.labelbox.api_key.get_secret_value(),
        graphql_endpoint=settings.labelbox.graphql_endpoint,
        rest_endpoint=settings.labelbox.rest_endpoint,
    )
    return connect(account, Patience(place=settings.export_timeout, question=settings.question_seconds))


def downloader(settings: Settings, *, offline: bool = False) -> Downloader:
    """A pool of connections as large as the number of threads that use it, at the pace of the whole process.

    One that is ``offline`` asks nobody.
    """
    kind = NoDownloads if offline else Downloader
    return kind(
        api_key=settings.labelbox.api_key.get_secret_value(),
        rest_endpoint=settings.labelbox.rest_endpoint,
        allow_hosts=settings.allow_hosts,
        connections=settings.download_threads,
        pace=shared_pace(settings.requests_per_minute),
        timeout=settings.download_timeout,
        seconds=settings.download_seconds,
        sources=object_sources(settings),
        check_key=KeyCheck(lambda: check_key(labelbox(settings))),
    )


def object_sources(settings: Settings) -> ObjectSources:
    """The buckets that images may be read from with credentials."""
    return ObjectSources(
        ObjectSource(
            scheme="s3",
            buckets=settings.buckets_of("s3"),
            endpoint=settings.s3_source_endpoint,
            region=settings.s3_source_region,
            access_key_id=settings.s3_source_access_key_id,
            secret_access_key=settings.s3_source_secret_access_key.get_secret_value(),
        ),
        ObjectSource(
            scheme="gs",
            buckets=settings.buckets_of("gs"),
            endpoint=settings.gs_source_endpoint,
            region="auto",
            access_key_id=settings.gs_source_access_key_id,
            secret_access_key=settings.gs_source_secret_access_key.get_secret_value(),
        ),
        AzureSource(
            buckets=settings.buckets_of("azure"),
            endpoint=settings.azure_source_endpoint,
            sas_token=settings.azure_source_sas_token.get_secret_value(),
            account_key=settings.azure_source_account_key.get_secret_value(),
        ),
    )


@contextmanager
def scratch(settings: Settings) -> Iterator[Path]:
    """A directory of the task's own, gone afterwards. Raises ``StorageRefusedError`` when it cannot be written."""
    try:
        directory = TemporaryDirectory(prefix="labelsnap-", dir=settings.temporary_directory)
    except OSError as error:
        raise no_scratch(error) from None
    with directory as folder:
        try:
            yield Path(folder)
        except OSError as error:
            raise scratch_fault(error) or error from None
