"""Settings of every tier, from the environment; secrets are files, looked at anew when one is used.

A secret that is rotated by the kubelet is therefore used by the next connection without a restart, and no secret
value is ever part of the settings object, its repr or a log line.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Tier = Literal["gateway", "write-api", "async-api", "read-api", "worker", "migrate"]


_read: dict[str, tuple[tuple[int, int, int], str]] = {}
"""By path: inode, time and size of a credential's file as it was read, and what it held. To look at a file takes a
fifth of the time that reading it does."""
_looked_at: dict[str, tuple[float, bytes]] = {}
"""By path: when a key's file was looked at, by the monotonic clock, and what it held."""
_KEY_SECONDS = 1.0  # a key is used in each request, and a look at its file is a thirtieth of one


class MissingCredentialError(Exception):
    """A mounted credential file is absent or empty; the message names the file, never a value."""


class Settings(BaseSettings):
    """One process's settings. Times are seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    # identity
    stack: str = Field("hcs", validation_alias="HCS_STACK")
    tier: str = Field("", validation_alias="HCS_TIER")
    namespace: str = Field("default", validation_alias="HCS_NAMESPACE")
    credentials_dir: Path = Field(Path("/etc/hcs"), validation_alias="HCS_CREDENTIALS_DIR")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    # engines
    database_members_host: str = "localhost"
    database_readers_host: str = ""
    database_port: int = Field(3306, ge=1, le=65535)
    database_name: str = "hcs"
    database_tls: Literal["on", "off"] = "on"
    cache_url: str = "redis://localhost:6379/0"
    limits_url: str = "redis://localhost:6379/0"
    queue_url: str = "amqp://localhost:5672/"

    # this process
    http_port: int = Field(8080, ge=0, le=65535)
    admin_port: int = Field(9090, ge=0, le=65535)
    shard: int = Field(0, ge=0)
    drain_seconds: float = Field(3.0, ge=0)  # longer than the gateway's 2 s between DNS look-ups
    grace_seconds: float = Field(20.0, gt=0)
    request_timeout_ms: int = Field(10_000, ge=1)
    max_request_timeout_ms: int = Field(60_000, ge=1)

    # database pools; the operator sets them so that all pods together keep within MAX_USER_CONNECTIONS
    database_pool_size: int = Field(16, ge=1)
    reader_pool_size: int = Field(8, ge=1)
    statement_timeout: float = Field(10.0, gt=0)
    max_lag_seconds: float = Field(5.0, gt=0)
    max_staleness_during_outage_seconds: float = Field(60.0, ge=0)
    consistency_max_wait_ms: int = Field(50, ge=0)
    migrate_deadline_seconds: float = Field(300.0, gt=0)

    # cache behaviour
    cache_ttl_seconds: float = Field(300.0, gt=0)
    cache_jitter: float = Field(0.2, ge=0, lt=1)
    cache_timeout_ms: int = Field(250, ge=1)
    null_ttl_seconds: float = Field(5.0, ge=3, le=10)
    tombstone_ttl_seconds: float = Field(120.0, gt=0)
    fill_lease_ms: int = Field(3_000, ge=1)
    l1_entries: int = Field(10_000, ge=0)
    l1_ttl_ms: int = Field(1_000, ge=0, le=1_000)
    warm_up_keys: int = Field(16_384, ge=0)  # about 450 bytes each; 0 for no warm-up
    primary_reads: int = Field(8, ge=1)
    replica_reads: int = Field(32, ge=1)

    # queue, worker and its outside parts
    publish_timeout: float = Field(5.0, gt=0)
    worker_concurrency: int = Field(4, ge=1)
    worker_prefetch: int = Field(4, ge=1)
    email_url: str | None = None
    payment_url: str | None = None
    object_store_url: str | None = None
    object_store_bucket: str | None = None

    # write API, its relay and retention
    confirmation_mails: bool = True
    order_group_size: int = Field(64, ge=1)
    order_group_wait_ms: float = Field(2.0, ge=0)
    relay_lease_seconds: float = Field(5.0, gt=1)
    relay_batch: int = Field(64, ge=1)
    keys_kept_hours: int = Field(24, ge=24)
    tasks_kept_days: int = Field(7, ge=7)
    audit_kept_days: int = Field(90, ge=7)

    # gateway
    limits_timeout_ms: int = Field(250, ge=1)
    gateway_config: Path = Path("/etc/hcs/gateway/config.json")

    def credential(self, name: str) -> str:
        """Read the mounted file `name` (as `database/app-password`); raises MissingCredentialError."""
        path = f"{self.credentials_dir}/{name}"
        try:
            found = os.stat(path)  # noqa: PTH116 - a Path for each look costs as much as the look
            state = (found.st_ino, found.st_mtime_ns, found.st_size)
            known = _read.get(path)
            if known is not None and known[0] == state:
                return known[1]
            value = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise MissingCredentialError(f"cannot read the credential {path}: {error.strerror}") from None
        if not value:
            raise MissingCredentialError(f"the credential {path} is empty")
        _read[path] = (state, value)
        return value

    def optional_credential(self, name: str) -> str | None:
        """Like `credential`, or None where nothing is mounted under that name."""
        return self.credential(name) if (self.credentials_dir / name).exists() else None

    def signing_key(self, name: Literal["consistency", "task", "drain"]) -> bytes:
        """The bytes of a mounted token key; another one that is mounted in its place is used within a second."""
        path = f"{self.credentials_dir}/tokens/{name}"
        now = time.monotonic()
        known = _looked_at.get(path)
        if known is None or now - known[0] >= _KEY_SECONDS:
            _looked_at[path] = known = now, self.credential(f"tokens/{name}").encode()
        return known[1]
