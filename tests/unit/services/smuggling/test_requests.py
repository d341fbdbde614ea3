"""What the gateway forwards is what it parsed: a corpus of requests that two parsers might read differently."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from tests.unit.gateway.loopback import DEADLINE, Door, gateway
from tests.unit.services.smuggling import chunks, fields, lengths, targets
from tests.unit.services.smuggling import connections as requests_in_a_row
from tests.unit.services.smuggling.client import Answer, at_once, by_the_byte, read_answer
from tests.unit.services.smuggling.corpus import Answered, Case, Cut, Forwarded, Refused, goes_on
from tests.unit.services.smuggling.recorder import Recorder

from hcs_services import http_protocol
from hcs_services.gateway.pool import connections

pytestmark = pytest.mark.unit
CORPUS = [*lengths.CASES, *chunks.CASES, *fields.CASES, *targets.CASES, *requests_in_a_row.CASES]
NEXT = b"GET /api/v1/orders/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
NEXT_FORWARDED = goes_on("GET /api/v1/orders/next")
Deliver = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
PATIENCE = 3 * DEADLINE


class Client:
    """One connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answers(self, requests: tuple[bytes, ...]) -> None:
        """Read one answer to each of the requests, in their order."""
        for request in requests:
            await self.answer_to(request)

    async def answer_to(self, request: bytes) -> None:
        line = request.partition(b"\r\n")[0]
        head = line.startswith(b"HEAD ")
        answer = await read_answer(self.reader, head=head)
        assert answer is not None
        assert (answer.status, answer.body) == (200, b"" if head else line)

    async def is_in_step(self) -> None:
        """Send one more request; its answer is the next thing that comes, and the last."""
        self.writer.write(NEXT)
        await self.answer_to(NEXT_FORWARDED)
        await self.is_over()

    async def is_over(self) -> None:
        assert await self.reader.read() == b""


async def refused(client: Client, status: int) -> None:
    answer = await read_answer(client.reader)
    assert answer is not None
    assert_problem(answer, status)
    assert answer.closes
    await client.is_over()


def assert_problem(answer: Answer, status: int) -> None:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body)["status"] == status


async def cut(client: Client, requests: tuple[bytes, ...]) -> int:
    """Read to the end; return how many of the requests were answered before it."""
    answered = 0
    while (answer := await read_answer(client.reader)) is not None:
        if answer.status != 200:
            assert_problem(answer, 400)
            assert answer.closes
            await client.is_over()
            break
        assert answer.body == requests[answered].partition(b"\r\n")[0]
        answered += 1
    return answered


async def elsewhere(door: Door) -> None:
    """A request on a connection of its own: what was to follow the case has followed by then."""
    client = Client(*await asyncio.open_connection("127.0.0.1", door.port))
    await client.is_in_step()
    client.writer.close()


async def outcome(door: Door, case: Case, deliver: Deliver) -> list[bytes]:
    """Play a case; return what the upstream may have received by then."""
    client = Client(*await asyncio.open_connection("127.0.0.1", door.port))
    await deliver(client.writer, case.sent)
    match case.verdict:
        case Forwarded(requests, closes):
            await client.answers(requests)
            await (client.is_over() if closes else client.is_in_step())
            forwarded = [requests if closes else (*requests, NEXT_FORWARDED)]
        case Answered(status):
            answer = await read_answer(client.reader)
            assert answer is not None
            assert answer.status == status
            await client.is_in_step()
            forwarded = [(NEXT_FORWARDED,)]
        case Refused(status):
            await refused(client, status)
            forwarded = [()]
        case Cut(requests):
            answered = await cut(client, requests)
            forwarded = [requests[:answered], requests[: answered + 1]]  # one may have been under way
    client.writer.close()
    await elsewhere(door)
    return [b"".join([*requests, NEXT_FORWARDED]) for requests in forwarded]


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
async def test_what_is_forwarded_is_what_was_parsed(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    # Client, gateway and upstream share a loop: were that held up for the time of the linger, the answer would go with
    # it; for the time to connect, the gateway would answer that nobody took its connection.
    monkeypatch.setattr(http_protocol, "LINGER_SECONDS", PATIENCE)
    monkeypatch.setattr(connections, "CONNECT_SECONDS", PATIENCE)
    recorder = Recorder()
    async with asyncio.timeout(PATIENCE), gateway(recorder) as door:
        for deliver in (at_once, by_the_byte) if case.splits else (at_once,):
            expected = await outcome(door, case, deliver)
            assert recorder.take() in expected, deliver.__name__
    assert recorder.take() == b""


def test_the_corpus_has_no_two_cases_of_one_name_and_each_says_whose_word_it_takes() -> None:
    assert len({case.name for case in CORPUS}) == len(CORPUS) > 100
    assert all(case.cites for case in CORPUS)
