"""What the gateway says itself: unknown routes, its health, its self-test, and the API's document."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.unit.gateway.loopback import ROUTES, Request, Service, answer, gateway, hang_up

from hcs_services.gateway import config, discovery, openapi
from hcs_services.gateway.config import ConfigError, GatewayConfig
from hcs_services.gateway.routing import Router

pytestmark = pytest.mark.unit


async def test_an_unknown_route_is_a_404() -> None:
    async with gateway(Service(answer())) as door:
        got = await door.call("GET", "/api/v1/nothing?secret=1")
    assert (got.status, got.slug, got.problem["instance"]) == (404, "route-not-found", "/api/v1/nothing")
    assert got.problem["trace_id"]
    assert got.headers["x-request-id"]


async def test_a_wrong_method_is_a_405_that_names_the_right_ones() -> None:
    service = Service(answer())
    async with gateway(service) as door:
        got = await door.call("PUT", "/api/v1/orders/1", data=b"{}")
    assert (got.status, got.slug, got.headers["allow"]) == (405, "method-not-allowed", "DELETE, GET, HEAD, PATCH")
    assert service.requests == []


async def test_a_connection_is_still_good_after_a_refused_request_with_a_body() -> None:
    async with gateway(Service(answer(b"fine"))) as door:
        got = await door.raw(
            b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
            b"GET /api/v1/orders/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
    assert got.startswith(b"HTTP/1.1 404")
    assert got.endswith(b"fine")


async def test_health_is_told_without_any_service() -> None:
    async with gateway() as door:
        got = await door.call("GET", "/healthz")
        assert (got.status, got.body) == (200, b'{"status":"ok"}')
        assert (await door.call("HEAD", "/healthz")).status == 200
        wrong = await door.call("POST", "/healthz")
        assert (wrong.status, wrong.headers["allow"]) == (405, "GET, HEAD")


async def test_a_stopping_gateway_is_unhealthy_and_still_serves() -> None:
    async with gateway(Service(answer())) as door:
        door.tier.admin.draining = True
        assert (await door.call("GET", "/healthz")).status == 503
        assert (await door.admin("/readyz"))[0] == 503
        assert (await door.call("GET", "/api/v1/orders/1")).status == 200


async def test_it_is_ready_whatever_its_services_do() -> None:
    async with gateway(Service(hang_up), circuitBreaker={"minRequests": 2, "openFor": 60}) as door:
        for _ in range(3):
            await door.call("GET", "/api/v1/orders/1")
        assert (await door.admin("/readyz"))[0] == 200
        status, result = await door.admin("/selftest")
    assert (status, result["ok"], result["reason"]) == (200, True, "Routing")
    assert result["data"]["open_breakers"] == 1
    assert result["data"]["endpoints_write_api"] == 1


async def test_metrics_name_routes_by_their_template() -> None:
    async with gateway(Service(answer())) as door:
        await door.call("GET", "/api/v1/orders/very-personal")
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await door.tier.admin({"type": "http", "method": "GET", "path": "/metrics", "headers": []}, None, send)
    text = sent[1]["body"].decode()
    assert (
        'hcs_http_requests_total{method="GET",route="/api/v1/orders/{order_id}",service="gateway",status="200"}' in text
    )
    assert "very-personal" not in text


def document(**paths: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {}, "paths": {path.replace("_", "/"): item for path, item in paths.items()}}


OPERATION = {"responses": {"200": {"description": "fine"}}}


async def test_a_services_document_is_handed_through_and_kept_for_a_while() -> None:
    service = Service(answer(json.dumps(document(_x={"get": OPERATION})).encode()))
    async with gateway(service) as door:
        got = [await door.call("GET", "/api/v1/openapi/write-api.json") for _ in range(3)]
    assert {each.status for each in got} == {200}
    assert json.loads(got[0].body)["paths"] == {"/x": {"get": OPERATION}}
    assert [request.line for request in service.requests] == ["GET /openapi.json HTTP/1.1"]


async def test_the_union_holds_what_the_gateway_routes() -> None:
    paths = {"_api_v1_orders": {"post": OPERATION, "get": OPERATION}, "_internal": {"get": OPERATION}}
    service = Service(answer(json.dumps(document(**paths)).encode()))
    async with gateway(service) as door:
        union = json.loads((await door.call("GET", "/api/v1/openapi/gateway.json")).body)
    assert {path: set(item) for path, item in union["paths"].items()} == {"/api/v1/orders": {"post"}}
    operation = union["paths"]["/api/v1/orders"]["post"]
    assert operation["x-service"] == "write-api"
    assert {"200", "413", "429", "503"} <= operation["responses"].keys()


@pytest.mark.parametrize("reply", [hang_up, answer(b"not json"), answer(b"[]"), answer(status="503 Busy")])
async def test_a_document_that_cannot_be_had_is_a_503(reply: Any) -> None:
    async with gateway(Service(reply)) as door:
        got = await door.call("GET", "/api/v1/openapi/gateway.json")
    assert (got.status, got.slug) == (503, "upstream-unavailable")


async def test_the_document_of_an_unknown_service_is_a_404() -> None:
    async with gateway(Service(answer())) as door:
        assert (await door.call("GET", "/api/v1/openapi/other.json")).status == 404


def test_components_that_differ_under_one_name_are_told_apart() -> None:
    def one(kind: str) -> dict[str, Any]:
        item = {"post": {"responses": {"200": {"$ref": "#/components/schemas/Thing"}}}}
        schemas = {"Thing": {"type": kind, "items": {"$ref": "#/components/schemas/Same"}}, "Same": {"type": "null"}}
        return {"paths": {f"/{kind}": item}, "components": {"schemas": schemas}}

    owners: Router[str] = openapi.owners([(["POST"], "/object", "a"), (["POST"], "/array", "b")])
    union = openapi.union({"a": one("object"), "b": one("array")}, owners)
    assert set(union["components"]["schemas"]) == {"Thing", "b.Thing", "Same"}
    assert union["paths"]["/object"]["post"]["responses"]["200"] == {"$ref": "#/components/schemas/Thing"}
    assert union["paths"]["/array"]["post"]["responses"]["200"] == {"$ref": "#/components/schemas/b.Thing"}


BASE = {"upstreams": {"write-api": {"host": "w"}}, "routes": ROUTES}


def test_a_whole_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**BASE, "replicas": 3, "rateLimit": {"trustedProxies": ["10.0.0.0/8", "::1"]}}))
    loaded = config.load(path)
    assert (loaded.replicas, loaded.rate_limit.capacity, loaded.circuit_breaker.open_for) == (3, 1000, 5.0)
    assert len(loaded.routes) == len(ROUTES)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"routes": [{"methods": ["GET"], "path": "/x", "upstream": "gone"}]}, "gone"),
        ({"routes": [{"methods": ["GET"], "path": "/healthz", "upstream": "write-api"}]}, "/healthz"),
        ({"routes": [{"methods": ["GET"], "path": "/api/v1/openapi/{x}", "upstream": "write-api"}]}, "openapi"),
        ({"routes": [*ROUTES, ROUTES[0]]}, "/api/v1/orders"),
        ({"routes": [{"methods": ["BREW"], "path": "/x", "upstream": "write-api"}]}, "routes.0.methods"),
        ({"rateLimit": {"capacty": 5}}, "rateLimit.capacty"),
        ({"rateLimit": {"trustedProxies": ["everyone"]}}, "rateLimit.trustedProxies"),
        ({"circuitBreaker": {"failureRatio": 1.5}}, "circuitBreaker.failureRatio"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_line(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**BASE, **change}))
    with pytest.raises(ConfigError) as refused:
        config.load(path)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        config.load(tmp_path / "config.json")


def test_a_gateway_of_no_replicas_still_has_a_share() -> None:
    assert GatewayConfig.model_validate({**BASE, "replicas": 0}).replicas == 1


async def test_a_name_is_resolved_to_its_addresses() -> None:
    assert await discovery.resolve("127.0.0.1", 80) == frozenset({"127.0.0.1"})


@pytest.mark.parametrize(("error", "empty"), [(socket.EAI_NONAME, True), (socket.EAI_AGAIN, False)])
async def test_no_address_and_no_answer_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, error: int, empty: bool
) -> None:
    async def fails(*_args: Any, **_options: Any) -> Any:
        raise socket.gaierror(error, "no")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fails, raising=False)
    if empty:
        assert await discovery.resolve("gone", 80) == frozenset()
    else:
        with pytest.raises(discovery.NoAnswer):
            await discovery.resolve("gone", 80)


async def test_a_forgotten_answer_is_closed_not_reused() -> None:
    async def twice(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")

    async with gateway(Service(twice)) as door:
        bodies = [(await door.call("GET", "/api/v1/orders/1")).body for _ in range(3)]
    assert bodies == [b"ok"] * 3
