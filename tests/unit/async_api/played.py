"""A broker and a table of keys that are played, and the acceptance of tasks over them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hcs_services.async_api.acceptance import Acceptance
from hcs_services.database.errors import DatabaseUnavailable
from hcs_services.idempotency import Key, Stored
from hcs_services.queue import NotAccepted, decode

KEY = b"signing key"
NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


async def works() -> None:
    """What a broker or a table does first that is well."""


class Broker:
    """Confirms, or does not; remembers the order of things in `log`. `trouble` comes first, and may raise or hang."""

    def __init__(self, log: list[str]) -> None:
        self.published: list[tuple[str, Any, dict[str, Any]]] = []
        self.away = False
        self.trouble = works
        self._log = log

    async def publish(self, queue: str, body: bytes, headers: dict[str, Any], timeout: float) -> None:  # noqa: ASYNC109
        self._log.append("publish")
        await self.trouble()
        assert timeout > 0
        if self.away:
            raise NotAccepted("away")
        self.published.append((queue, decode(body), headers))


class Keys:
    """Rows of idempotency keys in memory. `trouble` comes before a claim, and may raise or hang."""

    def __init__(self, log: list[str]) -> None:
        self.rows: dict[tuple[str, str, str], Stored] = {}
        self.cannot_mark = False
        self.trouble = works
        self._log = log

    async def claim(self, key: Key, task_id: str, now: datetime) -> Stored | None:
        assert now == NOW
        self._log.append("claim")
        await self.trouble()
        before = self.rows.get(key.primary_key)
        self.rows.setdefault(key.primary_key, Stored(None, {}, None, task_id, accepted=False))
        return before

    async def mark_accepted(self, key: Key, now: datetime) -> None:
        assert now == NOW
        self._log.append("mark")
        if self.cannot_mark:
            raise DatabaseUnavailable("gone")
        row = self.rows[key.primary_key]
        self.rows[key.primary_key] = Stored(None, {}, None, row.task_id, accepted=True)


class World:
    """An acceptance over both."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.broker = Broker(self.log)
        self.keys = Keys(self.log)
        self.acceptance = Acceptance(self.broker.publish, self.keys, lambda: KEY, publish_seconds=5, clock=lambda: NOW)
