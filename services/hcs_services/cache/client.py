"""The process's client of the cache, with the password that is mounted when it connects."""

from __future__ import annotations

from hcs_services.redis_connection.client import Client
from hcs_services.settings import Settings


def connect(settings: Settings) -> Client:
    """A client of the cache. Nothing is sent until its first command."""
    return Client(
        settings.cache_url,
        seconds=settings.cache_timeout_ms / 1000,
        password=lambda: settings.optional_credential("cache/password"),
        name=settings.tier,
    )
