from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from tests.unit.services.asgi import call

from hcs_services import request_context
from hcs_services.http_conventions import BodyLimit, Conventions, check_if_match, etag, none_match
from hcs_services.problem import Problem, problem


def echo(seen: dict[str, Any]) -> Any:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        seen["request_id"] = request_context.request_id()
        seen["trace"] = request_context.trace()
        seen["remaining"] = request_context.remaining(1000)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


def conventions(app: Any, timeout_ms: int = 10_000) -> Conventions:
    return Conventions(app, timeout_ms=timeout_ms, max_timeout_ms=60_000)


async def test_the_callers_request_id_and_trace_are_continued() -> None:
    seen: dict[str, Any] = {}
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {"X-Request-Id": "abc-1", "traceparent": f"00-{trace_id}-{span_id}-01"}

    answer = await call(conventions(echo(seen)), "GET", "/", headers=headers)

    assert "abc-1" == seen["request_id"] == answer.headers["x-request-id"]
    assert trace_id == seen["trace"].trace_id
    assert span_id != seen["trace"].span_id
    assert re.fullmatch(rf"00-{trace_id}-[0-9a-f]{{16}}-01", seen["trace"].traceparent)


@pytest.mark.parametrize("traceparent", ["", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "ff-a-b-c", "x" * 500])
async def test_a_malformed_trace_is_begun_anew(traceparent: str) -> None:
    seen: dict[str, Any] = {}

    await call(conventions(echo(seen)), "GET", "/", headers={"traceparent": traceparent})

    assert re.fullmatch("[0-9a-f]{32}", seen["trace"].trace_id)


@pytest.mark.parametrize("request_id", ["", "a b", "x" * 129, "é"])
async def test_a_strange_request_id_is_replaced(request_id: str) -> None:
    seen: dict[str, Any] = {}

    await call(conventions(echo(seen)), "GET", "/", headers={"X-Request-Id": request_id})

    assert re.fullmatch("[0-9a-f]{24}", seen["request_id"])


@pytest.mark.parametrize(
    ("wish", "seconds"), [("500", 0.5), ("99999999", 60), ("-1", 10), ("1e3", 10), ("x", 10), (None, 10)]
)
async def test_the_deadline_is_the_callers_within_bounds(wish: str | None, seconds: float) -> None:
    seen: dict[str, Any] = {}

    await call(conventions(echo(seen)), "GET", "/", headers={} if wish is None else {"X-Request-Timeout": wish})

    assert seconds == pytest.approx(seen["remaining"], abs=0.3)


@pytest.mark.parametrize(
    ("method", "headers", "retryable"),
    [
        ("GET", {}, True),
        ("POST", {"Idempotency-Key": "k"}, True),
        ("POST", {}, False),
        ("DELETE", {"If-Match": '"1"'}, False),
    ],
)
async def test_a_request_that_outlives_its_deadline_is_a_504_to_be_repeated_only_if_that_is_harmless(
    method: str, headers: dict[str, str], retryable: bool
) -> None:
    async def forever(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.Event().wait()

    answer = await call(conventions(forever), method, "/", headers={"X-Request-Timeout": "20", **headers})

    assert (answer.status, answer.json["type"]) == (504, "/problems/deadline-exceeded")
    assert answer.json["retryable"] is retryable


async def test_a_bug_is_a_500_problem_without_its_text() -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("the secret")

    answer = await call(conventions(broken), "GET", "/x")

    assert (answer.status, answer.json["type"], answer.json["instance"]) == (500, "/problems/internal-error", "/x")
    assert b"secret" not in answer.body


async def test_a_timeout_of_the_services_own_is_not_the_callers_deadline() -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise TimeoutError

    answer = await call(conventions(broken), "GET", "/")

    assert answer.status == 500


async def test_head_is_get_without_its_body() -> None:
    answer = await call(conventions(echo({})), "HEAD", "/")

    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "2", b"")


async def test_an_announced_body_over_the_limit_is_refused_unread() -> None:
    app = BodyLimit(echo({}), limit=10)

    answer = await call(app, "POST", "/", headers={"Content-Length": "11"}, body=b"")

    assert (answer.status, answer.headers["connection"]) == (413, "close")


async def test_a_streamed_body_over_the_limit_is_refused_when_it_gets_there() -> None:
    async def reading(_scope: Any, receive: Any, _send: Any) -> None:
        while (await receive())["more_body"]:
            pass

    with pytest.raises(Problem) as refused:
        await call(BodyLimit(reading, limit=10), "POST", "/", body=b"x" * 30, chunks=5)
    assert refused.value.status == 413


def test_an_entity_tag_is_the_version_in_quotes() -> None:
    assert etag(17) == '"17"'


@pytest.mark.parametrize("value", ['"17"', "*", '"1", "17"', ' "17" '])
def test_if_match_takes_the_version_named(value: str) -> None:
    check_if_match(value, 17)


@pytest.mark.parametrize("value", ['"18"', 'W/"17"', "17", "", '"17', "\x00"])
def test_if_match_refuses_any_other_with_412(value: str) -> None:
    with pytest.raises(Problem) as refused:
        check_if_match(value, 17)
    assert refused.value.status == 412


def test_a_missing_if_match_is_428() -> None:
    with pytest.raises(Problem) as refused:
        check_if_match(None, 17)
    assert refused.value.status == 428


@pytest.mark.parametrize(
    ("value", "matches"), [(None, False), ("*", True), ('"17"', True), ('W/"17"', True), ('"1"', False), ("17", False)]
)
def test_if_none_match_compares_weakly(value: str | None, matches: bool) -> None:
    assert matches == none_match(value, 17)


async def test_a_problem_names_its_trace() -> None:
    async def refusing(_scope: Any, _receive: Any, _send: Any) -> None:
        raise problem("not-finished", "Not yet.", retry_after=3)

    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    answer = await call(conventions(refusing), "GET", "/t", headers=headers)

    assert (
        answer.status,
        answer.headers["retry-after"],
        answer.headers["content-type"],
    ) == (409, "3", "application/problem+json")
    expected = {
        "type": "/problems/not-finished",
        "title": "The task is not finished",
        "status": 409,
        "detail": "Not yet.",
        "instance": "/t",
        "retryable": True,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    assert expected == answer.json
