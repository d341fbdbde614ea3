"""A POST answered the same by both doors: FastAPI alone, and with the fast door in front, are asked the same."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.async_api.played import KEY, NOW, World
from tests.unit.services.asgi import Seen, exchange
from tests.unit.services.played_rows import PlayedRows

from hcs_services import application, async_api, tokens
from hcs_services.application import PREFIX
from hcs_services.async_api.task_results import TaskResults
from hcs_services.database.versions import clock_version
from hcs_services.fast_posts import FastPosts, Post
from hcs_services.idempotency import Key
from hcs_services.identifiers import parse_task_id, public_order_id
from hcs_services.models import NewOrder
from hcs_services.problem import problem
from hcs_services.settings import Settings
from hcs_services.write_api import routes as write_routes
from hcs_services.write_api.repository import product_row
from hcs_services.write_api.service import WriteService
from hcs_services.write_api.unit import Answer, Done, UnitOfWork, from_outcome, is_own

pytestmark = pytest.mark.unit

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
KINDS = ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json",
         "application/json; charset=utf-16", "text/json", ""]  # fmt: skip


class Asked(NamedTuple):
    """One POST; `parts` are its body's."""

    path: str
    parts: tuple[bytes, ...]
    kind: str = "application/json"
    keys: tuple[bytes, ...] = ()
    method: str = "POST"
    gone: bool = False  # the client, before the last part


class Desk:
    """Places orders in memory: the real service and the real signer, with ids, key and clock that are always the same."""

    def __init__(self) -> None:
        ids = count(1)
        self.rows, self.kept = PlayedRows(), dict[tuple[str, str, str], tuple[bytes, Done]]()
        self.rows.products["book-1"] = product_row("book-1", "A book", Decimal("19.90"), 5, clock_version(NOW))
        self.service = WriteService(
            task_key=lambda: KEY, order_id=lambda *_: next(ids), task_id=lambda _key, name, _now: name
        )
        self.unit = UnitOfWork(None, None, shard=0, token_key=lambda: KEY, committed=lambda: None)  # type: ignore[arg-type]

    async def place(self, key: Key, body: NewOrder) -> Answer:
        """As the group would: what is kept under the key, else a new order."""
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

    def published(self) -> list[Any]:
        """Every message with its attempt and the trace it belongs to, but not the span."""
        return [
            (queue, sent, {**headers, "traceparent": headers["traceparent"].rsplit("-", 2)[0]})
            for queue, sent, headers in self.world.broker.published
        ]

    async def ask(self, asked: Asked) -> Seen:
        """One request."""
        fields = [(b"content-type", asked.kind.encode())] if asked.kind else []
        fields += [(b"idempotency-key", key) for key in asked.keys]
        messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": part, "more_body": True} for part in asked.parts
        ]
        if asked.gone:
            messages[-1] = {"type": "http.disconnect"}
        else:
            messages[-1]["more_body"] = False
        app = self.orders if "order" in asked.path else self.tasks
        return await exchange(app, asked.method, f"{PREFIX}/{asked.path}", fields=fields, messages=messages)


class Doors:
    """Both, with ids that are the same."""

    def __init__(self, *, object_store: bool = True) -> None:
        self.slow = Door(fast=False, object_store=object_store)
        self.fast = Door(fast=True, object_store=object_store)

    async def ask(self, requests: list[Asked], *, away: bool = False) -> list[Seen]:
        """The answers, which are the same; so is what was published and placed, and which keys are held."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(secrets, "token_bytes", bytes)
            for door in (self.slow, self.fast):
                door.renew()
                door.world.broker.away = away
            found = []
            for asked in requests:
                expected, seen = await self.slow.ask(asked), await self.fast.ask(asked)
                assert expected == seen, asked
                found.append(seen)
            assert self.slow.published() == self.fast.published()
            assert self.slow.world.keys.rows == self.fast.world.keys.rows
            assert vars(self.slow.desk.rows) == vars(self.fast.desk.rows)
            assert self.slow.desk.kept == self.fast.desk.kept
            return found


@pytest.fixture(scope="module")
def doors() -> Doors:
    return Doors()


def plain(name: str, **fields: Any) -> Asked:
    return Asked(name, (json.dumps(PLAIN[name]).encode(),), **fields)


# -- whatever is asked

values = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 20_000), st.floats(allow_nan=False), st.text(max_size=6),
    st.sampled_from(["ada", "39.80", "-1", "EUR", "2026-11-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "none", "\ud800", {}, []]),
)  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn, name: str) -> bytes:
    document: dict[str, Any] = dict(PLAIN[name])
    for member in draw(st.lists(st.sampled_from([*document, "more", "from_", "total_amount"]), max_size=2)):
        document[member] = draw(values)
    if draw(st.integers(0, 4)) == 0:
        document.pop(draw(st.sampled_from(sorted(document))))
    text = json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    return draw(
        st.sampled_from([text] * 6 + [text[:-1], b"", b"null", b"[]", text + b" ", b"[" * 17, b'{"a":1,"a":2}'])
    )


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    name = draw(st.sampled_from(sorted(PLAIN)))
    body = draw(bodies(name))
    cut = draw(st.integers(0, len(body)))
    return Asked(
        path=draw(st.sampled_from([name] * 8 + [f"{name}/", name.upper(), f"{name}s"])),
        parts=draw(st.sampled_from([(body,), (body[:cut], body[cut:]), (b"", body, b"")])),
        kind=draw(st.sampled_from(KINDS[:1] * 6 + KINDS)),
        keys=tuple(draw(st.lists(st.sampled_from([b"k", b"other", b"", b"a b", b"\xe9", b"x" * 256]), max_size=2))),
        method=draw(st.sampled_from(["POST"] * 6 + ["PUT", "GET", "post"])),
        gone=draw(st.integers(0, 9)) == 0,
    )


@given(asked=st.lists(requests(), min_size=1, max_size=5), away=st.booleans())
@settings(max_examples=300)
def test_any_posts_get_the_same_answers(doors: Doors, asked: list[Asked], away: bool) -> None:
    asyncio.run(doors.ask(asked, away=away))


# -- and one by one


@pytest.mark.parametrize("name", sorted(PLAIN))
@pytest.mark.parametrize("kind", KINDS[:2])
async def test_plain_posts_do_not_reach_fastapi(doors: Doors, name: str, kind: str) -> None:
    seen = await doors.ask([plain(name, kind=kind), plain(name, kind=kind, keys=(b"k",)), plain(name, keys=(b"k",))])
    assert doors.fast.passed == 0
    assert [each.route for each in seen] == [f"{PREFIX}/{name}"] * 3
    assert {each.sent[0]["status"] for each in seen} == {201 if name == "orders" else 202}


@pytest.mark.parametrize(
    "asked",
    [
        plain("notifications", kind="Application/JSON"),
        Asked("notifications", (b"{",)),
        Asked("payments", (json.dumps(PAYMENT | {"amount": 39.8}).encode(),)),
        Asked("orders", (json.dumps(ORDER | {"quantity": 0}).encode(),)),
        plain("orders", gone=True),
    ],
)
async def test_what_is_unusual_or_wrong_reaches_fastapi(doors: Doors, asked: Asked) -> None:
    await doors.ask([asked])
    assert doors.fast.passed == 1


async def test_a_repeat_says_so_and_a_bad_key_is_refused_at_both(doors: Doors) -> None:
    first, again, bad = await doors.ask([plain("payments", keys=(key,)) for key in (b"k", b"k", b"a b")])
    assert (b"idempotency-replayed", b"true") in again.sent[0]["headers"]
    assert (first.sent[1], bad.sent[0]["status"]) == (again.sent[1], 400)


async def test_a_sync_without_an_object_store_is_the_same_problem() -> None:
    (seen,) = await Doors(object_store=False).ask([plain("sync")])
    assert seen.sent[0]["status"] == 503


async def test_a_body_that_is_too_large_is_the_same_413(doors: Doors) -> None:
    (seen,) = await doors.ask([Asked("notifications", (b"[" + b" " * 40_000, b" " * 40_000))])
    assert seen.sent[0]["status"] == 413


async def test_the_answer_is_the_task_that_was_published(doors: Doors) -> None:
    (seen,) = await doors.ask([plain("reports")])
    ((_, sent, _),) = doors.fast.world.broker.published
    told = json.loads(seen.sent[1]["body"])
    parsed = parse_task_id(KEY, told["task_id"])
    assert parsed is not None
    assert (sent.task_id, sent.type, sent.created_at) == (told["task_id"], "generate_report", parsed.created_at)
    assert sent.payload == {"user_id": "ada", "from": "2026-11-01T00:00:00Z", "to": "2026-11-30T23:00:00Z"}


async def test_an_orders_token_is_signed_names_what_was_written_and_is_the_same_at_both_doors(doors: Doors) -> None:
    first, again, other = await doors.ask([plain("orders", keys=(key,)) for key in (b"k", b"k", b"other")])
    texts = [dict(seen.sent[0]["headers"])[b"x-consistency-token"].decode() for seen in (first, again, other)]
    version = clock_version(NOW)
    named = {f"o:{public_order_id(1)}": version, "p:book-1": version + 1, "l:ada": version}
    assert tokens.decode(KEY, texts[0]) == tokens.ConsistencyToken(0, GTID, named)
    assert texts[0] == texts[1] != texts[2]
    assert first.sent[1] == again.sent[1] != other.sent[1]
