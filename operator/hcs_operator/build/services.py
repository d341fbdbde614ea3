"""Services: how the parts find each other."""

from collections.abc import Mapping

from hcs_operator.api.database import READ_LABEL, ROLE_LABEL
from hcs_operator.api.labels import selector
from hcs_operator.api.names import ASYNC_API, CACHE, DB, GATEWAY, LIMITS, QUEUE, READ_API, REPLICA, WRITE_API
from hcs_operator.api.spec import Stack
from hcs_operator.build.context import Document
from hcs_operator.build.metadata import metadata

_HTTP = {"http": 8080, "admin": 9090}
_MYSQL = {"mysql": 3306}
_HEADLESS: Mapping[str, Mapping[str, int]] = {
    WRITE_API: _HTTP,
    ASYNC_API: _HTTP,
    READ_API: _HTTP,
    DB: _MYSQL,
    REPLICA: _MYSQL,
    QUEUE: {"amqp": 5672, "management": 15672, "epmd": 4369, "cluster": 25672},
}
# Engines find each other, and a group its members, before anybody is ready.
_UNREADY_TOO = {DB, REPLICA, QUEUE}


def services(stack: Stack) -> list[Document]:
    """All Services of a stack; the gateway's carries what the user wants of it."""
    return [
        *(_headless(stack, component, ports) for component, ports in _HEADLESS.items()),
        *(_redis(stack, component) for component in (CACHE, LIMITS) if component in stack.components),
        _service(stack, stack.names.primary, DB, _MYSQL, selector(stack.name, DB, {ROLE_LABEL: "primary"})),
        _service(stack, stack.names.read, REPLICA, _MYSQL, selector(stack.name, REPLICA, {READ_LABEL: "eligible"})),
        _gateway(stack),
    ]


def _redis(stack: Stack, component: str) -> Document:
    return _service(stack, stack.names.of(component), component, {"redis": 6379}, selector(stack.name, component))


def _headless(stack: Stack, component: str, ports: Mapping[str, int]) -> Document:
    service = _service(stack, stack.names.of(component), component, ports, selector(stack.name, component))
    service["spec"] |= {"clusterIP": "None", "publishNotReadyAddresses": component in _UNREADY_TOO}
    return service


def _gateway(stack: Stack) -> Document:
    wanted = stack.spec.gateway.service
    service = _service(stack, stack.names.of(GATEWAY), GATEWAY, {"http": 8080}, selector(stack.name, GATEWAY))
    service["spec"]["type"] = wanted.type
    if wanted.annotations:
        service["metadata"]["annotations"] = dict(wanted.annotations)
    if wanted.type != "ClusterIP":
        service["spec"]["externalTrafficPolicy"] = wanted.external_traffic_policy
        if wanted.node_port:
            service["spec"]["ports"][0]["nodePort"] = wanted.node_port
    return service


def _service(stack: Stack, name: str, component: str, ports: Mapping[str, int], chosen: Mapping[str, str]) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(stack, name, component),
        "spec": {
            "selector": dict(chosen),
            "ports": [
                {"name": port, "port": number, "targetPort": number, "protocol": "TCP"}
                for port, number in ports.items()
            ],
        },
    }
