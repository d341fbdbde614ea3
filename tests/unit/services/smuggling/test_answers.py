"""Whatever an upstream answers, a client gets one sound answer, a 502, or one that is visibly cut off."""

import asyncio
import json

import pytest
from tests.unit.gateway.loopback import DEADLINE, Request, gateway
from tests.unit.services.smuggling import client
from tests.unit.services.smuggling.answers import REPLIES, Broken, Reply, Whole
from tests.unit.services.smuggling.client import Answer, read_answer
from tests.unit.services.smuggling.recorder import END, Recorder, tell

pytestmark = pytest.mark.unit
NEXT = b"GET /api/v1/orders/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Upstream(Recorder):
    """Gives the scripted reply to the first request, and sound ones to all others."""

    def __init__(self, script: Reply) -> None:
        super().__init__(reply=self._reply)
        self.script = script
        self.header_is_out = asyncio.Event()

    async def _reply(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if len(self.requests) > 1:
            await tell(request, writer)
            return
        first, *others = self.script.pieces
        writer.write(first)
        for piece in others:
            await self.header_is_out.wait()
            writer.write(piece)
        if self.script.hangs_up:
            writer.close()


def assert_whole(answer: Answer, expected: Whole) -> None:
    assert (answer.status, answer.body) == (expected.status, expected.body)
    assert "connection" not in answer.headers
    for name, value in expected.fields:
        assert answer.headers.get(name, "") == value


def assert_bad_gateway(answer: Answer, *, head: bool) -> None:
    assert answer.status == 502
    assert answer.headers["content-type"] == "application/problem+json"
    assert head or json.loads(answer.body)["type"] == "/problems/bad-gateway"


async def assert_broken(reader: asyncio.StreamReader, upstream: Upstream) -> None:
    begun = await reader.readuntil(END)
    upstream.header_is_out.set()
    whole = asyncio.StreamReader()
    whole.feed_data(begun + await reader.read())
    whole.feed_eof()
    with pytest.raises(client.Broken):
        await read_answer(whole)


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.name)
async def test_a_client_gets_one_sound_answer_a_502_or_a_visible_end(reply: Reply) -> None:
    upstream, head = Upstream(reply), reply.method == "HEAD"
    async with asyncio.timeout(3 * DEADLINE), gateway(upstream) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(reply.method.encode() + b" /api/v1/orders/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        if isinstance(reply.verdict, Broken):
            await assert_broken(reader, upstream)
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        else:
            answer = await read_answer(reader, head=head)
            assert answer is not None
            if isinstance(reply.verdict, Whole):
                assert_whole(answer, reply.verdict)
            else:
                assert_bad_gateway(answer, head=head)
        reused = isinstance(reply.verdict, Whole) and reply.verdict.reused
        if not reused:
            await upstream.lost.wait()
        writer.write(NEXT)
        following = await read_answer(reader)
        assert following is not None
        assert (following.status, following.body) == (200, b"GET /api/v1/orders/next HTTP/1.1")
        assert await reader.read() == b""
        writer.close()
    assert [each.count(b" HTTP/1.1\r\n") for each in upstream.connections] == ([2] if reused else [1, 1])


def test_each_reply_has_a_name_of_its_own_and_says_whose_word_it_takes() -> None:
    assert len({reply.name for reply in REPLIES}) == len(REPLIES) > 20
    assert all(reply.cites for reply in REPLIES)
