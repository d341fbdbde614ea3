"""Connections that are kept, given on, counted and ended."""

import asyncio
import contextlib
import socket
import threading

import pytest
from tests.unit.gateway.pool.peer import (
    ADDRESS,
    GET,
    OK,
    Line,
    answering,
    call,
    endpoint,
    exchange,
    on_both_loops,
    until,
)

from hcs_services.gateway.pool import connections
from hcs_services.gateway.pool.connections import Connections
from hcs_services.gateway.pool.failures import Lost, NotConnected

pytestmark = pytest.mark.unit


@on_both_loops
async def test_a_connection_in_step_carries_the_next_request() -> None:
    async with endpoint(answering) as peer:
        pool = Connections(ADDRESS, peer.port)
        assert [await call(pool) for _ in range(3)] == [b"ok"] * 3
        assert (len(peer.lines), pool.open, pool.idle) == (1, 1, 1)
        pool.close()


@on_both_loops
async def test_of_connections_that_rest_the_last_one_is_taken() -> None:
    async with endpoint(answering) as peer:
        pool = Connections(ADDRESS, peer.port)
        one, other = await exchange(pool), await exchange(pool)
        pool.release(one.connection)
        pool.release(other.connection)
        assert await pool.acquire(once=False) is other.connection
        pool.close()


@on_both_loops
async def test_a_connection_whose_answer_was_not_read_to_its_end_is_cut() -> None:
    async def half(line: Line) -> None:
        await line.request()
        line.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok")
        await line.ended()

    async with endpoint(half) as peer:
        pool = Connections(ADDRESS, peer.port)
        pool.release((await exchange(pool)).connection)
        await peer.lines[0].gone.wait()
        await until(lambda: pool.open == 0)


@on_both_loops
async def test_what_an_endpoint_says_unasked_ends_the_connection() -> None:
    async def talking(line: Line) -> None:
        await line.request()
        line.writer.write(OK)
        await said.wait()
        line.writer.write(OK)
        await line.ended()

    said = asyncio.Event()
    async with endpoint(talking) as peer:
        pool = Connections(ADDRESS, peer.port)
        await call(pool)
        said.set()
        await peer.lines[0].gone.wait()
        await until(lambda: (pool.open, pool.idle) == (0, 0))


@on_both_loops
async def test_a_connection_that_the_endpoint_closed_is_gone() -> None:
    async def once(line: Line) -> None:
        await line.request()
        line.writer.write(OK)

    async with endpoint(once) as peer:
        pool = Connections(ADDRESS, peer.port)
        assert await call(pool) == b"ok"
        await until(lambda: pool.open == 0)
        assert await call(pool, once=True) == b"ok"
        assert len(peer.lines) == 2


class ClosingUnseen:
    """An endpoint on a thread, so that it closes its first connection while the pool's loop is held up."""

    def __init__(self) -> None:
        self._listener = socket.create_server((ADDRESS, 0))
        self.port = self._listener.getsockname()[1]
        self.close, self.closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        first, _ = self._listener.accept()
        first.recv(65536)
        first.sendall(OK)
        self.close.wait()
        first.close()
        self.closed.set()
        second, _ = self._listener.accept()
        second.recv(65536)
        second.sendall(OK)
        second.recv(65536)
        second.close()

    def close_now(self) -> None:
        """Close, and come back before the loop has turned."""
        self.close.set()
        assert self.closed.wait(10)

    async def end(self) -> None:
        await asyncio.to_thread(self._thread.join, 10)
        self._listener.close()


@on_both_loops
async def test_a_request_that_must_not_be_sent_twice_never_goes_to_a_connection_closed_behind_the_loops_back() -> None:
    peer = ClosingUnseen()
    pool = Connections(ADDRESS, peer.port)
    assert await call(pool) == b"ok"
    peer.close_now()
    assert await call(pool, once=True) == b"ok"
    pool.close()
    await peer.end()


@on_both_loops
async def test_a_request_that_may_be_sent_twice_is_lost_with_such_a_connection_and_not_repeated_here() -> None:
    peer = ClosingUnseen()
    pool = Connections(ADDRESS, peer.port)
    assert await call(pool) == b"ok"
    peer.close_now()
    with pytest.raises(Lost):
        await call(pool, once=False)
    assert await call(pool) == b"ok"
    pool.close()
    await peer.end()


@on_both_loops
async def test_there_are_never_more_connections_than_allowed_and_who_waits_is_served_in_turn() -> None:
    async with endpoint(answering) as peer:
        pool, served = Connections(ADDRESS, peer.port, most=2), list[int]()

        async def one(number: int) -> None:
            response = await exchange(pool)
            served.append(number)
            assert pool.open <= 2
            await asyncio.sleep(0.001)
            pool.release(response.connection)

        await asyncio.gather(*(one(number) for number in range(20)))
        assert sorted(served[:2]) == [0, 1]
        assert served[2:] == list(range(2, 20))
        assert len(peer.lines) == 2
        pool.close()


@on_both_loops
async def test_who_gives_up_waiting_keeps_no_connection_from_the_others() -> None:
    async with endpoint(answering) as peer:
        pool = Connections(ADDRESS, peer.port, most=1)
        first = await exchange(pool)
        waiting = [asyncio.ensure_future(call(pool)) for _ in range(3)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()  # before it is its turn
        pool.release(first.connection)
        waiting[1].cancel()  # at the very moment at which it was
        assert await waiting[2] == b"ok"
        assert await call(pool) == b"ok"
        assert (pool.open, pool.idle, len(peer.lines)) == (1, 1, 1)
        pool.close()


@on_both_loops
async def test_the_place_of_a_lost_connection_is_for_who_waits() -> None:
    async with endpoint(answering) as peer:
        pool = Connections(ADDRESS, peer.port, most=1)
        first = await exchange(pool)
        waiting = asyncio.ensure_future(call(pool))
        await asyncio.sleep(0.01)
        first.connection.abort()
        assert await waiting == b"ok"
        assert (pool.open, len(peer.lines)) == (1, 2)
        pool.close()


@on_both_loops
async def test_a_call_that_is_cancelled_cuts_its_connection() -> None:
    async def silent(line: Line) -> None:
        await line.request()
        await line.ended()

    async with endpoint(silent) as peer:
        pool = Connections(ADDRESS, peer.port)
        waiting = asyncio.ensure_future(call(pool))
        await until(lambda: bool(peer.lines))
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        await peer.lines[0].gone.wait()
        await until(lambda: pool.open == 0)


@on_both_loops
async def test_a_connection_that_rests_too_long_is_ended_and_one_that_is_used_is_not() -> None:
    async with endpoint(answering) as peer:
        pool = Connections(ADDRESS, peer.port, idle_seconds=1.0)
        used, unused = await exchange(pool), await exchange(pool)
        pool.release(unused.connection)
        pool.release(used.connection)
        while not peer.lines[1].gone.is_set():
            await call(pool)
            await asyncio.sleep(0.01)
        assert (pool.open, peer.lines[0].gone.is_set()) == (1, False)
        await peer.lines[0].gone.wait()
        await until(lambda: (pool.open, pool.idle) == (0, 0))


@on_both_loops
async def test_a_closed_pool_ends_what_rests_now_and_what_works_when_it_has_done() -> None:
    async with endpoint(answering) as peer:
        pool = Connections(ADDRESS, peer.port)
        works, rests = await exchange(pool), await exchange(pool)
        pool.release(rests.connection)
        pool.close()
        await peer.lines[1].gone.wait()
        assert await works.read(2) == b"ok"
        pool.release(works.connection)
        await peer.lines[0].gone.wait()
        await until(lambda: (pool.open, pool.idle) == (0, 0))


@on_both_loops
async def test_a_refused_connection_is_said_to_be_none_and_takes_no_place() -> None:
    async with endpoint(answering) as peer:
        pool = Connections(ADDRESS, peer.port, most=1)
    for _ in range(2):
        with pytest.raises(NotConnected, match="ConnectionRefusedError"):
            await call(pool)
    assert pool.open == 0


async def test_an_endpoint_that_takes_too_long_to_connect_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(connections, "CONNECT_SECONDS", 0.01)
    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    pool = Connections(ADDRESS, 9, most=1)
    for _ in range(2):
        with pytest.raises(NotConnected, match="Timeout"):
            await call(pool)
    assert pool.open == 0


@on_both_loops
async def test_a_head_leaves_its_connection_in_step() -> None:
    async def heads(line: Line) -> None:
        await line.request()
        line.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n")
        await answering(line)

    async with endpoint(heads) as peer:
        pool = Connections(ADDRESS, peer.port)
        assert await call(pool, request=GET.replace(b"GET", b"HEAD")) == b""
        assert await call(pool) == b"ok"
        assert len(peer.lines) == 1
        pool.close()
