"""The fast door and FastAPI's answer the same, whatever is asked: two read APIs alike, one of them without the door.

Both are asked the same requests in the same order, so that what one request leaves behind (a level filled, a flight, a
null entry) is there for the next in both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from tests.unit.read_api.doors import GTID, Asked, Door, Doors
from tests.unit.read_api.servers import ORDER, ORDER_ID
from tests.unit.services.asgi import any_ids

from hcs_services.application import PREFIX
from hcs_services.cache import list_key, order_key, product_key
from hcs_services.identifiers import public_order_id
from hcs_services.tokens import ConsistencyToken

pytestmark = pytest.mark.unit
KEY = b"a key"
SOON = ((b"x-request-timeout", b"5"),)
LOST = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-99"
OTHERS = [public_order_id(ORDER - number) for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def doors() -> Iterator[Doors]:
    with TemporaryDirectory() as name:
        (Path(name) / "tokens").mkdir()
        (Path(name) / "tokens" / "consistency").write_bytes(KEY)
        yield Doors(Door(Path(name), fast=False), Door(Path(name), fast=True))


# -- whatever is asked

words = st.text(st.characters(codec="utf-8"), max_size=8)
ids = st.one_of(
    st.sampled_from([ORDER_ID, *OTHERS, "book-1", "...", "ada", "none", "a" * 64]),
    st.sampled_from(["", ".", "..", "a" * 65, "ada ", "ada\n", ORDER_ID.lower(), ORDER_ID + "\n", ORDER_ID[:-1] + "*"]),
    st.from_regex(r"[0-7][0-9A-Z]{13}", fullmatch=True),
    words,
)
paths = st.one_of(
    st.builds("{}/{}/{}{}".format, st.just(PREFIX), st.sampled_from(["orders", "products"]), ids, st.sampled_from(["", "", "", "/", "/x"])),
    st.builds("{}/users/{}/orders{}".format, st.just(PREFIX), ids, st.sampled_from(["", "", "", "/"])),
    st.sampled_from([f"{PREFIX}/Orders/{ORDER_ID}", f"{PREFIX.upper()}/products/book-1", f"/{PREFIX}/products/book-1", "*", "/"]),
    words.map("/{}".format),
)  # fmt: skip
queries = st.one_of(
    st.just(b""),
    st.integers(-2, 130).map(lambda limit: b"limit=%d" % limit),
    st.tuples(st.integers(1, 3), st.sampled_from([ORDER_ID, *OTHERS, "zzz", ""])).map(
        lambda page: f"limit={page[0]}&cursor={page[1]}".encode()
    ),
    st.sampled_from([b"cursor=" + ORDER_ID.encode(), b"limit=05", b"limit=+5", b"limit=5&limit=6", b"LIMIT=5", b"limit=%35",
                     b"limit=2&", b"limit=", b"a=b", b"&", b"limit=2;cursor=x", b"limit=\xd9\xa3"]),
    st.binary(max_size=8),
)  # fmt: skip


def token(gtid: str, entities: dict[str, int], shard: int = 0) -> bytes:
    return ConsistencyToken(shard, gtid, entities).encode(KEY).encode()


named = st.dictionaries(
    st.sampled_from([order_key(ORDER_ID), product_key("book-1"), list_key("ada")]), st.integers(0, 12)
)
fields = st.one_of(
    st.tuples(st.just(b"x-consistency-token"), st.builds(token, st.sampled_from([GTID, LOST]), named, st.integers(0, 1))),
    st.tuples(st.just(b"x-consistency-token"), st.one_of(st.just(b"forged"), st.just(b""), st.binary(max_size=6))),
    st.tuples(st.just(b"x-consistency"), st.sampled_from([b"relaxed", b"Relaxed ", b"x, relaxed", b"strict", b""])),
    st.tuples(st.just(b"cache-control"), st.sampled_from([b"no-cache", b"max-age=0, No-Cache", b"no-store", b""])),
    st.tuples(st.just(b"if-none-match"), st.sampled_from([b'"7"', b'W/"8"', b"*", b'"x", "9"', b"7", b"", b'"', b"\xff"])),
    st.tuples(st.sampled_from([b"content-length", b"x-request-timeout", b"host", b"accept"]), st.sampled_from([b"0", b"70000", b"x"])),
)  # fmt: skip
requests = st.builds(
    Asked,
    path=paths,
    method=st.sampled_from(["GET"] * 6 + ["HEAD", "HEAD", "POST", "OPTIONS", "get", "PATCH"]),
    query=queries,
    fields=st.lists(fields, max_size=4).map(tuple),
    seconds=st.sampled_from([0.0, 0.0, 0.5, 1.5, 400.0]),
    ids=any_ids,
    body=st.sampled_from([b"", b"", b"{}", b" " * 70_000]),
)


@given(asked=st.lists(requests, min_size=1, max_size=6))
@settings(max_examples=300)
def test_any_requests_get_the_same_answers(doors: Doors, asked: list[Asked]) -> None:
    asyncio.run(doors.ask(asked))


plain = st.one_of(
    st.sampled_from([f"{PREFIX}/orders/{each}" for each in (ORDER_ID, *OTHERS)]),
    st.sampled_from([f"{PREFIX}/products/book-1", f"{PREFIX}/products/...", f"{PREFIX}/products/none"]),
    st.sampled_from([f"{PREFIX}/users/ada/orders", f"{PREFIX}/users/nobody/orders"]),
)


many = st.lists(
    st.builds(Asked, path=plain, method=st.sampled_from(["GET", "HEAD"]), fields=st.lists(fields, max_size=3).map(tuple)),
    min_size=1, max_size=6,
)  # fmt: skip


async def broken(*_: object) -> Any:
    raise ZeroDivisionError


async def endless(*_: object) -> Any:
    await asyncio.Event().wait()


def servers_that(act: Callable[..., Awaitable[Any]]) -> Callable[[Door], None]:
    """Instead of answering a read."""

    def prepare(door: Door) -> None:
        for server in (door.levels.cluster.primary, door.levels.cluster.replica):
            server.fetch_all = act  # type: ignore[method-assign, assignment]

    return prepare


def full(door: Door) -> None:
    """Nobody may even wait for a server."""
    sources = door.levels.sources
    sources._replica_slots._places = sources._primary_slots._places = 0


@st.composite
def states(draw: st.DrawFn) -> Callable[[Door], None]:
    cache, primary, replica, too_old = (draw(st.booleans()) for _ in range(4))
    frozen = draw(st.sampled_from([0.0, 0.4, 12.7]))
    more = draw(st.sampled_from([None, None, full, servers_that(broken)]))

    def prepare(door: Door) -> None:
        cluster = door.levels.cluster
        door.levels.cache.down, door.frozen = cache, frozen
        cluster.primary.down, cluster.replica.down, cluster.too_old = primary, replica, too_old
        if more is not None:
            more(door)

    return prepare


@given(asked=many, state=states())
@settings(max_examples=200)
def test_so_do_plain_ones_in_any_state_of_the_engines(
    doors: Doors, asked: list[Asked], state: Callable[[Door], None]
) -> None:
    asyncio.run(doors.ask(asked, state))


@given(asked=many)
@settings(max_examples=20)
def test_so_do_those_whose_time_ends_before_a_server_answers(doors: Doors, asked: list[Asked]) -> None:
    asyncio.run(doors.ask([each._replace(fields=SOON + each.fields) for each in asked], servers_that(endless)))


# -- and one by one

TAGS = (b'"7"', b'"8"', b'"9"', b'W/"9"', b"*", b'"x"', b'"x", "9", "8", "7"')
MEETABLE = ((b"x-consistency-token", token(GTID, {})),)
HEADERS: list[tuple[tuple[bytes, bytes], ...]] = [
    *(((b"if-none-match", tag),) for tag in TAGS),
    ((b"if-none-match", b'"x"'), (b"if-none-match", b"*")),
    ((b"cache-control", b"no-cache"),),
    MEETABLE,
    ((b"x-consistency-token", token(LOST, {})),),
    ((b"x-consistency-token", token(LOST, {})), (b"x-consistency", b"relaxed")),
    ((b"x-consistency-token", token(LOST, {}, shard=1)),),
    ((b"x-consistency-token", token(GTID, {product_key("book-1"): 8, order_key(ORDER_ID): 99})),),
    ((b"x-consistency-token", b"forged"), *MEETABLE),
]


@pytest.mark.parametrize("headers", HEADERS)
async def test_each_field_says_the_same_on_each_read(doors: Doors, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    paths = ("orders/" + ORDER_ID, "products/book-1", "products/none", "users/ada/orders")
    await doors.ask([Asked(f"{PREFIX}/{path}", fields=headers) for path in paths for _ in range(2)])
    assert doors.fast.passed == 0


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (f"{PREFIX}/orders/{ORDER_ID}", b""),
        (f"{PREFIX}/orders/{ORDER_ID}", b"a=b"),
        (f"{PREFIX}/products/book-1", b""),
        (f"{PREFIX}/products/none", b""),
        (f"{PREFIX}/users/ada/orders", b""),
        (f"{PREFIX}/users/ada/orders", b"limit=100"),
        (f"{PREFIX}/users/ada/orders", b"limit=1&cursor=" + ORDER_ID.encode()),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_plain_reads_do_not_reach_fastapi(doors: Doors, path: str, query: bytes, method: str) -> None:
    await doors.ask([Asked(path, method, query)] * 2)
    assert doors.fast.passed == 0


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (f"{PREFIX}/products/..", b""),
        (f"{PREFIX}/orders/x", b""),
        (f"{PREFIX}/users/ada/orders", b"limit=0"),
        (f"{PREFIX}/users/ada/orders", b"limit=101"),
        (f"{PREFIX}/users/ada/orders", b"limit=2&limit=3"),
        (f"{PREFIX}/users/ada/orders", b"cursor=zzz"),
        ("/openapi.json", b""),
    ],
)
async def test_what_is_unusual_reaches_fastapi(doors: Doors, path: str, query: bytes) -> None:
    await doors.ask([Asked(path, query=query)])
    assert doors.fast.passed == 1


@pytest.mark.parametrize(
    ("state", "fields", "status", "told"),
    [
        (servers_that(broken), (), 500, {}),
        (servers_that(endless), SOON, 504, {}),
        (full, (), 503, {b"retry-after": b"1", b"x-overloaded": b"true"}),
    ],
)
async def test_a_failure_that_is_not_the_requests_is_the_same_problem(
    doors: Doors, state: Callable[[Door], None], fields: Any, status: int, told: dict[bytes, bytes]
) -> None:
    (seen,) = await doors.ask([Asked(f"{PREFIX}/products/book-1", fields=fields)], state)
    assert seen.sent[0]["status"] == status
    assert dict(seen.sent[0]["headers"]).items() >= told.items()
    assert doors.fast.passed == 0


async def test_a_fast_read_is_counted_and_logged_under_its_route(doors: Doors) -> None:
    route = f"{PREFIX}/products/{{product_id}}"
    labels = {"service": "read-api", "method": "GET", "route": route, "status": "200"}
    before = REGISTRY.get_sample_value("hcs_http_requests_total", labels) or 0.0
    doors.fast.renew()
    _, seen, logs = await doors.fast.ask(Asked(f"{PREFIX}/products/book-1"))
    assert (route, [route]) == (seen, [line["route"] for line in logs])
    assert REGISTRY.get_sample_value("hcs_http_requests_total", labels) == before + 1
