"""What is not taken is not read on, what does not go out is not waited for, and both are bounded."""

import asyncio
import contextlib
import socket
import struct

import pytest
from tests.unit.gateway.pool.peer import ADDRESS, GET, OK, Line, call, endpoint, exchange, on_both_loops, until

from hcs_services.gateway.pool import serialising
from hcs_services.gateway.pool.connection import HIGH_WATER
from hcs_services.gateway.pool.connections import Connections
from hcs_services.gateway.pool.failures import Broken, Lost, Malformed

pytestmark = pytest.mark.unit
ONE_READ = 256 * 1024
SIZE = 64 * 1024 * 1024
HUGE = serialising.request("POST", "/", [("Host", "x")], bytes(SIZE))


@on_both_loops
async def test_an_endpoint_is_read_no_further_than_the_client_takes() -> None:
    written = 0

    async def flooding(line: Line) -> None:
        nonlocal written
        await line.request()
        line.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % SIZE)
        while written < SIZE:
            line.writer.write(bytes(65536))
            written += 65536
            await line.writer.drain()
        await line.ended()

    async with endpoint(flooding) as peer:
        pool = Connections(ADDRESS, peer.port)
        response = await exchange(pool)
        before = -1
        while before != written:  # until a while passes without progress
            before = written
            await asyncio.sleep(0.2)
        assert written < SIZE / 4
        taken = 0
        while not response.at_end:
            piece = await response.piece()
            assert len(piece) <= HIGH_WATER + ONE_READ
            taken += len(piece)
            assert taken <= written
        assert taken == SIZE
        assert response.connection.in_step
        pool.release(response.connection)
        assert pool.idle == 1
        pool.close()


@on_both_loops
async def test_a_request_that_the_endpoint_does_not_take_is_dropped_with_its_connection() -> None:
    async def deaf(line: Line) -> None:
        await asked.wait()
        await line.ended()

    asked = asyncio.Event()
    async with endpoint(deaf, window=4096) as peer:
        pool = Connections(ADDRESS, peer.port)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await call(pool, request=HUGE)
        await until(lambda: pool.open == 0)
        asked.set()
        await peer.lines[0].gone.wait()


@on_both_loops
async def test_an_answer_that_comes_before_the_request_has_gone_out_is_given_on_and_ends_the_connection() -> None:
    async def hasty(line: Line) -> None:
        await line.request()
        line.writer.write(b"HTTP/1.1 413 Too Much\r\ncontent-length: 2\r\n\r\nno")
        await answered.wait()
        await line.ended()

    answered = asyncio.Event()
    async with endpoint(hasty, window=4096) as peer:
        pool = Connections(ADDRESS, peer.port)
        response = await exchange(pool, once=True, request=HUGE)
        assert (response.status, await response.read(2)) == (413, b"no")
        assert not response.connection.in_step
        pool.release(response.connection)
        await until(lambda: (pool.open, pool.idle) == (0, 0))
        answered.set()
        await peer.lines[0].gone.wait()


@on_both_loops
async def test_the_pieces_before_a_loss_are_given_on_and_then_the_loss() -> None:
    async def dying(line: Line) -> None:
        await line.request()
        line.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this")
        await line.writer.drain()
        line.writer.close()

    async with endpoint(dying) as peer:
        pool = Connections(ADDRESS, peer.port)
        response = await exchange(pool)
        await until(lambda: not response.connection.usable)
        assert await response.piece() == b"only this"
        assert not response.at_end
        with pytest.raises(Lost):
            await response.piece()


@on_both_loops
async def test_an_answer_that_turns_out_malformed_breaks_off_and_its_connection_is_not_kept() -> None:
    async def lying(line: Line) -> None:
        await line.request()
        line.writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n")
        await begun.wait()
        line.writer.write(b"xyz\r\n")
        await line.ended()

    begun = asyncio.Event()
    async with endpoint(lying) as peer:
        pool = Connections(ADDRESS, peer.port)
        response = await exchange(pool)
        assert await response.piece() == b"ok"
        begun.set()
        with pytest.raises(Malformed):
            await response.piece()
        await peer.lines[0].gone.wait()
        pool.release(response.connection)
        assert pool.idle == 0


@on_both_loops
async def test_a_document_larger_than_wanted_is_not_read_on() -> None:
    async def wordy(line: Line) -> None:
        await line.request()
        line.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % SIZE)
        with contextlib.suppress(ConnectionError):
            while True:
                line.writer.write(bytes(65536))
                await line.writer.drain()

    async with endpoint(wordy) as peer:
        pool = Connections(ADDRESS, peer.port)
        response = await exchange(pool)
        with pytest.raises(Broken, match="over 1000 bytes"):
            await response.read(1000)
        pool.release(response.connection)
        await until(lambda: pool.open == 0)


@on_both_loops
async def test_of_what_came_before_anybody_looked_nothing_is_given_on_if_it_turned_out_malformed() -> None:
    async def silent(line: Line) -> None:
        await line.ended()

    async with endpoint(silent) as peer:
        pool = Connections(ADDRESS, peer.port)
        connection = await pool.acquire(once=False)
        asking = asyncio.ensure_future(connection.ask(GET, to_head=False))
        await asyncio.sleep(0)
        connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n")
        connection.data_received(b"xyz\r\n")
        with pytest.raises(Malformed):
            await asking
        await until(lambda: pool.open == 0)


@pytest.mark.parametrize("reset", [False, True])
async def test_an_answer_of_no_told_length_ends_with_its_connection_but_not_with_a_reset(reset: bool) -> None:
    async def plain(line: Line) -> None:
        await line.request()
        line.writer.write(OK.replace(b"content-length: 2\r\n", b""))
        await seen.wait()
        if reset:
            line.writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        line.writer.transport.abort()

    seen = asyncio.Event()
    async with endpoint(plain) as peer:
        pool = Connections(ADDRESS, peer.port)
        response = await exchange(pool)
        assert not response.at_end
        seen.set()
        if reset:
            with pytest.raises(Lost):
                await response.read(2)
        else:
            assert await response.read(2) == b"ok"
        pool.release(response.connection)
        assert pool.idle == 0
