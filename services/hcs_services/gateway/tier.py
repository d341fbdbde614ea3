"""The gateway as a process: its application, its probes, and what runs beside them."""

import asyncio
import time
from collections.abc import Mapping
from random import Random
from typing import Any

from hcs_services.admin import Admin, SelftestResult
from hcs_services.gateway import config as configuration
from hcs_services.gateway import discovery, metrics, own_routes
from hcs_services.gateway.config import GatewayConfig
from hcs_services.gateway.proxy import DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS, Proxy
from hcs_services.gateway.rate_limit import Quota
from hcs_services.gateway.shared_buckets import SharedBuckets
from hcs_services.gateway.shared_limit import SharedLimit
from hcs_services.gateway.upstream import Upstream
from hcs_services.http_conventions import Conventions
from hcs_services.observability import Observed
from hcs_services.redis_connection.client import Client
from hcs_services.server import Background, Tier
from hcs_services.settings import Settings

LOOP_SECONDS = 0.25
"""A turn of the event loop that takes longer means the process is overloaded."""
FIGURES_SECONDS = 1.0


class Gateway:
    """The ASGI application: the gateway's own paths, and the proxy for all others."""

    def __init__(self, own: Any, proxy: Proxy) -> None:
        self._own = own
        self._proxy = proxy

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        path: str = scope["path"]
        if path == own_routes.HEALTHZ or path.startswith(own_routes.OPENAPI):
            await self._own(scope, receive, send)
        else:
            await self._proxy(scope, receive, send)


class Running:
    """What the gateway does beside answering: following DNS and Redis, publishing figures, testing itself."""

    def __init__(
        self,
        proxy: Proxy,
        upstreams: Mapping[str, Upstream],
        shared: SharedLimit | None,
        resolve: discovery.Resolve,
        look_every: float,
    ) -> None:
        self._proxy = proxy
        self._shared = shared
        self._upstreams = upstreams
        self._resolve = resolve
        self._look_every = look_every

    async def start(self, background: Background) -> None:
        """Look once, so that the first request finds its endpoints, then follow."""
        upstreams = list(self._upstreams.values())
        await discovery.look(upstreams, self._resolve)
        background.spawn("discovery", discovery.follow(upstreams, self._resolve, self._look_every))
        background.spawn("figures", self._publish_figures())
        if self._shared is not None:
            background.spawn("limits", self._shared.follow())

    async def stop(self) -> None:
        """Close all connections."""
        for upstream in self._upstreams.values():
            await upstream.close()
        if self._shared is not None:
            await self._shared.close()

    async def selftest(self) -> SelftestResult:
        """Judge the gateway's own function only: what its upstreams can do is for their own tests to say."""
        before = time.monotonic()
        await asyncio.sleep(0)
        lag = time.monotonic() - before
        data = {"loop_lag_seconds": lag, "open_breakers": float(self._proxy.caller.refusing())}
        data |= {f"endpoints_{name.replace('-', '_')}": float(each.size) for name, each in self._upstreams.items()}
        if lag > LOOP_SECONDS:
            return SelftestResult(
                ok=False, reason="Overloaded", message=f"A turn of the event loop took {lag:.2f} s.", data=data
            )
        return SelftestResult(ok=True, reason="Routing", message="The gateway routes requests.", data=data)

    async def _publish_figures(self) -> None:
        while True:
            now = time.monotonic()
            for name, upstream in self._upstreams.items():
                metrics.ENDPOINTS.labels(name, "known").set(upstream.size)
                metrics.ENDPOINTS.labels(name, "ejected").set(upstream.ejected(now))
            for name, limit in self._proxy.caller.limits().items():
                metrics.CONCURRENCY.labels(name).set(limit)
            metrics.BREAKERS.set(self._proxy.caller.refusing())
            metrics.CLIENTS.set(len(self._proxy.limiter) + (len(self._shared) if self._shared is not None else 0))
            await asyncio.sleep(FIGURES_SECONDS)


def assemble(
    config: GatewayConfig,
    settings: Settings,
    resolve: discovery.Resolve = discovery.resolve,
    look_every: float = discovery.EVERY_SECONDS,
) -> Tier:
    """Return the gateway for a configuration; `resolve` is asked for addresses each `look_every` seconds."""
    random = Random()  # noqa: S311 - spreads load, keeps no secret
    upstreams = {name: Upstream(name, each.host, each.port, random) for name, each in config.upstreams.items()}
    admin = Admin()
    own = own_routes.create(admin, own_routes.Documents(config, upstreams))
    bounded = Conventions(own, timeout_ms=DEFAULT_TIMEOUT_MS, max_timeout_ms=MAX_TIMEOUT_MS)
    shared = shared_limit(config, settings)
    proxy = Proxy(config, upstreams, shared)
    running = Running(proxy, upstreams, shared, resolve, look_every)
    admin.selftest = running.selftest
    app = Observed(Gateway(bounded, proxy), service=settings.tier)
    return Tier(app=app, admin=admin, start=running.start, stop=running.stop)


def shared_limit(config: GatewayConfig, settings: Settings) -> SharedLimit | None:
    """Return the limit of routes with scope `global`; None if there is no such route, and then nothing is connected."""
    if not any(config.counts_globally(route) for route in config.routes):
        return None
    limit = config.rate_limit
    redis = Client(
        settings.limits_url,
        seconds=settings.limits_timeout_ms / 1000,
        password=lambda: settings.optional_credential("limits/password"),
        name=settings.tier,
    )
    whole = Quota(limit.capacity, limit.refill_per_second)
    share = Quota.share(limit.capacity, limit.refill_per_second, config.replicas)
    return SharedLimit(SharedBuckets(redis, whole), share)


def build(settings: Settings) -> Tier:
    """Return the gateway of GATEWAY_CONFIG. Raises ConfigError."""
    return assemble(configuration.load(settings.gateway_config), settings)
