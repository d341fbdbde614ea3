"""The gateway: its configuration as a file, and its Deployment."""

import json
from collections.abc import Sequence
from typing import Any

from hcs_operator.api.durations import seconds
from hcs_operator.api.names import ASYNC_API, GATEWAY, READ_API, WRITE_API
from hcs_operator.api.routes import Route
from hcs_operator.api.spec import Stack
from hcs_operator.api.spec_gateway import CircuitBreaker, RateLimit
from hcs_operator.build.context import Context, Document, fingerprint
from hcs_operator.build.metadata import config_map
from hcs_operator.build.tiers import deployment

_PREFIX = "/api/v1"


def _route(methods: str, path: str, upstream: str) -> Route:
    return Route.model_validate({"methods": methods.split(), "path": _PREFIX + path, "upstream": upstream})


REFERENCE_ROUTES: Sequence[Route] = (
    _route("POST", "/products", WRITE_API),
    _route("GET", "/products/{product_id}", READ_API),
    _route("POST", "/products/{product_id}/restock", WRITE_API),
    _route("POST", "/orders", WRITE_API),
    _route("GET", "/orders/{order_id}", READ_API),
    _route("PATCH DELETE", "/orders/{order_id}", WRITE_API),
    _route("GET", "/users/{user_id}/orders", READ_API),
    _route("POST", "/notifications", ASYNC_API),
    _route("POST", "/reports", ASYNC_API),
    _route("POST", "/payments", ASYNC_API),
    _route("POST", "/sync", ASYNC_API),
    _route("GET", "/tasks/{task_id}", ASYNC_API),
    _route("GET", "/tasks/{task_id}/result", ASYNC_API),
)
"""The reference application's, which a stack without routes of its own gets."""


def gateway(stack: Stack, context: Context) -> list[Document]:
    """ConfigMap and Deployment; a change of the configuration rolls the pods, which read it once."""
    config = json.dumps(configuration(stack, context), indent=1, sort_keys=True)
    name = stack.names.of(GATEWAY)
    volume = {"name": "gateway", "configMap": {"name": name}}
    spec = stack.spec.gateway
    annotations = {"highconcurrency.dev/configuration": fingerprint(config)}
    count = context.count(GATEWAY, spec.replicas)
    return [
        config_map(stack, name, GATEWAY, {"config.json": config}),
        deployment(stack, context, GATEWAY, spec, count=count, extra_volumes=[volume], annotations=annotations),
    ]


def configuration(stack: Stack, context: Context) -> dict[str, Any]:
    """What the gateway reads: durations in seconds."""
    spec = stack.spec.gateway
    upstreams = {
        name: {"host": stack.names.host(name, stack.namespace, context.cluster_domain), "port": 8080}
        for name in (WRITE_API, ASYNC_API, READ_API)
    }
    return {
        "replicas": spec.replicas,
        "upstreams": upstreams,
        "routes": [_as_data(route) for route in spec.routes or REFERENCE_ROUTES],
        "rateLimit": _rate_limit(spec.rate_limit),
        "circuitBreaker": _breaker(spec.circuit_breaker),
    }


def _as_data(route: Route) -> dict[str, Any]:
    unset = {"limit_scope"} if route.limit_scope is None else set()
    return {**route.model_dump(by_alias=True, exclude=unset), "methods": list(route.methods)}


def _rate_limit(limit: RateLimit) -> dict[str, Any]:
    # The default is left out: gateways of an earlier release know no scope, and refuse what they do not know.
    unset = {"scope"} if limit.scope == "local" else set()
    return {**limit.model_dump(by_alias=True, exclude=unset), "trustedProxies": list(limit.trusted_proxies)}


def _breaker(breaker: CircuitBreaker) -> dict[str, Any]:
    found = breaker.model_dump(by_alias=True)
    return found | {name: seconds(found[name]) for name in ("window", "slowCall", "openFor")}
