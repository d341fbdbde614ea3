"""The access log's lines are those that structlog would write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from hcs_services import observability, request_context
from hcs_services.access_log import AccessLog, Known, OnceATurn

pytestmark = pytest.mark.unit
TEXT = st.text(max_size=12) | st.sampled_from(["/api/v1/products/{product_id}", 'a"b\\c', "\u2028\x7f", "\ud800"])


@pytest.fixture
def restored() -> Iterator[None]:
    """Logging as it was before."""
    yield
    structlog.reset_defaults()


@given(TEXT, TEXT, TEXT | st.none(), st.integers(0, 999), st.integers(0, 10**12), st.floats(0, 1e9), st.datetimes())
@example("GET", "/x", "a", 200, 95, 0.0, datetime(2026, 11, 29, 8, 0, 0, 0))  # noqa: DTZ001 - aware below
def test_a_line_is_what_the_processors_make_of_the_same_event(
    route: str, path: str, request_id: str | None, status: int, sent: int, milliseconds: float, at: datetime
) -> None:
    at, lines = at.replace(tzinfo=UTC), list[str]()
    for trace_id in ("", "0af7651916cd43dd8448eb211c80319c"):
        event: dict[str, Any] = {
            "method": "GET", "route": route, "path": path, "status": status, "bytes": sent,
            "milliseconds": milliseconds, "request_id": request_id, "event": "request", "level": "info",
            "timestamp": at.isoformat().replace("+00:00", "Z"), "stack": "shop", "tier": route,
        } | ({"trace_id": trace_id} if trace_id else {})  # fmt: skip
        AccessLog("shop", route, write=lines.append, now=lambda: at)(
            Known.of("GET", route, status),
            path,
            sent=sent,
            milliseconds=milliseconds,
            request_id=request_id,
            trace_id=trace_id,
        )
        assert structlog.processors.JSONRenderer()(None, "info", event) == lines[-1]


async def test_the_lines_of_a_turn_go_out_together_in_their_order() -> None:
    written = list[str]()
    log = OnceATurn(written.append)
    for line in ("a", "b"):
        log(line)
    assert not written
    await asyncio.sleep(0)
    assert written == ["a\nb"]
    log("c")
    await asyncio.sleep(0)
    assert written == ["a\nb", "c"]


def test_without_a_loop_a_line_goes_at_once() -> None:
    written = list[str]()
    OnceATurn(written.append)("a")
    assert written == ["a"]


@pytest.mark.usefixtures("restored")
async def test_a_request_leaves_the_line_that_the_whole_chain_would_write(capsys: pytest.CaptureFixture[str]) -> None:
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        request_context.enter(request_id="mine", trace=request_context.continue_trace(None), deadline=None)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(_message: Any) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/things/ö", "state": {"route": "/things/{thing}"}}
    observability.configure_logging("info", stack="shop", tier="observed")
    await observability.Observed(application, service="observed")(scope, None, send)
    await asyncio.sleep(0)  # until the turn's lines are put out
    written = json.loads(capsys.readouterr().out)
    structlog.get_logger("access").info("request", **{name: written[name] for name in list(written)[:7]})
    expected = json.loads(capsys.readouterr().out)

    assert list(expected) == list(written)
    assert {**expected, "timestamp": ""} == {**written, "timestamp": ""}


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(("level", "lines"), [("info", 1), ("warning", 0)])
async def test_requests_are_logged_from_level_info_down(
    level: str, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        pass

    observability.configure_logging(level, stack="shop", tier="observed")
    await observability.Observed(application, service="observed")({"type": "http", "method": "GET", "path": "/"}, 0, 0)
    await asyncio.sleep(0)

    assert len(capsys.readouterr().out.splitlines()) == lines
