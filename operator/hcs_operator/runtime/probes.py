"""The operator's own admin port: `/livez`, `/readyz` and `/metrics` on 9090."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import generate_latest

from hcs_operator.runtime.metrics import Metrics

STUCK = 300.0
"""Seconds after which an item in the queue means that the process no longer works."""


class Probes:
    """Answers the kubelet and Prometheus. `trouble` says in words why the process should be restarted, or None."""

    def __init__(self, metrics: Metrics, trouble: Callable[[], str | None]) -> None:
        self._metrics = metrics
        self._trouble = trouble
        self.ready = False

    async def start(self, port: int) -> web.AppRunner:
        """Listen; the caller cleans the runner up."""
        app = web.Application()
        app.add_routes([
            web.get("/livez", self._livez),
            web.get("/readyz", self._readyz),
            web.get("/metrics", self._show),
        ])  # fmt: skip
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, port=port).start()
        return runner

    async def _livez(self, _request: web.Request) -> web.Response:
        trouble = self._trouble()
        return web.Response(text=f"{trouble or 'ok'}\n", status=503 if trouble else 200)

    async def _readyz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n" if self.ready else "starting\n", status=200 if self.ready else 503)

    async def _show(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._metrics.registry), content_type="text/plain", charset="utf-8")
