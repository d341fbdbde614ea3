"""The Redis connection pool: password from its file at each connect, tight time-outs, at most one silent reconnect."""

from __future__ import annotations

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError as RedisConnectionError

from hcs_services.settings import Settings

_MAX_CONNECTIONS = 32


class _MountedPassword(CredentialProvider):
    """Reads the mounted password whenever a connection is made, so that it can be rotated without a restart."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def get_credentials(self) -> Any:
        """The default user's password; nothing where none is mounted (a cache of a test)."""
        password = self._settings.optional_credential("cache/password")
        return () if password is None else (password,)

    async def get_credentials_async(self) -> Any:
        """The same; a small local file is read faster than a thread takes it."""
        return self.get_credentials()


def connect(settings: Settings) -> Any:
    """A client of the cache. Nothing is sent until its first command."""
    seconds = settings.cache_timeout_ms / 1000
    pool = BlockingConnectionPool.from_url(
        settings.cache_url,
        max_connections=_MAX_CONNECTIONS,
        timeout=seconds,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        credential_provider=_MountedPassword(settings),
        # a pooled connection may have been closed by a restarted server; a time-out is not repeated
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        protocol=2,
        client_name=settings.tier or None,
    )
    return Redis.from_pool(pool)
