"""Logs and RED metrics: one JSON line and one observation a request, by route template.

Never logged: bodies, query strings, header values, secrets.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, NamedTuple

import structlog
from prometheus_client import Counter, Gauge, Histogram

from hcs_services import request_context
from hcs_services.access_log import AccessLog, Known

REQUESTS = Counter(
    "hcs_http_requests_total",
    "Requests answered, by route template and status.",
    ["service", "method", "route", "status"],
)
SECONDS = Histogram(
    "hcs_http_request_seconds",
    "Time from a request's header to the end of its answer.",
    ["service", "method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
IN_FLIGHT = Gauge("hcs_http_in_flight", "Requests that are being answered now.", ["service"])
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = structlog.get_logger("access")


class _Renderer(structlog.processors.JSONRenderer):
    """The last processor. Its `access` writes the line that all of them would make of a request, None below its level.

    So it is used where they would be, and not where a test has put others in their place.
    """

    def __init__(self, access: AccessLog | None) -> None:
        super().__init__()
        self.access = access


def configure_logging(level: str, *, stack: str, tier: str) -> None:
    """JSON lines on standard output, from structlog and from libraries that use `logging`."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _identify(stack, tier),
    ]
    access = AccessLog(stack, tier) if logging.getLevelNamesMapping()[level.upper()] <= logging.INFO else None
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, _Renderer(access)],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("asyncmy", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # pika reports one refused connection six times at ERROR; `queue` says it once, with the cause
    logging.getLogger("pika").setLevel(logging.CRITICAL)


def _identify(stack: str, tier: str) -> Any:
    def add(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
        event["stack"], event["tier"] = stack, tier
        trace = request_context.trace_id()
        if trace:
            event["trace_id"] = trace
        return event

    return add


class _Series(NamedTuple):
    """What all requests of one method, route and status share."""

    method: str
    route: str
    status: int
    requests: Counter
    seconds: Histogram
    known: Known


class Observed:
    """Outermost ASGI middleware: counts, times and logs each request."""

    def __init__(self, app: Any, *, service: str, access_log: bool = True) -> None:
        self._app = app
        self._service = service
        self._access_log = access_log
        self._in_flight = 0
        IN_FLIGHT.labels(service).set_function(lambda: self._in_flight)  # asked for by a scrape, told by no request
        self._series: dict[tuple[str, str, int], _Series] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, sent, started = 0, 0, time.perf_counter()

        async def observed(message: dict[str, Any]) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        self._in_flight += 1
        try:
            await self._app(scope, receive, observed)
        finally:
            self._in_flight -= 1
            self._record(scope, status, sent, time.perf_counter() - started)

    def _record(self, scope: Any, status: int, sent: int, seconds: float) -> None:
        kind = (scope["method"], route_template(scope), status)
        series = self._series.get(kind)
        if series is None:
            series = self._series_of(*kind)
        series.requests.inc()
        series.seconds.observe(seconds)
        if self._access_log:
            self._write(series, scope["path"][:200], sent, round(seconds * 1000, 2))

    def _write(self, series: _Series, path: str, sent: int, milliseconds: float) -> None:
        request_id = request_context.request_id()
        renderer = structlog.get_config()["processors"][-1]
        if not isinstance(renderer, _Renderer):
            _log.info(
                "request",
                method=series.method,
                route=series.route,
                path=path,
                status=series.status,
                bytes=sent,
                milliseconds=milliseconds,
                request_id=request_id,
            )
        elif renderer.access is not None:
            known, trace_id = series.known, request_context.trace_id()
            renderer.access(known, path, sent=sent, milliseconds=milliseconds, request_id=request_id, trace_id=trace_id)

    def _series_of(self, method: str, route: str, status: int) -> _Series:
        """Make a series, and keep it unless its method is anybody's word: what is kept must stay bounded."""
        named = method if method in _METHODS else "other"
        series = _Series(
            named,
            route,
            status,
            REQUESTS.labels(self._service, named, route, str(status)),
            SECONDS.labels(self._service, named, route),
            Known.of(named, route, status),
        )
        if named == method:
            self._series[method, route, status] = series
        return series


def route_template(scope: Any) -> str:
    """The matched route's template (a bounded label), `unmatched` for a path of no route.

    The router, or the gateway, leaves it in `scope["state"]["route"]` or in FastAPI's `scope["route"]`.
    """
    named = scope.get("state", {}).get("route")
    if isinstance(named, str):
        return named
    return str(getattr(scope.get("route"), "path_format", "unmatched"))
