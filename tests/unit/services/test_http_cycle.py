"""The answer's bytes: those of uvicorn's own cycle, in fewer writes."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from hcs_services.http_cycle import LARGE, Cycle, ServerConfig

Message = dict[str, Any]
Make = Callable[..., Any]
OK = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
NAMES = st.sampled_from([b"content-length", b"Content-Length", b"transfer-encoding", b"Connection", b"x-a", b"ETag"])
VALUES = st.sampled_from([b"0", b"3", b"chunked", b"gzip", b"close", b"keep-alive, Close", b'"7"', b"", b"a\tb"])
FIELDS = st.lists(
    st.tuples(NAMES, VALUES) | st.tuples(st.binary(max_size=4), VALUES) | st.tuples(NAMES, st.binary(max_size=4)),
    max_size=4,
)
PIECES = st.binary(max_size=4) | st.sampled_from([b"x" * (LARGE - 1), b"x" * LARGE, bytearray(b"abc")])
STARTS = st.builds(
    lambda status, fields: {"type": "http.response.start", "status": status, "headers": fields},
    st.sampled_from([200, 204, 304, 404, 599]),
    FIELDS,
)
BODIES = st.builds(
    lambda piece, more: {"type": "http.response.body", "body": piece, "more_body": more}, PIECES, st.booleans()
)
ANSWERS = st.lists(STARTS | BODIES, max_size=2).flatmap(
    lambda head: st.lists(BODIES, max_size=3).map(lambda body: head + body)
)


@dataclass
class Transport:
    """Keeps what is written, one entry for each call."""

    writes: list[bytes] = field(default_factory=list)
    closed: bool = False
    reading: bool = True

    def write(self, data: bytes) -> None:
        if data:
            self.writes.append(bytes(data))

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.writes.append(b"".join(pieces))

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def theirs(**known: Any) -> Any:
    return RequestResponseCycle(**known)


def ours(**known: Any) -> Any:
    return Cycle(asyncio.get_running_loop(), ServerConfig(None), **known)  # type: ignore[arg-type]


def cycle_on(transport: Any, make: Make, *, method: str = "GET", keep_alive: bool = True) -> Any:
    return make(
        scope={"method": method, "extensions": {}},
        transport=transport,
        flow=FlowControl(transport),
        logger=logging.getLogger("test"),
        access_logger=logging.getLogger("test"),
        access_log=False,
        default_headers=[(b"date", b"Sun, 29 Nov 2026 08:00:00 GMT")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )


async def answered(make: Make, messages: list[Message], **options: Any) -> tuple[bytes, bool, bool, bool]:
    """What the client has after an application has sent these, the end, whether it is whole, and whether one failed."""
    transport, failed = Transport(), False
    cycle = cycle_on(transport, make, **options)

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        nonlocal failed
        try:
            for message in messages:
                await send(message)
        except Exception:
            failed = True
            raise

    await cycle.run_asgi(application)
    return b"".join(transport.writes), transport.closed, cycle.response_complete, failed


@pytest.mark.unit
@given(ANSWERS, st.sampled_from(["GET", "HEAD", "POST"]), st.booleans())
@example([OK, {"type": "http.response.body", "body": b"ok"}], "GET", True)
@example([{**OK, "headers": []}, {"type": "http.response.body", "body": b"", "more_body": True}], "GET", False)
@example([{**OK, "headers": [(b"a\r\nb", b"")]}], "GET", True)
@example([{**OK, "headers": [(b"a", b"x\r\nb: c")]}], "GET", True)
def test_the_client_gets_what_uvicorn_would_send(messages: list[Message], method: str, keep_alive: bool) -> None:
    async def both() -> None:
        options: dict[str, Any] = {"method": method, "keep_alive": keep_alive}
        assert await answered(theirs, messages, **options) == await answered(ours, messages, **options)

    logging.getLogger("test").disabled = True
    asyncio.run(both())


@pytest.mark.parametrize("size", [2, LARGE])
async def test_a_header_and_a_body_leave_in_one_write(size: int) -> None:
    transport = Transport()
    cycle = cycle_on(transport, ours)

    await cycle.send({**OK, "headers": [(b"content-length", b"%d" % size)]})
    await cycle.send({"type": "http.response.body", "body": b"x" * size})

    assert len(transport.writes) == 1


async def test_a_header_waits_no_longer_than_a_turn_of_the_loop() -> None:
    transport = Transport()
    cycle = cycle_on(transport, ours)

    await cycle.send(OK)
    assert transport.writes == []
    await asyncio.sleep(0)

    assert transport.writes[0].startswith(b"HTTP/1.1 200 OK\r\n")
    await cycle.send({"type": "http.response.body", "body": b"ok"})
    assert transport.writes[1:] == [b"ok"]


async def test_each_piece_of_a_streamed_body_leaves_at_once() -> None:
    transport = Transport()
    cycle = cycle_on(transport, ours)

    await cycle.send({**OK, "headers": []})
    for number, piece in enumerate([b"one", b"two"], 1):
        await cycle.send({"type": "http.response.body", "body": piece, "more_body": True})
        assert len(transport.writes) == number


async def test_a_client_that_does_not_read_holds_the_next_piece_back() -> None:
    transport = Transport()
    cycle = cycle_on(transport, ours)
    await cycle.send({**OK, "headers": []})
    await cycle.send({"type": "http.response.body", "body": b"one", "more_body": True})

    cycle.flow.pause_writing()
    second = asyncio.create_task(cycle.send({"type": "http.response.body", "body": b"two"}))
    await asyncio.sleep(0)
    assert len(transport.writes) == 1
    cycle.flow.resume_writing()
    await second

    assert len(transport.writes) == 2


async def test_nothing_is_written_for_a_client_that_has_left() -> None:
    transport = Transport()
    cycle = cycle_on(transport, ours)

    await cycle.send(OK)
    cycle.disconnected = True
    await asyncio.sleep(0)
    await cycle.send({"type": "http.response.body", "body": b"ok"})

    assert transport.writes == []


async def test_who_watches_is_called_when_the_client_leaves_and_no_later_than_it_wants() -> None:
    cycle, calls = cycle_on(Transport(), ours), list[str]()

    assert cycle.watch(lambda: calls.append("early"))
    cycle.watch(None)
    cycle.watch(lambda: calls.append("late"))
    cycle.leave()

    assert calls == ["late"]
    assert not cycle.watch(lambda: calls.append("too late"))
    assert calls == ["late"]


async def test_a_client_that_waits_for_leave_to_go_on_gets_it_once_from_who_watches() -> None:
    transport = Transport()
    cycle = cycle_on(transport, ours)
    cycle.waiting_for_100_continue = True

    cycle.watch(lambda: None)
    cycle.watch(lambda: None)

    assert transport.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]


async def test_a_connection_is_read_from_while_somebody_watches() -> None:
    transport = Transport()
    cycle = cycle_on(transport, ours)
    cycle.flow.pause_reading()

    cycle.watch(lambda: None)

    assert transport.reading


async def test_nothing_of_a_request_is_left_to_the_collector() -> None:
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send(OK)
        await send({"type": "http.response.body", "body": b"ok"})

    cycle = cycle_on(Transport(), ours)
    await cycle.run_asgi(application)
    await asyncio.sleep(0)  # the loop lets go of its callback
    gone = weakref.ref(cycle)
    gc.disable()
    try:
        del cycle
        assert gone() is None
    finally:
        gc.enable()


async def test_while_the_server_drains_an_answer_ends_its_connection() -> None:
    transport = Transport()
    cycle = cycle_on(transport, ours)

    cycle._config.draining = True  # the process was told to end since the request came
    await cycle.send(OK)
    await cycle.send({"type": "http.response.body", "body": b"ok"})

    assert b"\r\nconnection: close\r\n" in transport.writes[0]
    assert transport.closed
