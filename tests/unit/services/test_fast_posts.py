"""A POST answered the same by both doors: FastAPI alone, and with the fast door in front, are asked the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.async_api.played import KEY, NOW
from tests.unit.services.asgi import any_ids
from tests.unit.services.post_doors import GTID, ORDER, PAYMENT, PLAIN, Asked, Door, Doors, plain

from hcs_services import tokens
from hcs_services.application import PREFIX
from hcs_services.database.errors import (
    DatabaseUnavailable,
    DeadlinePassed,
    OutcomeUnknown,
    TransactionTooLarge,
)
from hcs_services.database.versions import clock_version
from hcs_services.identifiers import parse_task_id, public_order_id
from hcs_services.problem import problem

pytestmark = pytest.mark.unit

KINDS = ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json",
         "application/json; charset=utf-16", "text/json", ""]  # fmt: skip
SOON = ((b"x-request-timeout", b"5"),)


@pytest.fixture(scope="module")
def doors() -> Doors:
    return Doors()


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


fields = st.one_of(
    st.tuples(st.just(b"content-type"), st.sampled_from([b"application/json", b"text/json", b""])),
    st.tuples(st.just(b"content-length"), st.sampled_from([b"0", b"70000", b"x"])),
    st.tuples(st.sampled_from([b"x-request-timeout", b"accept", b"expect", b"host"]), st.sampled_from([b"0", b"70000", b"100-continue", b"\xff"])),
)  # fmt: skip


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
        method=draw(st.sampled_from(["POST"] * 6 + ["PUT", "GET", "HEAD", "post"])),
        gone=draw(st.integers(0, 9)) == 0,
        query=draw(st.sampled_from([b"", b"", b"a=b", b"\xff"])),
        fields=tuple(draw(st.lists(fields, max_size=2))),
        ids=draw(any_ids),
    )


@given(asked=st.lists(requests(), min_size=1, max_size=5))
@settings(max_examples=300)
def test_any_posts_get_the_same_answers(doors: Doors, asked: list[Asked]) -> None:
    asyncio.run(doors.ask(asked))


Trouble = Callable[[], Coroutine[None, None, None]]


async def endless() -> None:
    await asyncio.Event().wait()


def failing(failure: Callable[[], Exception]) -> Trouble:
    """Raise another one each time."""

    async def fail() -> None:
        raise failure()

    return fail


ENGINES = ("broker", "keys", "desk")


def with_trouble(trouble: Trouble, *, at: Iterable[str] = ENGINES) -> Callable[[Door], None]:
    def prepare(door: Door) -> None:
        engines: dict[str, Any] = {"broker": door.world.broker, "keys": door.world.keys, "desk": door.desk}
        for name in at:
            engines[name].trouble = trouble

    return prepare


LATE, GONE = partial(DeadlinePassed, "late"), partial(DatabaseUnavailable, "gone")
UNKNOWN, TOO_LARGE = partial(OutcomeUnknown, "?"), partial(TransactionTooLarge, "too large")
IN_FLIGHT = partial(problem, "request-in-flight", "It is.")
OVERLOADED = partial(problem, "overloaded", "Too much.", retry_after=1)
BUG = ZeroDivisionError
FAILURES: tuple[Callable[[], Exception], ...] = (LATE, GONE, UNKNOWN, TOO_LARGE, IN_FLIGHT, OVERLOADED, BUG)


@st.composite
def states(draw: st.DrawFn) -> Callable[[Door], None]:
    away, cannot_mark = draw(st.booleans()), draw(st.booleans())
    trouble = failing(draw(st.sampled_from(FAILURES)))
    places = draw(st.sets(st.sampled_from(ENGINES)))

    def prepare(door: Door) -> None:
        door.world.broker.away, door.world.keys.cannot_mark = away, cannot_mark
        with_trouble(trouble, at=places)(door)

    return prepare


taken = st.builds(
    plain,
    st.sampled_from(sorted(PLAIN)),
    kind=st.sampled_from(KINDS),
    keys=st.sampled_from([(), (b"k",), (b"other",)]),
    fields=st.lists(fields, max_size=2).map(tuple),
)
many = st.lists(taken, min_size=1, max_size=5)


@given(asked=many, state=states())
@settings(max_examples=200)
def test_so_do_plain_ones_in_any_state_of_the_engines(
    doors: Doors, asked: list[Asked], state: Callable[[Door], None]
) -> None:
    asyncio.run(doors.ask(asked, state))


@given(asked=many)
@settings(max_examples=20)
def test_so_do_those_whose_time_ends_before_an_engine_answers(doors: Doors, asked: list[Asked]) -> None:
    asyncio.run(doors.ask([each._replace(fields=SOON + each.fields) for each in asked], with_trouble(endless)))


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


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (plain("payments", kind="text/json", fields=((b"content-type", b"application/json"),)), 415),
        (plain("payments", fields=((b"content-type", b"text/json"),)), 202),
        (plain("payments", keys=(b"a b", b"k")), 400),
        (plain("payments", keys=(b"k", b"a b")), 202),
        (plain("payments", fields=((b"content-length", b"70000"),)), 413),
        (plain("payments", query=b"currency=USD"), 202),
        (plain("payments", ids=()), 202),
    ],
)
async def test_of_a_repeated_field_the_first_counts_at_both_and_what_is_not_asked_for_nowhere(
    doors: Doors, asked: Asked, status: int
) -> None:
    (seen,) = await doors.ask([asked])
    assert seen.sent[0]["status"] == status


async def test_a_repeat_says_so_and_a_bad_key_is_refused_at_both(doors: Doors) -> None:
    first, again, bad = await doors.ask([plain("payments", keys=(key,)) for key in (b"k", b"k", b"a b")])
    assert (b"idempotency-replayed", b"true") in again.sent[0]["headers"]
    assert (first.sent[1], bad.sent[0]["status"]) == (again.sent[1], 400)


@pytest.mark.parametrize(
    ("name", "at", "trouble", "status", "told"),
    [
        ("payments", "broker", failing(BUG), 500, {}),
        ("payments", "broker", endless, 504, {}),
        ("payments", "keys", failing(GONE), 503, {b"retry-after": b"1"}),
        ("payments", "keys", failing(UNKNOWN), 503, {b"retry-after": b"2"}),
        ("payments", "keys", failing(IN_FLIGHT), 409, {}),
        ("orders", "desk", failing(BUG), 500, {}),
        ("orders", "desk", endless, 504, {}),
        ("orders", "desk", failing(LATE), 504, {}),
        ("orders", "desk", failing(TOO_LARGE), 413, {}),
        ("orders", "desk", failing(OVERLOADED), 503, {b"retry-after": b"1", b"x-overloaded": b"true"}),
    ],
)
async def test_a_failure_that_is_not_the_posts_is_the_same_problem(
    doors: Doors, name: str, at: str, trouble: Trouble, status: int, told: dict[bytes, bytes]
) -> None:
    asked = plain(name, keys=(b"k",), fields=SOON if trouble is endless else ())
    (seen,) = await doors.ask([asked], with_trouble(trouble, at=[at]))
    assert seen.sent[0]["status"] == status
    assert dict(seen.sent[0]["headers"]).items() >= told.items()
    assert doors.fast.passed == 0


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
