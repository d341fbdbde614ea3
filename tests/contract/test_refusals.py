"""What the door itself must refuse, sent as bytes to the gateway at HCS_GATEWAY_URL: answered, and closed."""

import asyncio
import os
from contextlib import suppress

import pytest
from yarl import URL

pytestmark = pytest.mark.cluster
DOOR = URL(os.environ.get("HCS_GATEWAY_URL", "http://127.0.0.1:8080"))
GET = b"GET /api/v1/products/p HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /api/v1/products HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
SECONDS = 30.0

REFUSED = {
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00" + bytes(64), 400),
    "no Host": (b"GET /api/v1/products/p HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (GET + b"Host: y\r\n\r\n", 400),
    "a length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", 400),
    "a chunk without a size": (POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    "another coding": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    "a header that never ends": (GET, 408),
    "a body that never ends": (POST + b"Content-Length: 5\r\n\r\nab", 408),
    "a body over 64 KiB": (POST + b"Content-Length: 65537\r\n\r\n" + b"a" * 65_537, 413),
    "chunks over 64 KiB": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + b"a" * 4096 + b"\r\n") * 17,
        413,
    ),
    "a field over 16 KiB": (GET + b"X-Big: " + b"a" * 17_000 + b"\r\n\r\n", 431),
    "fields over 16 KiB": (GET + b"X-N: 1\r\n" * 2100 + b"\r\n", 431),
    "a path over 16 KiB": (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_the_door_answers_and_closes(name: str) -> None:
    request, status = REFUSED[name]
    answer = await exchanged(request)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:500]
    assert b"application/problem+json" in answer
    assert answer.count(b"\r\n\r\n") == 1


async def exchanged(request: bytes) -> bytes:
    """Return all that comes until the gateway closes."""
    assert DOOR.host is not None
    reader, writer = await asyncio.open_connection(DOOR.host, DOOR.port)
    writer.write(request)
    with suppress(ConnectionError):
        await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), SECONDS)
    finally:
        writer.close()
