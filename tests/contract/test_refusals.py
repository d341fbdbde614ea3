"""What the door itself must refuse, sent to the gateway at HCS_GATEWAY_URL: answered, and closed."""

import asyncio
import os
from contextlib import suppress

import pytest
from tests.contract.refusals import REFUSED
from yarl import URL

from hcs_services.problem import PROBLEMS

pytestmark = pytest.mark.cluster
DOOR = URL(os.environ.get("HCS_GATEWAY_URL", "http://127.0.0.1:8080"))
SECONDS = 30.0


@pytest.mark.parametrize("name", REFUSED)
async def test_the_door_answers_and_closes(name: str) -> None:
    request, slug = REFUSED[name]
    answer = await exchanged(request)
    assert answer.startswith(b"HTTP/1.1 %d " % PROBLEMS[slug].status), answer[:500]
    assert b"application/problem+json" in answer
    assert f'"/problems/{slug}"'.encode() in answer, answer[:500]
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
