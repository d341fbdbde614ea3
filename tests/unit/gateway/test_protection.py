"""Limits and circuit breakers, seen from outside."""

import asyncio

import pytest
from tests.ports import free_port
from tests.unit.cache.played_redis import played
from tests.unit.gateway.loopback import Door, Got, Request, Service, answer, gateway, until

from hcs_services.gateway import metrics
from hcs_services.settings import Settings

pytestmark = pytest.mark.unit
ORDER = "/api/v1/orders/1"
BUSY = answer(b"{}", "503 Service Unavailable", Retry_After="1")
SMALL = {"capacity": 2, "refillPerSecond": 0.01}


async def calls(door: Door, times: int, path: str = ORDER, method: str = "GET", **headers: str) -> list[Got]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [await door.call(method, path, headers=named) for _ in range(times)]


async def test_over_its_quota_a_client_is_refused_and_told_when_to_return() -> None:
    service = Service(answer())
    async with gateway(service, rateLimit=SMALL) as door:
        first, _, third = await calls(door, 3)
    assert first.headers["ratelimit-policy"] == '"default";q=2;w=200'
    assert first.headers["ratelimit"] == '"default";r=1;t=0'
    assert (third.status, third.slug, third.problem["retryable"]) == (429, "rate-limited", True)
    assert 95 <= int(third.headers["retry-after"]) <= 100
    assert len(service.requests) == 2


async def test_each_gateway_of_two_grants_half() -> None:
    service = Service(answer())
    async with gateway(service, rateLimit={"capacity": 10, "refillPerSecond": 0.01}, replicas=2) as door:
        statuses = [got.status for got in await calls(door, 8)]
    assert statuses == [200] * 5 + [429] * 3


async def test_a_forged_address_does_not_help_against_the_limit() -> None:
    async with gateway(Service(answer()), rateLimit=SMALL) as door:
        statuses = [(await calls(door, 1, X_Forwarded_For=f"1.2.3.{n}"))[0].status for n in range(3)]
    assert statuses == [200, 200, 429]


async def test_behind_a_trusted_proxy_each_client_has_a_quota_of_its_own() -> None:
    service = Service(answer())
    async with gateway(service, rateLimit={**SMALL, "trustedProxies": ["127.0.0.0/8"]}) as door:
        one = await calls(door, 3, X_Forwarded_For="6.6.6.6, 198.51.100.1")
        two = await calls(door, 1, X_Forwarded_For="198.51.100.2")
    assert [got.status for got in [*one, *two]] == [200, 200, 429, 200]
    assert service.requests[0].headers["x-forwarded-for"] == "198.51.100.1, 127.0.0.1"


async def test_a_key_in_a_header_tells_clients_apart() -> None:
    async with gateway(Service(answer()), rateLimit={**SMALL, "key": "header:X-Api-Key"}) as door:
        one = await calls(door, 3, X_Api_Key="one")
        two = await calls(door, 1, X_Api_Key="two")
        none = await calls(door, 3)
    assert [got.status for got in [*one, *two, *none]] == [200, 200, 429, 200, 200, 200, 429]


async def test_a_limit_that_is_off_limits_nobody() -> None:
    async with gateway(Service(answer()), rateLimit={**SMALL, "enabled": False}) as door:
        got = await calls(door, 5)
    assert {each.status for each in got} == {200}
    assert "ratelimit" not in got[0].headers


async def test_without_its_redis_a_route_of_global_scope_grants_this_gateways_share() -> None:
    settings = Settings(tier="gateway", limits_url=f"redis://127.0.0.1:{free_port()}/0")
    limit = {"capacity": 10, "refillPerSecond": 0.01, "scope": "global"}
    async with gateway(Service(answer()), rateLimit=limit, replicas=2, settings=settings) as door:
        statuses = [got.status for got in await calls(door, 8)]
        assert metrics.ALONE._value.get() == 1
    assert statuses == [200] * 5 + [429] * 3


async def test_each_route_counts_in_its_own_scope() -> None:
    routes = [
        {"methods": ["GET"], "path": "/one", "upstream": "write-api", "limitScope": "global"},
        {"methods": ["GET"], "path": "/all", "upstream": "write-api"},
    ]
    async with played() as redis:
        redis.loaded = True
        redis.script_reply = b"*2\r\n:0\r\n$3\r\n0.5\r\n"
        settings = Settings(tier="gateway", limits_url=redis.url)
        async with gateway(Service(answer()), rateLimit=SMALL, routes=routes, settings=settings) as door:
            one, everybody = await calls(door, 3, "/one"), await calls(door, 3, "/all")
            asked = [command for command in redis.received if command[3] == b"bucket:4\x7f\x00\x00\x01"]
    assert [got.status for got in one] == [429] * 3
    assert one[0].headers["ratelimit"] == '"default";r=0;t=50'
    assert len(asked) == 1  # Redis can only refuse for 50 s from then on
    assert [got.status for got in everybody] == [200, 200, 429]


async def test_a_failing_route_is_cut_off_and_says_so_at_once() -> None:
    service = Service(BUSY)
    async with gateway(service, circuitBreaker={"minRequests": 4, "openFor": 60}) as door:
        got = await calls(door, 6)
    assert [each.status for each in got] == [503] * 6
    assert len(service.requests) == 4
    assert (got[5].slug, got[5].headers["retry-after"]) == ("circuit-open", "60")


async def test_another_route_of_the_same_service_is_not_cut_off() -> None:
    service = Service(BUSY)
    async with gateway(service, circuitBreaker={"minRequests": 4, "openFor": 60}) as door:
        await calls(door, 6)
        service.reply = answer()
        other = await calls(door, 1, "/api/v1/orders", "POST")
    assert other[0].status == 200


async def test_a_route_that_is_well_again_is_opened_again() -> None:
    service = Service(BUSY)
    breaker = {"minRequests": 4, "openFor": 0.2, "halfOpenProbes": 2}
    async with gateway(service, circuitBreaker=breaker) as door:
        await calls(door, 5)
        service.reply = answer()
        async with asyncio.timeout(10):
            well = 0
            while well < 10:  # in a row: no share is held back any more
                well = well + 1 if (await calls(door, 1))[0].status == 200 else 0


async def test_a_keyed_write_waits_for_a_service_that_is_busy_and_is_then_answered() -> None:
    service = Service(BUSY)
    async with gateway(service, circuitBreaker={"minRequests": 4, "openFor": 60}) as door:
        await calls(door, 4, "/api/v1/orders", "POST")
        order = asyncio.ensure_future(door.call("POST", "/api/v1/orders", headers={"Idempotency-Key": "k"}))
        others = await calls(door, 2, "/api/v1/orders", "POST")
        assert not order.done()
        service.reply = answer(b"{}", "201 Created")
        got = await order
    assert [each.slug for each in others] == ["circuit-open"] * 2
    assert got.status == 201
    assert [request.headers.get("idempotency-key") for request in service.requests] == [None] * 4 + ["k"] * (
        len(service.requests) - 4
    )


async def test_a_client_that_hangs_up_while_it_is_held_is_held_no_longer() -> None:
    service = Service(BUSY)
    held = metrics.HELD.labels("write-api")
    async with gateway(service, circuitBreaker={"minRequests": 4, "openFor": 60}) as door:
        await calls(door, 4, "/api/v1/orders", "POST")
        order = asyncio.ensure_future(door.call("POST", "/api/v1/orders", headers={"Idempotency-Key": "k"}))
        await until(lambda: held._value.get() == 1)
        order.cancel()
        await until(lambda: held._value.get() == 0)


async def test_a_503_that_states_a_lasting_fact_does_not_open_the_circuit() -> None:
    service = Service(answer(b"{}", "503 Service Unavailable"))
    async with gateway(service, circuitBreaker={"minRequests": 4}) as door:
        await calls(door, 10)
    assert len(service.requests) == 10


async def test_a_client_in_a_hurry_cannot_open_the_circuit_for_others() -> None:
    async def slowly(_request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with gateway(Service(slowly), circuitBreaker={"minRequests": 4}) as door:
        hasty = await calls(door, 8, X_Request_Timeout="5")
        patient = await calls(door, 1)
    assert {got.status for got in hasty} == {504}
    assert patient[0].status == 200


async def test_an_endpoint_that_keeps_failing_is_left_out() -> None:
    failing, well = Service(BUSY), Service(answer())
    async with gateway(failing, well, circuitBreaker={"failureRatio": 1}) as door:
        await calls(door, 60)
    assert 3 <= len(failing.requests) <= 6
    assert len(well.requests) >= 54


async def test_an_endpoint_that_hangs_is_left_out() -> None:
    async def hang(_request: Request, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    hanging, well = Service(hang), Service(answer())
    async with gateway(hanging, well, circuitBreaker={"slowCall": 0.05, "failureRatio": 1, "slowRatio": 1}) as door:
        await calls(door, 30, X_Request_Timeout="100")
    assert len(hanging.requests) == 3


async def test_endpoints_follow_dns() -> None:
    one, two = Service(answer(b"one")), Service(answer(b"two"))
    async with gateway(one, two) as door:
        door.dns["write-api"] = {two.address}
        await settled(door, b"two")
        door.dns["write-api"] = {one.address}
        await settled(door, b"one")


async def test_endpoints_stay_while_dns_is_away() -> None:
    async with gateway(Service(answer())) as door:
        door.dns["write-api"] = None
        asked = len(door.lookups)
        await until(lambda: len(door.lookups) > asked + 2)
        assert (await door.call("GET", ORDER)).status == 200


async def test_an_endpoint_that_leaves_dns_finishes_its_calls() -> None:
    rest = asyncio.Event()

    async def reply(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
        if request.line.startswith("GET"):
            await rest.wait()
        writer.write(b"done")

    service = Service(reply)
    async with gateway(service) as door:
        call = asyncio.ensure_future(door.call("GET", ORDER))
        await until(lambda: bool(service.requests))
        door.dns["write-api"] = set()
        async with asyncio.timeout(10):
            while (await door.call("POST", "/api/v1/orders")).status != 503:
                pass
        rest.set()
        assert (await call).body == b"done"
        await until(service.lost.is_set)  # the pool of a retired endpoint closes with its last call


async def settled(door: Door, body: bytes) -> None:
    """Wait until every call is answered so."""
    async with asyncio.timeout(10):
        while {(await door.call("GET", ORDER)).body for _ in range(8)} != {body}:
            pass
