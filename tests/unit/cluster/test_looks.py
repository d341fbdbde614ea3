"""What a ledger looks at: new orders without the old ones, and of what is missing no more than up to the first that still is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.cluster.attempts import Attempt, oldest_acknowledged
from tests.cluster.looks import Looks
from tests.cluster.outside import ABOUT, Outside
from tests.cluster.sums import Seen, Sent, without_effect

pytestmark = pytest.mark.unit


@dataclass
class Played:
    """A stack and its samples: orders of one user, newest first in pages of two, and all mails."""

    orders: dict[str, str] = field(default_factory=dict)
    """Status by id."""
    mails: list[dict[str, str]] = field(default_factory=list)
    charges: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        match request.path.removeprefix("/api/v1/").strip("/").split("/"):
            case ["users", _, "orders"]:
                start = int(request.query.get("cursor", 0))
                page = [self.row(key) for key in sorted(self.orders, reverse=True)[start : start + 2]]
                more = start + 2 < len(self.orders)
                return web.json_response({"items": page, "next_cursor": str(start + 2) if more else None})
            case ["orders", key]:
                return web.json_response(self.row(key), status=200) if key in self.orders else web.Response(status=404)
            case ["charges"]:
                return web.json_response(self.charges)
            case _:
                to, domain = request.query.get("to"), request.query.get("domain", "")
                found = [it for it in self.mails if it["to"] == to or (not to and it["to"].endswith(domain))]
                return web.json_response(found)

    def row(self, key: str) -> dict[str, str]:
        return {"order_id": key, "user_id": "ann", "status": self.orders[key]}


def order(key: str) -> Attempt:
    return Attempt("/orders", {"user_id": "ann"}, status=201, answer={"order_id": key})


def payment(key: str) -> Attempt:
    return Attempt("/payments", {"order_id": key}, status=202)


def mail(to: str) -> Attempt:
    return Attempt("/notifications", {"to": to}, status=202)


def delivered(to: str, subject: str = "") -> dict[str, str]:
    return {"to": to, "subject": subject, "message_id": f"<{to}{subject}>"}


def looking(played: Played, sent: Sent, look: Callable[[Looks, aiohttp.ClientSession], Awaitable[Any]]) -> Any:
    """What a look at a played stack answers."""

    async def run() -> Any:
        runner = web.ServerRunner(web.Server(played.answer))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            async with aiohttp.ClientSession() as http:
                return await look(Looks(site.name, Outside(site.name, site.name), ["ann"], "x.example", sent), http)
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def test_new_orders_are_found_without_the_old_ones_and_a_lost_one_is_named() -> None:
    played = Played(orders={f"{number}": "PENDING" for number in range(1, 10)})
    assert looking(played, Sent(), lambda it, _: it.absent([order("9"), order("8")])) == set()
    assert len(played.asked) == 1
    del played.orders["8"]
    assert looking(played, Sent(), lambda it, _: it.absent([order("9"), order("8")])) == {"8"}


def test_a_look_at_what_is_missing_finds_what_came_and_ends_at_the_first_that_did_not() -> None:
    keys = [f"{number}" for number in range(1, 6)]
    sent = Sent(
        [order(key) for key in keys], [mail(f"{key}@x.example") for key in keys], [payment(key) for key in keys]
    )
    played = Played(dict.fromkeys(keys, "PENDING"))
    before = looking(played, sent, Looks.at_all)
    assert len(without_effect(sent, before)) == 15
    played.orders |= {"1": "PAID", "2": "PAID"}
    played.mails = [delivered("1@x.example"), delivered("ann@customers.example", f"{ABOUT}1")]
    played.asked.clear()
    seen: Seen = looking(played, sent, lambda it, http: it.at_missing(http, before))
    assert set(without_effect(sent, before)) - set(without_effect(sent, seen)) == {
        "payment of 1", "payment of 2", "mail to 1@x.example", "confirmation of 1",
    }  # fmt: skip
    assert [asked for asked in played.asked if "/orders/" in asked] == [f"/api/v1/orders/{key}" for key in "123"]
    assert len([asked for asked in played.asked if "x.example" in asked]) == 2


def test_an_order_that_is_gone_and_a_refund_that_came_are_seen_by_a_look_at_what_is_missing() -> None:
    sent = Sent([order("1"), order("2")], payments=[payment("1"), payment("2")])
    played = Played({"1": "PENDING", "2": "CANCELLED"}, charges=[{"order_id": "2", "refunded": False}])
    before = looking(played, sent, Looks.at_all)
    del played.orders["1"]
    played.charges[0]["refunded"] = True
    seen: Seen = looking(played, sent, lambda it, http: it.at_missing(http, before))
    assert [it for it in without_effect(sent, seen) if "confirmation" not in it] == ["payment of 1"]


def test_the_oldest_that_is_acknowledged_has_its_turn_once_and_who_waits_keeps_its_place() -> None:
    refused, late, first, second = Attempt("/a", status=422), Attempt("/b"), order("1"), order("2")
    waiting = deque([refused, late, first, second])
    assert oldest_acknowledged(waiting) is first
    assert list(waiting) == [late, second]
    late.status = 201
    assert [oldest_acknowledged(waiting) for _ in range(3)] == [late, second, None]
