"""Connections that nothing goes over: what is asked for of Labelbox or of an image's host is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from labelsnap.labelbox.downloads.download import Downloader
from labelsnap.labelbox.downloads.failures import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelsnap.labelbox.downloads.addresses import Target

Result = TypeVar("Result")

NOT_HELD: Final = "not_in_snapshot"


class NoDownloads(Downloader):
    """Refuses every mask, image and chunk by the code ``not_in_snapshot``; URLs are still checked as ever."""

    def _repeat(self, target: Target, take: Callable[..., Result], **_: Any) -> Result:
        del target, take
        raise not_held("it is not in the snapshot that is made anew, and nothing is downloaded")


def not_held(reason: str) -> DownloadError:
    """Return the error for what a snapshot does not hold."""
    return DownloadError(NOT_HELD, reason)
