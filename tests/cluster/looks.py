"""What is there of a load, asked of the stack as its users ask and of the samples, and no more often than an answer is needed:
the load, the stack and this client share the processors.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
from tests.cluster import sums
from tests.cluster.attempts import FRESH, Attempt
from tests.cluster.outside import Outside
from tests.cluster.sums import HANDLED, Seen, Sent, acknowledged
from tests.slack import SLACK

_BUSY, _BUSY_SECONDS = {429, 503, 504}, 30


@dataclass
class Looks:
    """Looks at what a load has left: its users' orders, the mails to its domain, and the effects of what it sent."""

    gateway: str
    outside: Outside
    users: Sequence[str]
    domain: str
    sent: Sent
    _exported: set[str] = field(default_factory=set)

    async def at_all(self, http: aiohttp.ClientSession) -> Seen:
        """Everything."""
        return Seen(
            rows=await self._rows(http),
            charges=await self._charges(http),
            mails=await self.outside.mails_to(http, domain=self.domain),
            confirmations=await self.outside.confirmations(http, self.users),
            unfinished=await self._unfinished(http),
        )

    async def at_missing(self, http: aiohttp.ClientSession, seen: Seen) -> Seen:
        """What was seen, and what was missing there if it is there by now. Of each kind it goes on to the first that is still
        missing: tasks are done in about the order in which they were accepted.
        """
        missing = sums.missing(self.sent, seen)
        rows, mails, confirmations = dict(seen.rows), dict(seen.mails), dict(seen.confirmations)
        for key in missing.payments:
            rows |= await self._order(http, key)
            if key not in rows or rows[key]["status"] not in HANDLED:
                break
        for to in missing.mails:
            mails |= await self.outside.mails_to(http, to=to)
            if to not in mails:
                break
        for key in missing.confirmations:
            if key not in confirmations:
                confirmations |= await self.outside.confirmations(http, [rows[key]["user_id"]])
            if key not in confirmations:
                break
        return replace(
            seen,
            rows=rows,
            charges=await self._charges(http) if missing.refunds else seen.charges,
            mails=mails,
            confirmations=confirmations,
            unfinished=await self._unfinished(http) if missing.unfinished else (),
        )

    async def absent(self, orders: Iterable[Attempt]) -> set[str]:
        """Those of these acknowledged orders that are not there; new ones are found without a look at the older ones."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for attempt in orders:
            wanted[attempt.body["user_id"]].add(attempt.answer["order_id"])
        async with aiohttp.ClientSession(raise_for_status=True) as http:
            pages = await asyncio.gather(*(self._rows_of(http, user, keys) for user, keys in wanted.items()))
        return set[str]().union(*wanted.values()) - {row["order_id"] for rows in pages for row in rows}

    async def stock(self, http: aiohttp.ClientSession, product_id: str) -> int:
        """What is left of a product."""
        _, product = await self._read(http, f"products/{product_id}")
        return int(product["stock"])

    async def _order(self, http: aiohttp.ClientSession, key: str) -> Mapping[str, Mapping[str, Any]]:
        """An order by its id, from the primary; nothing where it is unknown."""
        status, order = await self._read(http, f"orders/{key}", fine={200, 404})
        return {key: order} if status == 200 else {}

    async def _rows(self, http: aiohttp.ClientSession) -> dict[str, dict[str, Any]]:
        """Every order of the users, from the primary."""
        pages = await asyncio.gather(*(self._rows_of(http, user) for user in self.users))
        return {row["order_id"]: row for rows in pages for row in rows}

    async def _rows_of(
        self, http: aiohttp.ClientSession, user: str, wanted: AbstractSet[str] | None = None
    ) -> list[dict[str, Any]]:
        """A user's orders, newest first: all, or as far as the wanted ones go."""
        rows: list[dict[str, Any]] = []
        cursor = ""
        while True:
            _, page = await self._read(http, f"users/{user}/orders?limit=100{cursor}")
            rows += page["items"]
            found = wanted is not None and wanted <= {row["order_id"] for row in rows}
            if found or not page["next_cursor"]:
                return rows
            cursor = f"&cursor={page['next_cursor']}"

    async def _read(
        self, http: aiohttp.ClientSession, path: str, fine: AbstractSet[int] = frozenset({200})
    ) -> tuple[int, Any]:
        """(status, JSON) of a read past the cache, asked again as long as the stack says that it is too busy."""
        until = time.monotonic() + _BUSY_SECONDS * SLACK
        while True:
            async with http.get(f"{self.gateway}/api/v1/{path}", headers=FRESH) as answer:
                if answer.status in fine:
                    return answer.status, await answer.json() if answer.status == 200 else None
                assert answer.status in _BUSY and time.monotonic() < until, await answer.text()
            await asyncio.sleep(1)

    async def _unfinished(self, http: aiohttp.ClientSession) -> list[str]:
        """The accepted reports and syncs that have no result."""
        unfinished = []
        for attempt in (a for a in acknowledged(self.sent.exports) if a.key not in self._exported):
            if await self._has_result(http, attempt.answer["task_id"]):
                self._exported.add(attempt.key)
            else:
                unfinished.append(f"result of {attempt.answer['task_id']} ({attempt.path})")
        return unfinished

    async def _has_result(self, http: aiohttp.ClientSession, task_id: str) -> bool:
        """Whether a task's result is there, and what a manifest tells of is in the store."""
        async with http.get(f"{self.gateway}/api/v1/tasks/{task_id}/result") as answer:
            if answer.status != 200 or answer.content_type != "application/json":
                return answer.status == 200
            manifest = await answer.json()
        assert self.outside.bucket, manifest
        return await self.outside.bucket.has(manifest["objects"])

    async def _charges(self, http: aiohttp.ClientSession) -> list[dict[str, Any]]:
        """The stub's charges of the load's orders: `{order_id, amount, refunded, …}`."""
        ours = self.sent.order_ids()
        return [charge for charge in await self.outside.charges(http) if charge["order_id"] in ours]
