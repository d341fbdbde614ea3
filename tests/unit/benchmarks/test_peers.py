"""Those compared with the gateway route what it routes."""

from __future__ import annotations

import json
import re

import pytest
from benchmarks.services import peers

from hcs_operator.build.gateway import REFERENCE_ROUTES
from hcs_services.gateway.config import GatewayConfig

pytestmark = pytest.mark.unit


def test_the_products_configuration_is_one_that_it_takes_with_every_route_and_its_limit_on() -> None:
    ports = {"read-api": 8000, "write-api": 8001, "async-api": 8002}
    config = GatewayConfig.model_validate_json(peers.product(REFERENCE_ROUTES, ports))
    assert [route.path for route in config.routes] == [route.path for route in REFERENCE_ROUTES]
    assert config.rate_limit.enabled
    assert {name: each.port for name, each in config.upstreams.items()} == ports


def test_envoy_has_every_route_by_method_and_path() -> None:
    resources = json.loads(peers.envoy(REFERENCE_ROUTES, 1, 2, "/log"))["static_resources"]
    manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    matches = [route["match"] for route in manager["route_config"]["virtual_hosts"][0]["routes"]]
    paths = [match.get("path") or match["path_match_policy"]["typed_config"]["path_template"] for match in matches]
    assert paths == [route.path for route in REFERENCE_ROUTES]
    methods = [match["headers"][0]["string_match"]["safe_regex"]["regex"] for match in matches]
    assert methods == ["|".join(route.methods) for route in REFERENCE_ROUTES]
    assert [each["name"] for each in manager["http_filters"]] == ["limit", "router"]


@pytest.mark.parametrize(
    ("method", "path", "upstream"),
    [
        ("GET", "/api/v1/products/book-1", "read-api"),
        ("POST", "/api/v1/products", "write-api"),
        ("DELETE", "/api/v1/orders/1", "write-api"),
        ("GET", "/api/v1/tasks/1/result", "async-api"),
        ("GET", "/api/v1/products/book-1/more", None),
        ("GET", "/api/v1/orders", None),
    ],
)
def test_haproxys_first_rule_that_matches_names_the_upstream(method: str, path: str, upstream: str | None) -> None:
    rules = re.findall(
        r"use_backend (\S+) if \{ method (.+?) \} \{ path_reg (\S+) \}", peers.haproxy(REFERENCE_ROUTES, 1, 2)
    )
    found = (name for name, methods, shape in rules if method in methods.split() and re.search(shape, path))
    assert next(found, None) == upstream
