"""What the operator writes for the gateway is what the gateway reads."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_operator.api.routes import Route, contradiction
from hcs_operator.api.spec import Stack, parse_stack
from hcs_operator.build.context import Context
from hcs_operator.build.gateway import configuration
from hcs_services.gateway.config import GatewayConfig
from hcs_services.gateway.routing import Router, RoutingError

pytestmark = pytest.mark.unit


def read(**gateway: Any) -> GatewayConfig:
    metadata = {"name": "shop", "namespace": "shop", "uid": "1", "generation": 1, "resourceVersion": "1"}
    stack = parse_stack({"metadata": metadata, "spec": {"gateway": gateway}})
    assert isinstance(stack, Stack)
    return GatewayConfig.model_validate_json(json.dumps(configuration(stack, Context(images={}))))


def test_the_smallest_resource_makes_a_configuration_that_routes_the_reference_application() -> None:
    config = read()
    assert config.upstreams["write-api"].host.startswith("shop-write-api.shop.svc.")
    route = config.router().match("PATCH", b"/api/v1/orders/1")
    assert getattr(route, "upstream", None) == "write-api"


def test_durations_and_limits_arrive_as_they_were_meant() -> None:
    config = read(
        replicas=3,
        rateLimit={"capacity": 50, "refillPerSecond": 2.5, "key": "header:X-Api-Key", "trustedProxies": ["10.0.0.0/8"]},
        circuitBreaker={"window": "30s", "slowCall": "500ms", "openFor": "1m"},
        routes=[{"methods": ["GET"], "path": "/shop/{thing}", "upstream": "read-api", "retry": False, "cost": 5}],
    )
    breaker, limit = config.circuit_breaker, config.rate_limit
    assert (breaker.window, breaker.slow_call, breaker.open_for) == (30.0, 0.5, 60.0)
    assert (limit.capacity, limit.refill_per_second, limit.header) == (50, 2.5, "x-api-key")
    assert [str(network) for network in limit.trusted_proxies] == ["10.0.0.0/8"]
    assert (config.replicas, config.routes[0].cost, config.routes[0].retry) == (3, 5.0, False)


ROUTES = st.builds(
    Route,
    methods=st.lists(st.sampled_from(["GET", "PUT"]), min_size=1, max_size=2).map(tuple),
    path=st.lists(st.sampled_from(["a", "{b}", "{c}"]), min_size=1, max_size=2).map(
        lambda parts: "/" + "/".join(parts)
    ),
    upstream=st.just("read-api"),
)


@given(st.lists(ROUTES, max_size=4))
def test_the_operator_and_the_gateway_refuse_the_same_sets_of_routes(routes: list[Route]) -> None:
    router: Router[str] = Router()
    try:
        for route in routes:
            router.add(route.methods, route.path, route.upstream)
    except RoutingError:
        refused = True
    else:
        refused = False
    assert refused == (contradiction(routes) is not None)
