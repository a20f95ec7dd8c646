"""Objects that a URL of an export names: by a scheme of their own, or in an https form of the service that keeps them.

A form of the second kind is read as it would be asked for (``addresses.read_url``), and its percent signs once; a plus
sign stays one. Azure's containers are buckets called ``ACCOUNT/CONTAINER``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import parse_qsl, unquote

from labelsnap.labelbox.downloads.addresses import PORTS, read_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labelsnap.labelbox.downloads.addresses import Target

SCHEMES: Final = ("s3", "gs")
"""URLs that begin so name an object and nothing else."""
_AMAZON: Final = re.compile(
    r"(?:(?P<bucket>.+)\.)?(?P<service>s3(?:[.-]dualstack)?(?:[.-](?P<region>[a-z]{2}(?:-[a-z]{2,12}){1,3}-\d{1,2}))?"
    r"\.amazonaws\.com(?:\.cn)?)"
)
_GOOGLE: Final = re.compile(r"(?:(?P<bucket>.+)\.)?storage\.googleapis\.com|storage\.cloud\.google\.com")
_AZURE: Final = re.compile(r"(?P<account>[a-z0-9]{3,24})\.blob\.core\.windows\.net")
_VERSIONS: Final = {"s3": ("versionId",), "gs": ("generation",), "azure": ("versionid", "snapshot")}
"""What names one of an object's versions in a query."""
_SIGNATURES: Final = frozenset({"x-amz-signature", "x-goog-signature", "signature", "sig"})

Place: TypeAlias = tuple[str, str, str]
"""A scheme; an account and a slash before the name of the bucket, or nothing; and the URL that a bucket follows."""


@dataclass(frozen=True, slots=True)
class ObjectName:
    """An object as a URL names it.

    ``version`` is the name and the value of the parameter that asks for one of its versions, or nothing twice.
    ``service`` is Amazon's host for a ``region``, where the URL names one.
    """

    scheme: str
    bucket: str
    key: str
    version: tuple[str, str] = ("", "")
    service: str = ""
    region: str = ""


def objects_named(url: str, places: Iterable[Place]) -> Iterator[ObjectName]:
    """Give what a URL may be a name of; nothing for one that is signed.

    ``places`` are end points that the environment names, besides those of the services. Raises
    ``ForbiddenAddressError`` for a URL that is none to be asked for.
    """
    scheme, _, rest = url.partition("://")
    if scheme in SCHEMES:
        bucket, _, key = rest.partition("/")
        yield ObjectName(scheme, bucket, key)
        return
    target = read_url(url)
    path, _, query = target.path.partition("?")
    asked = parse_qsl(query, keep_blank_values=True)
    if _SIGNATURES.isdisjoint(name.lower() for name, _ in asked):
        for scheme, bucket, key, service, region in (*_at(target, path, places), *_of_services(target, path)):
            version = next(((name, value) for name, value in asked if name in _VERSIONS[scheme]), ("", ""))
            try:
                plain = [unquote(part, errors="strict") for part in (bucket, key)]
            except UnicodeDecodeError:  # keys are Unicode
                continue
            yield ObjectName(scheme, plain[0], plain[1], version, service, region)


def is_amazons(host: str) -> bool:
    """Whether a host is one of Amazon's for all buckets, or for those of a region."""
    found = _AMAZON.fullmatch(host)
    return found is not None and found["bucket"] is None


_Found: TypeAlias = tuple[str, str, str, str, str]
"""Scheme, bucket and key, these two as the URL spells them, Amazon's host and region."""


def _at(target: Target, path: str, places: Iterable[Place]) -> Iterator[_Found]:
    for scheme, account, endpoint in places:
        place = read_url(endpoint)
        below = place.path.rstrip("/") + "/"
        if target.origin == place.origin and path.startswith(below):
            yield scheme, *_divided(account, path.removeprefix(below)), "", ""


def _of_services(target: Target, path: str) -> Iterator[_Found]:
    if (target.origin.scheme, target.origin.port) != ("https", PORTS["https"]):
        return
    host, inside = target.origin.host, path.removeprefix("/")
    if found := _AMAZON.fullmatch(host):
        place = (found["bucket"], inside) if found["bucket"] else _divided("", inside)
        yield "s3", *place, *((found["service"], found["region"]) if found["region"] else ("", ""))
    elif found := _GOOGLE.fullmatch(host):
        yield "gs", *((found["bucket"], inside) if found["bucket"] else _divided("", inside)), "", ""
    elif found := _AZURE.fullmatch(host):
        yield "azure", *_divided(f"{found['account']}/", inside), "", ""


def _divided(account: str, path: str) -> tuple[str, str]:
    bucket, _, key = path.partition("/")
    return f"{account}{bucket}", key
