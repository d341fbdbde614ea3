"""What the gateway answers itself: its health, and the OpenAPI documents of the API behind it."""

import asyncio
import time
from collections.abc import Mapping

from fastapi import FastAPI

from hcs_services import application, request_context
from hcs_services.admin import Admin
from hcs_services.gateway import openapi
from hcs_services.gateway.config import OWN_PATHS, GatewayConfig
from hcs_services.gateway.openapi import Document
from hcs_services.gateway.pool.failures import Broken
from hcs_services.gateway.upstream import Call, CallFailed, Upstream
from hcs_services.problem import problem

FRESH_SECONDS = 30.0
"""How long a service's document is used again; it changes only with a deployment."""
DOCUMENT_SECONDS = 5.0
DOCUMENT_BYTES = 4 * 1024 * 1024
HEALTHZ, OPENAPI = OWN_PATHS
UNION = "gateway"


class Documents:
    """The OpenAPI documents of the upstreams, fetched when asked for."""

    def __init__(self, config: GatewayConfig, upstreams: Mapping[str, Upstream]) -> None:
        self._owners = openapi.owners((route.methods, route.path, route.upstream) for route in config.routes)
        self._upstreams = upstreams
        self._kept: dict[str, tuple[float, Document]] = {}

    async def union(self) -> Document:
        """Return the document of the whole API; 503 while a service cannot give its part."""
        names = list(self._upstreams)
        found = await asyncio.gather(*(self.of(name) for name in names))
        return openapi.union(dict(zip(names, found, strict=True)), self._owners)

    async def of(self, service: str) -> Document:
        """Return a service's document, at most half a minute old. Raises a problem: 404 or 503."""
        if service not in self._upstreams:
            raise problem("route-not-found", f"There is no service {service!r}.")
        fetched, document = self._kept.get(service, (0.0, None))
        if document is None or time.monotonic() - fetched > FRESH_SECONDS:
            document = await self._fetch(self._upstreams[service])
            self._kept[service] = (time.monotonic(), document)
        return document

    async def _fetch(self, upstream: Upstream) -> Document:
        endpoint = upstream.pick(time.monotonic())
        body = b""
        if endpoint is not None:
            call = Call("GET", "/openapi.json", [("Host", upstream.authority)], b"")
            seconds = request_context.remaining(DOCUMENT_SECONDS)
            try:
                async with asyncio.timeout(seconds):
                    response = await endpoint.open(call, ("X-Request-Timeout", str(int(seconds * 1000))))
                    try:
                        body = await response.read(DOCUMENT_BYTES) if response.status == 200 else b""
                    finally:
                        await endpoint.close(response)
            except (CallFailed, Broken, TimeoutError):
                body = b""
        document = openapi.parse(body)
        if document is None:
            raise problem("upstream-unavailable", f"{upstream.name} does not give its document now.", retry_after=2)
        return document


def create(admin: Admin, documents: Documents) -> FastAPI:
    """Return the application of the gateway's own paths."""
    app = FastAPI(title="HighConcurrencyStack gateway", openapi_url=None, docs_url=None, redoc_url=None)
    application.install(app)

    @app.get(HEALTHZ)
    async def healthz() -> dict[str, str]:
        """Tell a load balancer whether to send requests here."""
        if admin.draining:
            raise problem("overloaded", "This gateway is stopping.", headers={"Connection": "close"})
        return {"status": "ok"}

    @app.get(OPENAPI + "{service}.json")
    async def document(service: str) -> Document:
        """Give one service's OpenAPI document, or that of the whole API."""
        return await documents.union() if service == UNION else await documents.of(service)

    return app
