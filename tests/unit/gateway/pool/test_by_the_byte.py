"""The corpus of answers over sockets, a byte at a time: a sound one is whole, of the others none is taken for one."""

import asyncio

import pytest
from tests.unit.gateway.pool.peer import ADDRESS, GET, Line, endpoint, exchange, on_both_loops, until
from tests.unit.services.smuggling.answers import REPLIES, Reply, Whole

from hcs_services.gateway.pool.connections import Connections
from hcs_services.gateway.pool.failures import Broken

pytestmark = pytest.mark.unit
SHORT = [reply for reply in REPLIES if sum(map(len, reply.pieces)) < 1000]


async def said(reply: Reply, pool: Connections) -> tuple[int, bytes, bool] | None:
    """What a reply was taken for, and whether its connection is kept a moment later; None if it is broken."""
    request = GET.replace(b"GET", reply.method.encode())
    try:
        response = await exchange(pool, request=request)
        body = await response.read(1000)
    except Broken:
        await until(lambda: pool.open == 0)
        return None
    pool.release(response.connection)
    return response.status, body, pool.idle == 1


async def judged(reply: Reply, pool: Connections) -> None:
    got = await said(reply, pool)
    if isinstance(reply.verdict, Whole):
        assert got is not None, reply.name
        assert got[:2] == (reply.verdict.status, reply.verdict.body), reply.name
    if isinstance(reply.verdict, Whole) and reply.verdict.reused:
        assert got is not None and got[2], reply.name
    else:  # what is too much comes after an answer that was whole
        await until(lambda: pool.open == 0)


@on_both_loops
async def test_answers_that_come_by_the_byte() -> None:
    async def dripping(line: Line) -> None:
        await line.request()
        for byte in b"".join(reply.pieces):
            line.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        if not reply.hangs_up:
            await line.ended()

    for reply in SHORT:
        async with endpoint(dripping) as peer:
            pool = Connections(ADDRESS, peer.port)
            await judged(reply, pool)
            pool.close()
