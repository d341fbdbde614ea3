"""Two async APIs and write APIs alike, FastAPI alone and with the fast door in front, that are asked the same."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.unit.async_api.played import KEY, NOW, World, works
from tests.unit.services.asgi import IDS, Fields, Seen, exchange
from tests.unit.services.played_rows import PlayedRows

from hcs_services import application, async_api
from hcs_services.application import PREFIX
from hcs_services.async_api.task_results import TaskResults
from hcs_services.database.answers import as_problem
from hcs_services.database.errors import DatabaseFailure
from hcs_services.database.versions import clock_version
from hcs_services.fast_posts import FastPosts, Post
from hcs_services.idempotency import Key
from hcs_services.models import NewOrder
from hcs_services.problem import problem
from hcs_services.settings import Settings
from hcs_services.write_api import routes as write_routes
from hcs_services.write_api.repository import product_row
from hcs_services.write_api.service import WriteService
from hcs_services.write_api.unit import Answer, Done, UnitOfWork, from_outcome, is_own

MAIL = {"user_id": "ada", "to": "ada@customers.example", "subject": "Grüße", "body": "It left."}
PAYMENT = {"order_id": "070NTGATNPGDBH", "amount": "39.80", "currency": "EUR", "method_token": "tok_ok"}
REPORT = {"user_id": "ada", "from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00+01:00"}
SYNC = {"since": "2026-11-23T00:00:00.5Z"}
ORDER = {"user_id": "ada", "product_id": "book-1", "quantity": 2}
PLAIN: dict[str, dict[str, Any]] = {
    "notifications": MAIL,
    "payments": PAYMENT,
    "reports": REPORT,
    "sync": SYNC,
    "orders": ORDER,
}
GTID = "5b4f9b3e-0f7d-4a2b-9d51-2f3e6f0a7c11:1-7"


class Asked(NamedTuple):
    """One POST; `parts` are its body's, `fields` come on top of those of its kind and its keys."""

    path: str
    parts: tuple[bytes, ...]
    kind: str = "application/json"
    keys: tuple[bytes, ...] = ()
    method: str = "POST"
    gone: bool = False  # the client, before the last part
    query: bytes = b""
    fields: tuple[tuple[bytes, bytes], ...] = ()
    ids: Fields = IDS


def plain(name: str, **fields: Any) -> Asked:
    """A POST in its plain form."""
    return Asked(name, (json.dumps(PLAIN[name]).encode(),), **fields)


class Desk:
    """Places orders in memory: the real service and the real signer, with ids, key and clock that are always the same.

    `trouble` comes first, and may raise or hang.
    """

    def __init__(self) -> None:
        ids, self.trouble = count(1), works
        self.rows, self.kept = PlayedRows(), dict[tuple[str, str, str], tuple[bytes, Done]]()
        self.rows.products["book-1"] = product_row("book-1", "A book", Decimal("19.90"), 5, clock_version(NOW))
        self.service = WriteService(
            task_key=lambda: KEY, order_id=lambda *_: next(ids), task_id=lambda _key, name, _now: name
        )
        self.unit = UnitOfWork(None, None, shard=0, token_key=lambda: KEY, committed=lambda: None)  # type: ignore[arg-type]

    async def place(self, key: Key, body: NewOrder) -> Answer:
        """As the group would: what is kept under the key, else a new order."""
        try:
            await self.trouble()
        except DatabaseFailure as failure:
            raise as_problem(failure) from failure
        digest, kept = self.kept.get(key.primary_key, (key.body_hash, None))
        if digest != key.body_hash:
            raise problem("idempotency-key-reused", "The key was used for another body.")
        if kept is not None:
            return self.unit.answer(replace(kept, replayed=True), GTID)
        done = from_outcome(await self.service.create_order(self.rows, body, NOW))
        if not is_own(key):
            self.kept[key.primary_key] = (key.body_hash, done)
        return self.unit.answer(done, GTID)


class Door:
    """An async API and the write API's orders; `passed` counts what went on to FastAPI through the fast door."""

    def __init__(self, *, fast: bool, object_store: bool) -> None:
        self.passed, self.world = 0, World()
        self.acceptance = self.world.acceptance
        front = self._front if fast else lambda inner, _: inner
        results = TaskResults(None, None, lambda: KEY)  # type: ignore[arg-type]
        tasks = Settings(HCS_CREDENTIALS_DIR=Path("/nowhere"), HCS_TIER="async-api")
        self.tasks = async_api.create(tasks, self.acceptance, results, object_store=object_store, front=front)
        orders = Settings(HCS_CREDENTIALS_DIR=Path("/nowhere"), HCS_TIER="write-api")
        self.desk = Desk()
        posts = write_routes.posts(self.desk)  # type: ignore[arg-type]
        app, self.orders = application.create("Write API", "", orders, front=lambda inner: front(inner, posts))
        write_routes.add_routes(app, None, None, posts)  # type: ignore[arg-type]

    def renew(self) -> None:
        """Another world under the same application, which takes long to build."""
        self.passed, self.world = 0, World()
        vars(self.acceptance).update(vars(self.world.acceptance))
        vars(self.desk).update(vars(Desk()))

    def _front(self, inner: Any, posts: Mapping[str, Post]) -> FastPosts:
        async def counted(*call: Any) -> None:
            self.passed += 1
            await inner(*call)

        return FastPosts(counted, posts)

    async def ask(self, asked: Asked) -> Seen:
        """One request."""
        fields = [(b"content-type", asked.kind.encode())] if asked.kind else []
        fields += [*((b"idempotency-key", key) for key in asked.keys), *asked.fields]
        messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": part, "more_body": True} for part in asked.parts
        ]
        if asked.gone:
            messages[-1] = {"type": "http.disconnect"}
        else:
            messages[-1]["more_body"] = False
        app = self.orders if "order" in asked.path else self.tasks
        path, ids = f"{PREFIX}/{asked.path}", asked.ids
        return await exchange(app, asked.method, path, query=asked.query, fields=fields, ids=ids, messages=messages)


class Doors:
    """Both, with ids that are the same."""

    def __init__(self, *, object_store: bool = True) -> None:
        self.slow = Door(fast=False, object_store=object_store)
        self.fast = Door(fast=True, object_store=object_store)

    async def ask(self, requests: list[Asked], prepare: Callable[[Door], None] = lambda _: None) -> list[Seen]:
        """The answers, which are the same; so is what was published and placed, and which keys are held."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(secrets, "token_bytes", bytes)
            for door in (self.slow, self.fast):
                door.renew()
                prepare(door)
            found = []
            for asked in requests:
                expected, seen = await self.slow.ask(asked), await self.fast.ask(asked)
                assert expected == seen, asked
                found.append(seen)
            assert self.slow.world.broker.published == self.fast.world.broker.published
            assert self.slow.world.keys.rows == self.fast.world.keys.rows
            assert vars(self.slow.desk.rows) == vars(self.fast.desk.rows)
            assert self.slow.desk.kept == self.fast.desk.kept
            return found
