"""Where labelsnap runs and with which rights: read from the environment, never from a dataset file.

The Labelbox key is a secret and stays one: it is read here, handed to ``tasks.labelbox`` inside a task, and is never a
parameter of a flow or a task, because Prefect keeps parameters.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tasks.errors import ConfigurationError

LABELBOX_GRAPHQL_ENDPOINT = "https://api.labelbox.com/graphql"
LABELBOX_REST_ENDPOINT = "https://api.labelbox.com/api/v1"


class LabelboxSettings(BaseSettings):
    """``LABELBOX_*``: the account that exports run under."""

    model_config = SettingsConfigDict(env_prefix="LABELBOX_", frozen=True, extra="ignore")

    api_key: SecretStr = Field(
        default=SecretStr(""), description="The API key; needed by everything that asks Labelbox"
    )
    graphql_endpoint: str = LABELBOX_GRAPHQL_ENDPOINT
    rest_endpoint: str = LABELBOX_REST_ENDPOINT


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
    download_timeout: float = Field(default=60, gt=0, description="Seconds without a byte until a download is repeated")
    download_seconds: float = Field(default=600, gt=0, description="Seconds for one body in all, repetitions included")
    rows_per_bucket: int = Field(default=128, ge=1, description="The unit of parallel work, of resume and of reuse")
    export_timeout: float = Field(default=7200, gt=0, description="Seconds to wait for Labelbox's export task")
    poll_interval: float = Field(default=2.0, gt=0, description="Seconds between two looks at the export task")
    max_image_bytes: int = Field(default=200_000_000, ge=1, description="A larger image is a named problem")
    max_image_pixels: int = Field(default=200_000_000, ge=1, description="An image of more pixels is a named problem")
    max_mask_bytes: int = Field(default=100_000_000, ge=1, description="A larger mask PNG is a named problem")
    temporary_directory: Path | None = Field(default=None, description="Scratch space; the system's when unset")

    @field_validator("allow_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(host.strip().lower() for host in value.split(",") if host.strip())
        return value


def load_settings() -> Settings:
    """The settings of this process. Raises ``ConfigurationError`` naming the variable that cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = "LABELSNAP_" + "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigurationError(
            f"The environment variable {name} cannot be used: {first['msg']}.",
            remedy="Correct or unset it; the README lists every variable.",
            code="bad_setting",
        ) from None
