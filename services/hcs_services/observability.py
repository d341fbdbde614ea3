"""Logs and RED metrics: one JSON line and one observation a request, by route template.

Never logged: bodies, query strings, header values, secrets.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

from hcs_services import request_context

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


def configure_logging(level: str, *, stack: str, tier: str) -> None:
    """JSON lines on standard output, from structlog and from libraries that use `logging`."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _identify(stack, tier),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
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


class Observed:
    """Outermost ASGI middleware: counts, times and logs each request."""

    def __init__(self, app: Any, *, service: str, access_log: bool = True) -> None:
        self._app = app
        self._service = service
        self._access_log = access_log
        self._in_flight = IN_FLIGHT.labels(service)

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

        self._in_flight.inc()
        try:
            await self._app(scope, receive, observed)
        finally:
            self._in_flight.dec()
            self._record(scope, status, sent, time.perf_counter() - started)

    def _record(self, scope: Any, status: int, sent: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = route_template(scope)
        REQUESTS.labels(self._service, method, route, str(status)).inc()
        SECONDS.labels(self._service, method, route).observe(seconds)
        if self._access_log:
            _log.info(
                "request",
                method=method,
                route=route,
                path=scope["path"][:200],
                status=status,
                bytes=sent,
                milliseconds=round(seconds * 1000, 2),
                request_id=request_context.request_id(),
            )


def route_template(scope: Any) -> str:
    """The matched route's template (a bounded label), `unmatched` for a path of no route.

    The router, or the gateway, leaves it in `scope["state"]["route"]` or in FastAPI's `scope["route"]`.
    """
    named = scope.get("state", {}).get("route")
    if isinstance(named, str):
        return named
    return str(getattr(scope.get("route"), "path_format", "unmatched"))
