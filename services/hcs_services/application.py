"""FastAPI, set up once for every service: strict bodies, problems for all errors, OpenAPI 3.1 at /openapi.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.routing import Match

from hcs_services import strict_json
from hcs_services.http_conventions import BodyLimit, Conventions, unexpected
from hcs_services.models import ProblemDocument
from hcs_services.observability import Observed
from hcs_services.problem import Problem, documented, problem, problem_response
from hcs_services.settings import Settings

PREFIX = "/api/v1"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

Rendered = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, raw header fields and body: an answer that both doors give, FastAPI and what stands in front of it."""


class Template(NamedTuple):
    """What observers know a route by, where no FastAPI route is."""

    path_format: str


def create(
    title: str, description: str, settings: Settings, *, front: Callable[[Any], Any] = lambda app: app
) -> tuple[FastAPI, Any]:
    """A FastAPI application to add routes to, and the ASGI application to serve: the same within the conventions.

    `front` puts something before FastAPI, within them too.
    """
    app = FastAPI(
        title=title,
        description=description,
        version="1.0.0",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    install(app)
    limited = BodyLimit(front(app), limit=strict_json.MAX_BODY)
    bounded = Conventions(
        limited, timeout_ms=settings.request_timeout_ms, max_timeout_ms=settings.max_request_timeout_ms
    )
    return app, Observed(bounded, service=settings.tier)


def install(app: FastAPI) -> None:
    """Make every route added from now on strict, and every error a problem document."""
    app.router.route_class = strict_json.StrictRoute

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return _answer(error, request)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _answer(_invalid(error.errors()), request)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _answer(_http_problem(app, request, error), request)

    async def on_unexpected(request: Request, _error: Exception) -> Response:
        return _answer(unexpected(request.scope), request)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_unexpected)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]


def _answer(error: Problem, request: Request) -> Response:
    return raw_response(*problem_response(error, instance=request.scope["path"]))


def raw_response(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Response:
    """A response of exactly these header fields."""
    response = Response(body, status)
    response.raw_headers = headers
    return response


def json_answer(status: int, headers: Mapping[str, str], document: bytes) -> Rendered:
    """A JSON document with these header fields and those of its length and type."""
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return (
        status,
        [*fields, (b"content-length", b"%d" % len(document)), (b"content-type", b"application/json")],
        document,
    )


def _invalid(found: Sequence[Any]) -> Problem:
    errors = [{"pointer": _pointer(item["loc"]), "detail": str(item["msg"])} for item in found[:20]]
    first = f"{errors[0]['pointer']}: {errors[0]['detail']}" if errors else "not valid"
    return problem("validation-failed", f"{len(found)} of its parts not valid; first {first}.", errors=errors)


def _pointer(location: Sequence[int | str]) -> str:
    """RFC 6901; within the body its own members, elsewhere led by the place (`/query/limit`)."""
    parts = location[1:] if location and location[0] == "body" else location
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _http_problem(app: FastAPI, request: Request, error: HTTPException) -> Problem:
    if error.status_code == 404:
        return problem("route-not-found", "No route has this path.")
    if error.status_code == 405:
        allow = ", ".join(_allowed(app, request))
        return problem("method-not-allowed", f"This path takes {allow}.", headers={"Allow": allow})
    return problem("malformed-request", str(error.detail)) if error.status_code == 400 else unexpected(request.scope)


def _allowed(app: FastAPI, request: Request) -> list[str]:
    """All methods of the path, over all its routes; Starlette would name those of the first route only."""
    methods = []
    for method in _METHODS:
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in app.router.routes):
            methods.append(method)
    return [*methods, "HEAD"] if "GET" in methods else methods


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            description=app.description,
            routes=app.routes,
        )
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        document = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= document.pop("$defs", {})
        schemas["ProblemDocument"] = document
        _name_validation_errors(schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _name_validation_errors(schema: dict[str, Any]) -> None:
    """FastAPI documents its own 422 wherever there is a parameter; ours is a problem document."""
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
    for operations in schema.get("paths", {}).values():
        for operation in operations.values():
            content = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in content:
                operation["responses"] |= {"422": documented("validation-failed")[422]}
