"""NetworkPolicies: nothing reaches a stack's pods but its own flows, the operator, and everybody at the gateway."""

from collections.abc import Mapping, Sequence

from hcs_operator.api.labels import STACK, selector
from hcs_operator.api.names import (
    ASYNC_API,
    CACHE,
    DB,
    GATEWAY,
    LIMITS,
    MIGRATE,
    QUEUE,
    READ_API,
    REPLICA,
    WORKER,
    WRITE_API,
)
from hcs_operator.api.spec import Stack
from hcs_operator.build.context import Context, Document
from hcs_operator.build.metadata import metadata

_ADMIN = 9090
_FLOWS: Mapping[str, Mapping[int, Sequence[str]]] = {
    WRITE_API: {8080: (GATEWAY,)},
    ASYNC_API: {8080: (GATEWAY,)},
    READ_API: {8080: (GATEWAY,)},
    WORKER: {},
    DB: {3306: (DB, REPLICA, WRITE_API, ASYNC_API, READ_API, WORKER, MIGRATE)},
    REPLICA: {3306: (REPLICA, ASYNC_API, READ_API, WORKER)},
    CACHE: {6379: (WRITE_API, READ_API, WORKER)},
    LIMITS: {6379: (GATEWAY,)},
    QUEUE: {5672: (WRITE_API, ASYNC_API, WORKER), 4369: (QUEUE,), 25672: (QUEUE,)},
}
_OPERATOR_PORTS = {DB: 3306, REPLICA: 3306, QUEUE: 15672, CACHE: None, LIMITS: None}


def network_policies(stack: Stack, context: Context) -> list[Document]:
    """The policies, or none where they are switched off."""
    if not stack.spec.network_policy.enabled:
        return []
    operator = context.operator_namespace
    return [
        _deny_all(stack),
        _gateway(stack, operator),
        *(_component(stack, component, operator) for component in _FLOWS if component in stack.components),
    ]


def _deny_all(stack: Stack) -> Document:
    chosen = {"matchLabels": {STACK: stack.name}}
    return _policy(stack, f"{stack.name}-deny", "stack", {"podSelector": chosen, "policyTypes": ["Ingress"]})


def _gateway(stack: Stack, operator: str) -> Document:
    everybody: Document = {"ports": [_port(8080)]}
    return _ingress(stack, GATEWAY, [everybody, _operator(operator, _ADMIN)])


def _component(stack: Stack, component: str, operator: str) -> Document:
    rules = [
        {
            "from": [{"podSelector": {"matchLabels": selector(stack.name, peer)}} for peer in peers],
            "ports": [_port(port)],
        }
        for port, peers in _FLOWS[component].items()
    ]
    admitted = _OPERATOR_PORTS.get(component, _ADMIN)
    return _ingress(stack, component, [*rules, *([_operator(operator, admitted)] if admitted else [])])


def _operator(namespace: str, port: int) -> Document:
    """The operator's pods, in the namespace where it runs."""
    operator = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "hcs-operator"}},
    }
    return {"from": [operator], "ports": [_port(port)]}


def _port(number: int) -> Document:
    return {"port": number, "protocol": "TCP"}


def _ingress(stack: Stack, component: str, rules: Sequence[Document]) -> Document:
    spec = {
        "podSelector": {"matchLabels": selector(stack.name, component)},
        "policyTypes": ["Ingress"],
        "ingress": list(rules),
    }
    return _policy(stack, stack.names.of(component), component, spec)


def _policy(stack: Stack, name: str, component: str, spec: Document) -> Document:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(stack, name, component),
        "spec": spec,
    }
