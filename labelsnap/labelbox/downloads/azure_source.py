"""Images in containers of an Azure storage account: opened by a shared access signature (SAS) in the query.

With an account key the signature is made here, for one blob and one hour, by what Microsoft documents under "Create a
service SAS" (learn.microsoft.com/rest/api/storageservices/create-service-sas).
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelsnap.labelbox.downloads.object_forms import ObjectName, Place

SAS_VERSION: Final = "2022-11-02"
_RESOURCES: Final = {"": "b", "versionid": "bv", "snapshot": "bs"}
"""``signedResource``: a blob, a version of one, a snapshot of one."""


@dataclass(frozen=True, slots=True)
class AzureSource:
    """The containers that may be read (``ACCOUNT/CONTAINER``, of one account), and what opens them: a token or a key.

    ``endpoint`` has ``{account}`` where the account's name belongs. The secrets are left out of ``repr``.
    """

    buckets: frozenset[str]
    endpoint: str
    sas_token: str = field(default="", repr=False)
    account_key: str = field(default="", repr=False)
    scheme: str = field(default="azure", init=False)

    def places(self) -> Iterator[Place]:
        """Give the end point of each account."""
        for account in sorted({name.partition("/")[0] for name in self.buckets}):
            yield self.scheme, f"{account}/", self._base(account)

    def url_of(self, name: ObjectName, *, seconds: int) -> str:
        """Give a URL that opens a blob: for so many seconds by the key, or as long as the token is good."""
        account, _, container = name.bucket.partition("/")
        base = self._base(account)
        token = self.sas_token or service_sas(
            name,
            self.account_key,
            expiry=datetime.now(UTC) + timedelta(seconds=seconds),
            protocol="https" if base.startswith("https:") else "https,http",
        )
        query = "&".join([*([urlencode([name.version])] if name.version[0] else []), token])
        return f"{base}/{quote(container)}/{quote(name.key, safe='/~')}?{query}"

    def _base(self, account: str) -> str:
        return self.endpoint.replace("{account}", account).rstrip("/")


def service_sas(name: ObjectName, account_key: str, *, expiry: datetime, protocol: str = "https") -> str:
    """Return the query that lets whoever has it read one blob, or one version of it, until ``expiry``."""
    version_name, version = name.version
    until, kind = f"{expiry:%Y-%m-%dT%H:%M:%SZ}", _RESOURCES[version_name]
    resource = f"/blob/{name.bucket}/{name.key}"
    start = identifier = addresses = scope = cache = disposition = encoding = language = content_type = ""
    policy = ["r", start, until, resource, identifier, addresses, protocol, SAS_VERSION, kind, version]
    signed = "\n".join([*policy, scope, cache, disposition, encoding, language, content_type])
    digest = hmac.digest(base64.b64decode(account_key), signed.encode(), "sha256")
    signature = base64.b64encode(digest).decode()
    return urlencode({"sp": "r", "se": until, "spr": protocol, "sv": SAS_VERSION, "sr": kind, "sig": signature})
