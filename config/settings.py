"""Where labelsnap runs and with which rights: read from the environment, never from a dataset file.

The Labelbox key is a secret and stays one: it is read here, handed to ``labelsnap.labelbox`` inside a task, and is
never a parameter of a flow or a task, because Prefect keeps parameters.
"""

from __future__ import annotations

import base64
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from labelsnap.credentials import check_key, check_keys_of_s3, check_secret
from labelsnap.errors import ConfigurationError
from labelsnap.memory import DEFAULT, LEAST
from labelsnap.redaction import address_shown, cut, without_address_secrets

LABELBOX_GRAPHQL_ENDPOINT = "https://api.labelbox.com/graphql"
LABELBOX_REST_ENDPOINT = "https://api.labelbox.com/api/v1"
GS_ENDPOINT = "https://storage.googleapis.com"
AZURE_ENDPOINT = "https://{account}.blob.core.windows.net"
MAX_SENTENCE = 600
_PREFIXES = ("LABELBOX_", "LABELSNAP_")
_BUCKET = re.compile(r"(s3|gs)://[^/\s]+|azure://[a-z0-9]{3,24}/(\$web|[a-z0-9-]{3,63})")
_ENDPOINT = re.compile(r"https?://([\w.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?(/[\w./~-]*)?", re.ASCII | re.IGNORECASE)
_SAS_TOKEN = re.compile(r"[!$&'()*+,./:;=?@\w~%-]+", re.ASCII)


_SOURCE_KEYS = (
    "s3_source_access_key_id",
    "s3_source_secret_access_key",
    "gs_source_access_key_id",
    "gs_source_secret_access_key",
)


def _no_address(found: str) -> str:
    return f"expected http(s)://HOST[:PORT][/PATH] without a user name or a query, found {address_shown(found)}"


def _unusable(subject: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{subject} cannot be used: {reason}.",
        remedy="Correct or unset it; config/README.md lists every variable.",
        code="bad_setting",
    )


class LabelboxSettings(BaseSettings):
    """``LABELBOX_*``: the account that exports run under."""

    model_config = SettingsConfigDict(env_prefix="LABELBOX_", frozen=True, extra="ignore")

    api_key: SecretStr = Field(
        default=SecretStr(""), description="The API key; needed by everything that asks Labelbox"
    )
    webhook_secret: SecretStr = Field(default=SecretStr(""), description="What `labelsnap listen` checks webhooks with")
    graphql_endpoint: str = LABELBOX_GRAPHQL_ENDPOINT
    rest_endpoint: str = LABELBOX_REST_ENDPOINT

    @field_validator("api_key")
    @classmethod
    def _is_key(cls, key: SecretStr) -> SecretStr:
        check_key("LABELBOX_API_KEY", key.get_secret_value())
        return key

    @field_validator("graphql_endpoint", "rest_endpoint")
    @classmethod
    def _is_address(cls, address: str, info: ValidationInfo) -> str:
        if not _ENDPOINT.fullmatch(address):
            name = f"LABELBOX_{str(info.field_name).upper()}"
            raise _unusable(f"The environment variable {name}", _no_address(address))
        return address

    @field_validator("webhook_secret")
    @classmethod
    def _is_secret(cls, secret: SecretStr) -> SecretStr:
        check_secret("LABELBOX_WEBHOOK_SECRET", secret.get_secret_value())
        return secret


class Settings(BaseSettings):
    """``LABELSNAP_*``: how much a run may take, and where it may reach."""

    model_config = SettingsConfigDict(env_prefix="LABELSNAP_", frozen=True, extra="ignore")

    labelbox: LabelboxSettings = Field(default_factory=LabelboxSettings)
    allow_hosts: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Hosts on private or loopback addresses that downloads may reach, comma-separated, without ports",
    )
    workers: int = Field(default=min(4, os.cpu_count() or 1), ge=1, le=256, description="Buckets built side by side")
    download_threads: int = Field(default=16, ge=1, le=256, description="Connections of one bucket")
    requests_per_minute: int = Field(
        default=1500,
        ge=1,
        le=1_000_000,
        description="Masks asked of Labelbox by one process; plans allow 1,500 to 20,000",
    )
    download_timeout: float = Field(
        default=60, gt=0, le=86_400, description="Seconds without a byte until a download is repeated"
    )
    download_seconds: float = Field(
        default=600, gt=0, le=86_400, description="Seconds for one body in all, repetitions included"
    )
    rows_per_bucket: int = Field(
        default=256, ge=1, le=1_000_000, description="The unit of parallel work, of resume and of reuse"
    )
    worker_seconds: float = Field(
        default=60, gt=0, le=86_400, description="Seconds to wait for a worker of a cluster that can carry out tasks"
    )
    exports: int = Field(default=4, ge=1, le=10, description="Windows exported side by side; a project may have 10")
    export_timeout: float = Field(
        default=7200,
        gt=0,
        le=604_800,
        description="Seconds to wait for an export task, and for a place among those that run",
    )
    question_seconds: float = Field(
        default=300, gt=0, le=86_400, description="Seconds for one question to Labelbox, repetitions included"
    )
    poll_interval: float = Field(default=2.0, gt=0, le=3600, description="Seconds between two looks at the export task")
    resume_hours: float = Field(
        default=10,
        ge=0,
        le=8760,
        description="The export of a broken-off run that did nothing for longer is not gone on with",
    )
    lease_seconds: float = Field(
        default=60, gt=0, le=86_400, description="A run that gives no sign for longer counts as dead"
    )
    queue_seconds: float = Field(
        default=21600, ge=0, le=2_592_000, description="Seconds to wait for another run of the dataset"
    )
    prefect_seconds: float = Field(
        default=60, gt=0, le=86_400, description="Seconds to wait for an answer of Prefect's server"
    )
    listen_connections: int = Field(
        default=128, ge=1, le=10_000, description="Connections of the listener whose requests have not come whole"
    )
    listen_client_connections: int = Field(
        default=64, ge=1, le=10_000, description="The same of one address; a load balancer is one"
    )
    listen_head_seconds: float = Field(
        default=10, gt=0, le=3600, description="Seconds for the head of a request to the listener"
    )
    listen_body_seconds: float = Field(default=30, gt=0, le=3600, description="Seconds for its body")
    max_image_bytes: int = Field(default=200_000_000, ge=1, le=10**12, description="A larger image is a named problem")
    max_image_pixels: int = Field(
        default=200_000_000, ge=1, le=10**12, description="An image of more pixels is a named problem"
    )
    max_mask_bytes: int = Field(
        default=100_000_000, ge=1, le=10**12, description="A larger mask PNG is a named problem"
    )
    memory_bytes: int = Field(
        default=DEFAULT,
        ge=LEAST,
        le=10**13,
        description="Memory that a process decodes images and masks in; what alone needs more is a named problem",
    )
    source_buckets: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Buckets that images may be read from with credentials, comma-separated: s3://BUCKET, gs://BUCKET, "
        "azure://ACCOUNT/CONTAINER",
    )
    s3_source_endpoint: str = Field(default="", description="Another S3 than boto3's environment names")
    s3_source_region: str = ""
    s3_source_access_key_id: str = ""
    s3_source_secret_access_key: SecretStr = SecretStr("")
    gs_source_endpoint: str = GS_ENDPOINT
    gs_source_access_key_id: str = Field(default="", description="An HMAC key of Google Cloud Storage")
    gs_source_secret_access_key: SecretStr = SecretStr("")
    azure_source_endpoint: str = Field(
        default=AZURE_ENDPOINT, description="Where a storage account is; {account} stands for its name"
    )
    azure_source_sas_token: SecretStr = Field(default=SecretStr(""), description="One that may read the containers")
    azure_source_account_key: SecretStr = Field(
        default=SecretStr(""), description="The storage account's, in place of it"
    )
    at_hand_bytes: int = Field(
        default=512 << 20,
        ge=0,
        le=10**13,
        description="Scratch space for copies of what a process wrote or read of the store in a run; 0: none are kept",
    )
    temporary_directory: Path | None = Field(default=None, description="Scratch space; the system's when unset")

    @field_validator("allow_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(host.strip().lower() for host in value.split(",") if host.strip())
        return value

    @field_validator("source_buckets", mode="before")
    @classmethod
    def _split_buckets(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        buckets = frozenset(bucket.strip().rstrip("/") for bucket in value.split(",") if bucket.strip())
        for bucket in sorted(buckets):
            if not _BUCKET.fullmatch(bucket):
                raise ValueError(
                    f"expected s3://BUCKET, gs://BUCKET or azure://ACCOUNT/CONTAINER, found {address_shown(bucket)}"
                )
        return buckets

    @field_validator(*_SOURCE_KEYS)
    @classmethod
    def _are_keys(cls, key: str | SecretStr, info: ValidationInfo) -> str | SecretStr:
        plain = key.get_secret_value() if isinstance(key, SecretStr) else key
        check_key(f"LABELSNAP_{str(info.field_name).upper()}", plain)
        return key

    @field_validator("s3_source_endpoint", "gs_source_endpoint")
    @classmethod
    def _is_address(cls, address: str) -> str:
        if address and not _ENDPOINT.fullmatch(address):
            raise ValueError(_no_address(address))
        return address

    @field_validator("azure_source_endpoint")
    @classmethod
    def _check_endpoint(cls, endpoint: str) -> str:
        if not re.fullmatch(r"https?://[\w.:/-]*\{account\}[\w.:/-]*", endpoint, re.ASCII):
            raise ValueError(f"expected a URL with {{account}} in it, such as {AZURE_ENDPOINT}")
        return endpoint

    @field_validator("azure_source_sas_token")
    @classmethod
    def _check_sas_token(cls, token: SecretStr) -> SecretStr:
        plain = token.get_secret_value().strip().removeprefix("?")
        if plain and not (_SAS_TOKEN.fullmatch(plain) and re.search(r"(^|&)sig=[^&]", plain)):
            raise ValueError("expected the query of a shared access signature, sv=…&sig=…, found something else")
        return SecretStr(plain)

    @field_validator("azure_source_account_key")
    @classmethod
    def _check_account_key(cls, key: SecretStr) -> SecretStr:
        plain = key.get_secret_value().strip()
        try:
            base64.b64decode(plain, validate=True)
        except ValueError:
            raise ValueError("expected an account key in base64, found something else") from None
        return SecretStr(plain)

    @model_validator(mode="after")
    def _check_azure(self) -> Self:
        opened_by = [
            bool(each.get_secret_value()) for each in (self.azure_source_sas_token, self.azure_source_account_key)
        ]
        if containers := self.buckets_of("azure"):
            if sum(opened_by) != 1:
                raise ValueError(
                    "expected LABELSNAP_AZURE_SOURCE_SAS_TOKEN or LABELSNAP_AZURE_SOURCE_ACCOUNT_KEY for azure:// "
                    f"containers, found {'both' if all(opened_by) else 'neither'}"
                )
            if len({container.partition("/")[0] for container in containers}) > 1:
                raise ValueError(
                    "expected containers of one Azure account, which the token or key is of, found several"
                )
        return self

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        pairs = {
            "S3": (self.s3_source_access_key_id, self.s3_source_secret_access_key),
            "GS": (self.gs_source_access_key_id, self.gs_source_secret_access_key),
        }
        for name, (identifier, secret) in pairs.items():
            if bool(identifier) != bool(secret.get_secret_value()):
                raise ValueError(
                    f"expected both LABELSNAP_{name}_SOURCE_ACCESS_KEY_ID and …_SECRET_ACCESS_KEY, found one"
                )
        if self.buckets_of("gs") and not self.gs_source_access_key_id:
            raise ValueError("expected an HMAC key in LABELSNAP_GS_SOURCE_ACCESS_KEY_ID for gs:// buckets, found none")
        return self

    def buckets_of(self, scheme: str) -> frozenset[str]:
        """The buckets of a scheme that may be read: their names, and for ``azure`` ``ACCOUNT/CONTAINER``."""
        parts = (bucket.partition("://") for bucket in self.source_buckets)
        return frozenset(name for found, _, name in parts if found == scheme)


def load_settings() -> Settings:
    """The settings of this process. Raises ``ConfigurationError`` naming the variable that cannot be used.

    The store's keys, which boto3 reads, are checked too.
    """
    check_keys_of_s3(os.environ)
    ours = ((name, value) for name, value in os.environ.items() if name.upper().startswith(_PREFIXES))
    try:
        return _settings_of(frozenset(ours))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        subject = f"The environment variable LABELSNAP_{name}" if name else "The environment"
        raise _unusable(subject, cut(without_address_secrets(first["msg"]), MAX_SENTENCE)) from None


@lru_cache(maxsize=1)
def _settings_of(ours: frozenset[tuple[str, str]]) -> Settings:  # noqa: ARG001 - what pydantic reads by itself
    """The settings that an environment with these variables of ours says; each step of a run asks for them."""
    return Settings()
