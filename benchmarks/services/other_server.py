"""The read API as any ASGI server can run it: `uvicorn benchmarks.services.other_server:app`, or granian.

All of the tier but its own HTTP edge, with the pod's log and collector; its background tasks begin with the server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from hcs_services import read_api
from hcs_services.observability import configure_logging
from hcs_services.server import Background, tune_collector
from hcs_services.settings import Settings

Message = MutableMapping[str, Any]

_settings = Settings(tier="read-api")
configure_logging(_settings.log_level, stack=_settings.stack, tier=_settings.tier)
_tier = read_api.build(_settings)
_background = Background()


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Serve a scope of ASGI; the server's start is the tier's."""
    if scope["type"] != "lifespan":
        assert _tier.app
        await _tier.app(scope, receive, send)
        return
    await receive()
    await _tier.start(_background)
    tune_collector()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
