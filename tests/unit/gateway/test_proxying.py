"""What goes through the gateway, and what becomes of it when a service fails."""

import asyncio
import time

import pytest
from tests.unit.gateway.loopback import Request, Service, answer, gateway, hang_up, until

from hcs_services.gateway import metrics, proxy

pytestmark = pytest.mark.unit
ORDER = "/api/v1/orders/1"


async def test_a_request_reaches_its_service_whole() -> None:
    service = Service(answer())
    async with gateway(service) as door:
        await door.call("POST", "/api/v1/orders?x=%20a&y", data=b'{"a":1}', headers={"If-Match": '"7"'})
    request = service.requests[0]
    assert request.line == "POST /api/v1/orders?x=%20a&y HTTP/1.1"
    assert request.body == b'{"a":1}'
    assert request.headers["if-match"] == '"7"'
    assert request.headers["host"] == f"write-api:{service.port}"


@pytest.mark.parametrize(
    "target", ["%6Frders/a%20b%7e", "orders/a!$&'()*+,;=:@|^`{}%7C", 'orders/1?x=[]&y="%23|?/..//']
)
async def test_a_target_is_forwarded_as_it_was_written(target: str) -> None:
    service = Service(answer())
    async with gateway(service) as door:
        await door.raw(f"GET /api/v1/{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert service.requests[0].line == f"GET /api/v1/{target} HTTP/1.1"


async def test_an_answer_comes_back_whole() -> None:
    service = Service(answer(b'{"b":2}', "201 Created", ETag='"8"', Location="/api/v1/orders/9", Age="3"))
    async with gateway(service) as door:
        got = await door.call("POST", "/api/v1/orders", data=b"{}")
    assert (got.status, got.body) == (201, b'{"b":2}')
    assert {got.headers[name] for name in ("etag", "location", "age")} == {'"8"', "/api/v1/orders/9", "3"}


async def test_head_is_forwarded_as_head() -> None:
    async def reply(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n")

    service = Service(reply)
    async with gateway(service) as door:
        got = await door.call("HEAD", ORDER)
    assert (got.status, got.headers["content-length"], got.body) == (200, "50", b"")
    assert service.requests[0].line.startswith("HEAD ")


async def test_a_304_has_no_body_and_keeps_its_tag() -> None:
    async def reply(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 304 Not Modified\r\netag: "7"\r\n\r\n')

    async with gateway(Service(reply)) as door:
        got = await door.call("GET", ORDER, headers={"If-None-Match": '"7"'})
    assert (got.status, got.headers["etag"], got.body) == (304, '"7"', b"")


async def test_a_trace_and_a_request_id_go_through() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    service = Service(answer())
    async with gateway(service) as door:
        headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "X-Request-Id": "mine"}
        got = await door.call("GET", ORDER, headers=headers)
    assert got.headers["x-request-id"] == "mine"
    assert service.requests[0].headers["x-request-id"] == "mine"
    assert service.requests[0].headers["traceparent"].split("-")[1] == trace
    assert service.requests[0].headers["traceparent"].split("-")[2] != "b7ad6b7169203331"


async def test_the_callers_deadline_is_lowered_for_the_service() -> None:
    service = Service(answer())
    async with gateway(service) as door:
        await door.call("GET", ORDER, headers={"X-Request-Timeout": "2000"})
        await door.call("GET", ORDER)
    given, default = (int(request.headers["x-request-timeout"]) for request in service.requests)
    assert 1500 < given < 2000
    assert 14_000 < default < 15_000


async def test_an_answer_is_streamed_while_the_service_still_writes() -> None:
    rest = asyncio.Event()

    async def reply(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await rest.wait()
        writer.write(b"4\r\nlast\r\n0\r\n\r\n")

    async with gateway(Service(reply)) as door, door.session.get(f"http://127.0.0.1:{door.port}{ORDER}") as response:
        assert await response.content.readany() == b"first"
        rest.set()
        assert await response.content.read() == b"last"


async def test_a_client_that_does_not_read_stops_the_service() -> None:
    size, written = 200 * 1024 * 1024, 0

    async def reply(_request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while written < size:
            writer.write(bytes(65536))
            written += 65536
            await writer.drain()

    async with gateway(Service(reply)) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port, limit=1024)
        writer.write(b"GET /api/v1/orders/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        before = -1
        while before != written:  # until a while passes without progress
            before = written
            await asyncio.sleep(0.3)
        writer.close()
    assert 0 < written < size / 4


@pytest.mark.parametrize(("stalled", "blamed"), [("client", 0), ("service", 1)])
async def test_only_a_service_is_blamed_for_an_answer_that_stalls(
    monkeypatch: pytest.MonkeyPatch, stalled: str, blamed: int
) -> None:
    monkeypatch.setattr(proxy, "STALL_SECONDS", 0.2)

    async def reply(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
        while stalled == "client":
            writer.write(bytes(65536))
            await writer.drain()
        await asyncio.sleep(60)

    service, broke_off = Service(reply), metrics.CALLS.labels("write-api", "broke-off")
    before = broke_off._value.get()
    async with gateway(service) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port, limit=1024)
        writer.write(b"GET /api/v1/orders/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(service.lost.is_set)
        writer.close()
    assert broke_off._value.get() - before == blamed


async def test_a_service_that_dies_in_an_answer_of_known_length_leaves_it_short() -> None:
    async def reply(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this")
        writer.close()

    async with gateway(Service(reply)) as door:
        got = await door.raw(b"GET /api/v1/orders/1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"content-length: 100" in got
    assert got.endswith(b"\r\n\r\nonly this")


async def test_a_service_that_dies_in_a_chunked_answer_gets_no_false_end() -> None:
    async def reply(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n")
        writer.close()

    async with gateway(Service(reply)) as door:
        got = await door.raw(b"GET /api/v1/orders/1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got.endswith(b"9\r\nonly this\r\n")


@pytest.mark.parametrize("requests", [1, 2])
async def test_a_client_that_leaves_ends_the_call(requests: int) -> None:
    async def reply(_request: Request, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    service = Service(reply)
    async with gateway(service) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(b"GET /api/v1/orders/1 HTTP/1.1\r\nHost: x\r\n\r\n" * requests)
        await until(lambda: bool(service.requests))
        writer.close()
        await until(service.lost.is_set)


async def test_an_expired_deadline_is_a_504() -> None:
    async def reply(_request: Request, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    service, begun = Service(reply), time.monotonic()
    async with gateway(service) as door:
        got = await door.call("POST", "/api/v1/orders", headers={"X-Request-Timeout": "200"})
        await until(service.lost.is_set)
    assert (got.status, got.slug, got.problem["retryable"]) == (504, "upstream-timeout", False)
    assert got.headers["retry-after"] == "1"
    assert time.monotonic() - begun < 5


async def test_a_change_never_meets_a_connection_that_its_service_has_closed() -> None:
    async def reply(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()  # without a word before

    service = Service(reply)
    async with gateway(service) as door:
        got = [await door.call("PATCH", ORDER, headers={"If-Match": '"7"'}) for _ in range(20)]
    assert {each.status for each in got} == {200}
    assert len(service.requests) == 20


async def test_an_endpoint_that_dns_no_longer_names_keeps_no_idle_connection() -> None:
    service = Service(answer())
    async with gateway(service) as door:
        await door.call("GET", ORDER)
        assert not service.lost.is_set()
        door.dns["write-api"] = set()
        await until(service.lost.is_set)


async def test_a_stopped_gateway_keeps_no_connection() -> None:
    service = Service(answer())
    async with gateway(service) as door:
        await door.call("GET", ORDER)
        await door.tier.stop()
        await until(service.lost.is_set)


async def test_without_an_endpoint_the_answer_is_503() -> None:
    async with gateway() as door:
        got = await door.call("GET", ORDER)
    assert (got.status, got.slug, got.headers["retry-after"]) == (503, "upstream-unavailable", "1")


async def test_a_refused_connection_is_a_503() -> None:
    service = Service(answer())
    async with gateway(service) as door:
        await service.stop()
        got = await door.call("POST", "/api/v1/orders")
    assert (got.status, got.slug, got.problem["retryable"]) == (503, "upstream-unavailable", True)


async def test_a_refused_connection_is_tried_at_another_endpoint() -> None:
    alive = Service(answer())
    async with gateway(alive, also_dns={"127.0.0.9"}) as door:
        statuses = {(await door.call("POST", "/api/v1/orders")).status for _ in range(20)}
    assert statuses == {200}
    assert len(alive.requests) == 20


@pytest.mark.parametrize(("method", "headers"), [("GET", {}), ("POST", {"Idempotency-Key": "k"})])
async def test_a_lost_call_that_may_be_repeated_is_tried_at_another_endpoint(
    method: str, headers: dict[str, str]
) -> None:
    dying, well = Service(hang_up), Service(answer(b"well"))
    path = ORDER if method == "GET" else "/api/v1/orders"
    async with gateway(dying, well) as door:
        got = []
        while not dying.requests:  # which of the two is called first is drawn
            got.append(await door.call(method, path, headers=headers, data=b"body"))
    assert {(each.status, each.body) for each in got} == {(200, b"well")}
    assert {request.body for request in [*dying.requests, *well.requests]} == {b"body"}


async def test_a_lost_call_without_a_key_is_made_once_and_answered_502() -> None:
    dying = [Service(hang_up), Service(hang_up)]
    async with gateway(*dying) as door:
        got = await door.call("POST", "/api/v1/orders")
    assert (got.status, got.slug, got.problem["retryable"]) == (502, "bad-gateway", False)
    assert sum(len(service.requests) for service in dying) == 1


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_lost_conditional_change_is_never_made_twice(method: str) -> None:
    dying = [Service(hang_up), Service(hang_up)]
    async with gateway(*dying) as door:
        got = await door.call(method, ORDER, headers={"If-Match": '"7"'})
    assert (got.status, got.problem["retryable"]) == (502, False)
    assert sum(len(service.requests) for service in dying) == 1


async def test_a_second_loss_is_the_answer_where_there_is_no_time_to_wait() -> None:
    dying = [Service(hang_up), Service(hang_up), Service(hang_up)]
    fields = {"Idempotency-Key": "k", "X-Request-Timeout": "1500"}
    async with gateway(*dying) as door:
        got = await door.call("POST", "/api/v1/orders", headers=fields)
    assert (got.status, got.slug, got.problem["retryable"]) == (502, "bad-gateway", True)
    assert sum(len(service.requests) for service in dying) == 2


async def test_a_route_may_forbid_second_tries() -> None:
    dying = [Service(hang_up), Service(hang_up)]
    async with gateway(*dying) as door:
        got = await door.call("POST", "/api/v1/products", headers={"Idempotency-Key": "k"})
    assert got.status == 502
    assert sum(len(service.requests) for service in dying) == 1


async def test_second_tries_end_with_their_budget() -> None:
    dying = [Service(hang_up) for _ in range(6)]
    async with gateway(*dying, circuitBreaker={"minRequests": 1000}) as door:
        for _ in range(40):
            await door.call("GET", ORDER)
    calls = sum(len(service.requests) for service in dying)
    assert 40 + 10 <= calls <= 40 + 10 + 40 * 0.2
