"""What a stack's tasks have done outside of it, as the samples tell: mails, charges, objects."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from hcs_services.object_store.client import ObjectStore
from hcs_services.object_store.sigv4 import Credentials

ABOUT = "Your order "  # begins the subject of an order's mail
_CUSTOMERS = "customers.example"


@dataclass(frozen=True)
class Bucket:
    """Where a stack's syncs go; one without has none."""

    url: str
    name: str
    credentials: Credentials

    async def has(self, entries: Iterable[Mapping[str, Any]]) -> bool:
        """Whether it holds each object of a manifest, byte for byte."""
        store = ObjectStore(self.url, self.name, lambda: self.credentials)
        try:
            for entry in entries:
                content = await store.get(entry["key"])
                if content is None or hashlib.sha256(content).hexdigest() != entry["sha256"]:
                    return False
        finally:
            await store.close()
        return True


@dataclass(frozen=True)
class Outside:
    """The samples: base URLs of the mail sink and the payment stub, and the object store."""

    sink: str
    stub: str
    bucket: Bucket | None = None

    async def mails_to(self, http: aiohttp.ClientSession, **which: str) -> dict[str, set[str]]:
        """The Message-IDs by recipient, of all at a `domain` or of one (`to`)."""
        found: dict[str, set[str]] = defaultdict(set)
        for message in await self._listed(http, f"{self.sink}/messages", **which):
            found[message["to"]].add(message["message_id"])
        return found

    async def confirmations(self, http: aiohttp.ClientSession, users: Iterable[str]) -> dict[str, set[str]]:
        """The Message-IDs by order of the mails that confirm these users' orders."""
        found: dict[str, set[str]] = defaultdict(set)
        for user in users:
            for message in await self._listed(http, f"{self.sink}/messages", to=f"{user}@{_CUSTOMERS}"):
                if message["subject"].startswith(ABOUT):
                    found[message["subject"].removeprefix(ABOUT)].add(message["message_id"])
        return found

    async def charges(self, http: aiohttp.ClientSession) -> list[dict[str, Any]]:
        """All charges: `{order_id, amount, refunded, …}`."""
        return await self._listed(http, f"{self.stub}/charges")

    async def _listed(self, http: aiohttp.ClientSession, url: str, **which: str) -> list[dict[str, Any]]:
        async with http.get(url, params=which) as answer:
            found: list[dict[str, Any]] = await answer.json()
            return found
