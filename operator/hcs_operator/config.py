"""The operator's settings, read once from the environment; nothing else in the package reads it."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Images(BaseSettings):
    """Images of a release: what a stack gets, and keeps in status.images, unless its spec names others."""

    model_config = SettingsConfigDict(frozen=True, env_prefix="HCS_IMAGE_")

    services: str = "hcs/services:dev"
    mysql: str = "hcs/mysql:9.7"
    redis: str = "hcs/redis:8"
    rabbitmq: str = "hcs/rabbitmq:4"
    agent: str = "hcs/operator:dev"


class Config(BaseSettings):
    """Everything that may differ between two installations."""

    model_config = SettingsConfigDict(frozen=True, env_prefix="HCS_")

    namespaces: Annotated[tuple[str, ...], NoDecode] = ()
    """Namespaces to serve, separated by commas; empty means all of them."""
    lease_namespace: str = Field(default="hcs-system", validation_alias="POD_NAMESPACE")
    lease_name: str = "hcs-operator"
    identity: str = Field(default="", validation_alias="POD_NAME")
    """Who this process is in the Lease; empty means host name and process id."""
    cluster_domain: str = "cluster.local"
    kubeconfig: str | None = None
    """Path of a kubeconfig; else the pod's service account, else ~/.kube/config."""
    workers: int = Field(default=8, ge=1, le=64)
    """Stacks looked at at the same time."""
    admin_port: int = 9090
    log_level: str = Field(default="INFO", validation_alias="LOG_LEVEL")
    images: Images = Field(default_factory=Images)

    @field_validator("namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
