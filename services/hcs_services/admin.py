"""The admin port (9090): probes, metrics and the self-test. Only the operator, the kubelet and a scraper that
the user's own NetworkPolicy admits reach it.

`/livez` looks at the event loop alone and `/readyz` at whether the process has started and is told to stop, never at a
dependency: that would take every pod away at once, exactly when one dependency is in trouble.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from hcs_services.http_conventions import header
from hcs_services.problem import Problem, problem, send_problem

LOOP_LAG = Gauge("hcs_loop_lag_seconds", "How late the event loop ran its last half-second timer.")
_LIVE_LAG = 10.0
_BEAT = 0.5
_SELFTEST_SECONDS = 2.2
"""Less than the operator waits for the answer (2.5 s), more than each tier's own bound: it has the better words."""


@dataclass(frozen=True, slots=True)
class SelftestResult:
    """Whether this tier's own function works right now: `reason` is CamelCase, `message` one sentence."""

    ok: bool
    reason: str
    message: str
    data: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AdminRequest:
    """What an extra admin route sees of its request."""

    headers: Mapping[str, str]
    body: bytes


AdminRoute = Callable[[AdminRequest], Awaitable[tuple[int, Mapping[str, Any]]]]


async def _untested() -> SelftestResult:
    return SelftestResult(ok=True, reason="Running", message="This tier has no self-test of its own.")


class Admin:
    """The ASGI application of the admin port.

    `started` and `draining` are set by the server.
    """

    def __init__(self) -> None:
        self.started = False
        self.draining = False
        self.selftest: Callable[[], Awaitable[SelftestResult]] = _untested
        self._routes: dict[tuple[str, str], AdminRoute] = {}
        self._last_beat = time.monotonic()

    def add_route(self, method: str, path: str, route: AdminRoute) -> None:
        """Serve one more route; it answers (status, JSON members) or raises Problem."""
        self._routes[method, path] = route

    async def watch_loop(self) -> None:
        """Measure the event loop's lag for ever; run by the server's Background."""
        while True:
            await asyncio.sleep(_BEAT)
            now = time.monotonic()
            LOOP_LAG.set(max(0.0, now - self._last_beat - _BEAT))
            self._last_beat = now

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http":
            return
        try:
            status, content_type, body = await self._answer(scope, receive)
        except Problem as error:
            await send_problem(send, error, instance=scope["path"])
            return
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Any, receive: Any) -> tuple[int, str, bytes]:
        method, path = scope["method"], scope["path"]
        if path == "/metrics" and method == "GET":
            return 200, CONTENT_TYPE_LATEST, generate_latest()
        if (method, path) in self._routes:
            names = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
            status, members = await self._routes[method, path](AdminRequest(names, await _read(scope, receive)))
            return _json(status, members)
        probes = {"/livez": self._livez, "/readyz": self._readyz, "/startupz": self._startupz}
        if method == "GET" and path in probes:
            trouble = probes[path]()
            return _json(503 if trouble else 200, {"ok": not trouble, "message": trouble or "ok"})
        if method == "GET" and path == "/selftest":
            return await self._run_selftest()
        raise problem("route-not-found", "The admin port has no such route.")

    def _livez(self) -> str | None:
        stalled = time.monotonic() - self._last_beat
        return f"the event loop stalled for {stalled:.0f} s" if stalled > _LIVE_LAG else None

    def _readyz(self) -> str | None:
        if self.draining:
            return "draining"
        return self._startupz()

    def _startupz(self) -> str | None:
        return None if self.started else "starting"

    async def _run_selftest(self) -> tuple[int, str, bytes]:
        try:
            async with asyncio.timeout(_SELFTEST_SECONDS):
                result = await self.selftest()
        except TimeoutError:
            result = SelftestResult(
                ok=False, reason="SelftestTimeout", message=f"No result within {_SELFTEST_SECONDS} s."
            )
        members = {"ok": result.ok, "reason": result.reason, "message": result.message, "data": dict(result.data)}
        return _json(200 if result.ok else 503, members)


def _json(status: int, members: Mapping[str, Any]) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(members).encode()


async def _read(scope: Any, receive: Any) -> bytes:
    length = header(scope, b"content-length") or "0"
    if not length.isdigit() or int(length[:10]) > 4096:
        raise problem("body-too-large", "An admin body has at most 4096 bytes.")
    body, more = b"", True
    while more and len(body) <= 4096:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body
