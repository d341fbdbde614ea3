"""Bytes that are no decent request: what is answered, and that the connection ends."""

import asyncio
import json
from typing import Any

import pytest
from tests.unit.gateway.loopback import Door, Request, Service, answer, gateway, until

from hcs_services import http_protocol
from hcs_services.gateway import body

pytestmark = pytest.mark.unit
GET = b"GET /api/v1/orders/1 HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\n"
LIMIT = 64 * 1024


def problem(got: bytes) -> dict[str, Any]:
    """Return the problem of the last answer on a connection."""
    head, _, document = got.rpartition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert b"content-type: application/problem+json" in head
    parsed: dict[str, Any] = json.loads(document)
    assert head.rpartition(b"HTTP/1.1 ")[2].startswith(str(parsed["status"]).encode())
    assert len(parsed["trace_id"]) == 32
    return parsed


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), id="a TLS greeting"),
        pytest.param(b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", id="an unknown version"),
        pytest.param(b"FETCH / HTTP/1.1\r\nHost: x\r\n\r\n", id="an unknown method"),
        pytest.param(b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", id="a control character in the path"),
        pytest.param(b"GET /api/v1/orders/\xff HTTP/1.1\r\nHost: x\r\n\r\n", id="a byte that is not ASCII in the path"),
        pytest.param(b"CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n", id="a tunnel"),
        pytest.param(GET + b"no colon\r\n\r\n", id="a line that is no field"),
        pytest.param(GET + b"Bad Name: 1\r\n\r\n", id="a blank in a field's name"),
        pytest.param(GET + b"X-Note : 1\r\n\r\n", id="a blank before the colon"),
        pytest.param(GET + b"X-Note: a\x00b\r\n\r\n", id="a control character in a value"),
        pytest.param(GET + b"Host: y\r\n\r\n", id="two hosts"),
        pytest.param(b"GET /api/v1/orders/1 HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(
            POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="length and chunked"
        ),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", id="chunked and length"
        ),
        pytest.param(POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", id="two lengths"),
        pytest.param(POST + b"Content-Length: 3, 3\r\n\r\nabc", id="a list of lengths"),
        pytest.param(POST + b"Content-Length: -3\r\n\r\nabc", id="a negative length"),
        pytest.param(POST + b"Content-Length: +3\r\n\r\nabc", id="a signed length"),
        pytest.param(POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="another coding"),
        pytest.param(POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="an unknown coding"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", id="two codings"),
        pytest.param(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunked in HTTP/1.0"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", id="a chunk without a size"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n", id="a chunk over its size"),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n", id="a chunk's size that overflows"
        ),
    ],
)
async def test_a_malformed_request_is_a_400_and_reaches_no_service(request_bytes: bytes) -> None:
    service = Service(answer())
    async with gateway(service) as door:
        got = await door.raw(request_bytes)
    assert problem(got)["type"] == "/problems/malformed-request"
    assert got.count(b"HTTP/1.1 4") == 1
    assert service.requests == []


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(GET + b"X-Big: " + b"a" * 17_000 + b"\r\n\r\n", id="one big field"),
        pytest.param(GET + b"X-Endless: " + b"a" * 17_000, id="a field without an end"),
        pytest.param(GET + b"X-N: 1\r\n" * 2100 + b"\r\n", id="many fields"),
        pytest.param(b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", id="a long path"),
        pytest.param(GET + b"X-Huge: " + b"a" * 3_000_000 + b"\r\n\r\n", id="a huge field"),
    ],
)
async def test_a_header_over_16_kib_is_a_431(head: bytes) -> None:
    service = Service(answer())
    async with gateway(service) as door:
        got = await door.raw(head)
    assert problem(got)["type"] == "/problems/headers-too-large"
    assert service.requests == []


async def test_a_header_just_within_16_kib_goes_through() -> None:
    async with gateway(Service(answer())) as door:
        got = await door.call("GET", "/api/v1/orders/1", headers={"X-Big": "a" * 15_500})
    assert got.status == 200


async def test_a_declared_body_over_64_kib_is_a_413_before_it_is_sent() -> None:
    async with gateway(Service(answer())) as door:
        got = await door.raw(POST + b"Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n")
    assert problem(got)["type"] == "/problems/body-too-large"
    assert b"100 Continue" not in got


@pytest.mark.parametrize("size", [LIMIT + 1, 900_000])
async def test_a_body_over_64_kib_is_a_413(size: int) -> None:
    service = Service(answer())
    async with gateway(service) as door:
        got = await door.raw(POST + b"Content-Length: %d\r\n\r\n" % size, b"a" * size)
    assert problem(got)["type"] == "/problems/body-too-large"
    assert service.requests == []


async def test_a_chunked_body_over_64_kib_is_a_413() -> None:
    service = Service(answer())
    chunk = b"1000\r\n" + b"a" * 4096 + b"\r\n"
    async with gateway(service) as door:
        got = await door.raw(POST + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 40, b"0\r\n\r\n")
    assert problem(got)["type"] == "/problems/body-too-large"
    assert service.requests == []


async def test_a_body_of_64_kib_goes_through() -> None:
    service = Service(answer())
    async with gateway(service) as door:
        got = await door.call("POST", "/api/v1/orders", data=b"a" * LIMIT)
    assert got.status == 200
    assert service.requests[0].body == b"a" * LIMIT


async def test_a_chunked_body_arrives_with_its_length() -> None:
    service = Service(answer())
    async with gateway(service) as door:
        await door.raw(
            POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
    assert service.requests[0].body == b"abcde"
    assert "transfer-encoding" not in service.requests[0].headers


async def test_a_header_that_comes_too_slowly_is_a_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEADER_SECONDS", 0.1)
    async with gateway(Service(answer())) as door:
        got = await door.raw(GET)
    assert problem(got)["type"] == "/problems/request-timeout"


async def test_a_connection_without_a_request_is_closed_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEADER_SECONDS", 0.1)
    async with gateway(Service(answer())) as door:
        assert await door.raw() == b""


async def test_a_second_header_that_comes_too_slowly_is_a_408(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway(Service(answer(b"first"))) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(GET + b"\r\n")
        await reader.readuntil(b"first")
        monkeypatch.setattr(http_protocol, "HEADER_SECONDS", 0.1)
        writer.write(GET)
        got = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert problem(got)["type"] == "/problems/request-timeout"


async def test_a_body_that_comes_too_slowly_is_a_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "READ_SECONDS", 0.1)
    service = Service(answer())
    async with gateway(service) as door:
        got = await door.raw(POST + b"Content-Length: 5\r\n\r\nab")
    assert problem(got)["type"] == "/problems/request-timeout"
    assert service.requests == []


async def test_a_body_that_breaks_off_reaches_no_service() -> None:
    service = Service(answer())
    async with gateway(service) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(POST + b"Content-Length: 5\r\n\r\nab")
        await writer.drain()
        writer.close()
        await door.call("GET", "/api/v1/orders/1")
    assert [request.line.split()[0] for request in service.requests] == ["GET"]


async def test_requests_sent_at_once_are_answered_in_their_order() -> None:
    async def echo(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n" + request.line.split()[1][-1].encode())

    requests = [b"GET /api/v1/orders/%d HTTP/1.1\r\nHost: x\r\n" % number for number in range(5)]
    async with gateway(Service(echo)) as door:
        got = await door.raw(b"\r\n".join(requests) + b"Connection: close\r\n\r\n")
    assert [part[:1] for part in got.split(b"\r\n\r\n")[1:]] == [b"0", b"1", b"2", b"3", b"4"]


async def test_garbage_behind_a_request_never_gets_into_its_answer() -> None:
    rest = asyncio.Event()

    async def reply(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf")
        await rest.wait()
        writer.write(b"half")

    service = Service(reply)
    async with gateway(service) as door:
        call = asyncio.ensure_future(door.raw(GET + b"\r\n", b"\x00\x01garbage\r\n\r\n"))
        await until(lambda: bool(service.requests) or call.done())
        rest.set()
        got = await call
    assert b"malformed" not in got


async def test_an_upgrade_is_ignored() -> None:
    service = Service(answer(b"plain"))
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"
    async with gateway(service) as door:
        got = await door.raw(GET + upgrade, GET + b"Connection: close\r\n\r\n")
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert "upgrade" not in service.requests[0].headers
    assert "http2-settings" not in service.requests[0].headers


async def test_a_header_that_is_not_utf_8_is_a_400() -> None:
    async with gateway(Service(answer())) as door:
        got = await door.raw(GET + b"X-Note: caf\xe9\r\nConnection: close\r\n\r\n")
    assert problem(got)["type"] == "/problems/malformed-request"


async def test_a_refused_connection_does_not_hold_the_others_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEADER_SECONDS", 5.0)
    async with gateway(Service(answer())) as door:
        slow = [asyncio.ensure_future(asyncio.open_connection("127.0.0.1", door.port)) for _ in range(50)]
        writers = [writer for _, writer in await asyncio.gather(*slow)]
        for writer in writers:
            writer.write(GET)
        assert (await call(door)) == 200
        for writer in writers:
            writer.close()


async def call(door: Door) -> int:
    return (await door.call("GET", "/api/v1/orders/1")).status
