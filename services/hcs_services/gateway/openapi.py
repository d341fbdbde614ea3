"""One OpenAPI document for the whole API: the union of the services', as far as the gateway routes to them.

Components of the same name and content are one; where two services mean different things by a name, the later one is
renamed after its service. Each operation also gets the answers that the gateway itself may give.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hcs_services.gateway.routing import Router
from hcs_services.problem import MEDIA_TYPE, PROBLEMS

Document = dict[str, Any]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
REFUSALS = (
    "malformed-request", "request-timeout", "body-too-large", "rate-limited", "headers-too-large", "bad-gateway",
    "upstream-unavailable", "upstream-timeout",
)  # fmt: skip
SERVICE = "x-service"
"""The field of an operation that names the service behind it."""


def union(documents: Mapping[str, Document], owner: Router[str]) -> Document:
    """Merge the services' documents (by upstream name); `owner` tells which upstream an operation is routed to."""
    merged: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": "HighConcurrencyStack",
            "version": "1.0.0",
            "description": "Every call of the stack, as the gateway serves it.",
        },
        "paths": {},
        "components": {},
    }
    for service, document in documents.items():
        renamed = _adopt_components(merged["components"], document.get("components", {}), service)
        for path, item in document.get("paths", {}).items():
            for method, operation in _operations(item):
                if owner.match(method.upper(), _example(path)) == service:
                    entry = merged["paths"].setdefault(path, _shared(item, renamed))
                    entry[method] = _served(_with_renamed(operation, renamed), service)
    return merged


def _operations(item: Mapping[str, Any]) -> Iterable[tuple[str, Document]]:
    return ((method, item[method]) for method in METHODS if method in item)


def _shared(item: Mapping[str, Any], renamed: Mapping[str, str]) -> Document:
    return {key: _with_renamed(value, renamed) for key, value in item.items() if key not in METHODS}


def _example(template: str) -> bytes:
    """Return a path of the template's shape; a parameter's segment is anything that is no literal of a route."""
    segments = ("~" if segment.startswith("{") else segment for segment in template.split("/"))
    return "/".join(segments).encode()


def _adopt_components(into: Document, components: Mapping[str, Mapping[str, Any]], service: str) -> dict[str, str]:
    """Add a service's components; return the references that had to be renamed."""
    renamed = {
        f"#/components/{kind}/{name}": f"#/components/{kind}/{service}.{name}"
        for kind, named in components.items()
        for name, component in named.items()
        if into.get(kind, {}).get(name, component) != component
    }
    for kind, named in components.items():
        for name, component in named.items():
            key = f"{service}.{name}" if f"#/components/{kind}/{name}" in renamed else name
            into.setdefault(kind, {})[key] = _with_renamed(component, renamed)
    return renamed


def _with_renamed(value: Any, renamed: Mapping[str, str]) -> Any:
    if not renamed:
        return value
    if isinstance(value, dict):
        return {
            key: renamed.get(inner, inner)
            if key == "$ref" and isinstance(inner, str)
            else _with_renamed(inner, renamed)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_with_renamed(inner, renamed) for inner in value]
    return value


def _served(operation: Document, service: str) -> Document:
    responses = dict(operation.get("responses", {}))
    for slug in REFUSALS:
        kind = PROBLEMS[slug]
        responses.setdefault(str(kind.status), {"description": kind.title, "content": {MEDIA_TYPE: {}}})
    return {**operation, SERVICE: service, "responses": responses}


def owners(routes: Iterable[tuple[Iterable[str], str, str]]) -> Router[str]:
    """Return the matcher from (methods, path, upstream) of all routes."""
    router: Router[str] = Router()
    for methods, path, upstream in routes:
        router.add(methods, path, upstream)
    return router


def parse(body: bytes) -> Document | None:
    """Return a service's document; None if it is not a JSON object."""
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
