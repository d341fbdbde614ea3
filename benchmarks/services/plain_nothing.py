"""An ASGI application that only answers, with a body of 95 bytes: what uvicorn costs when nothing is done behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

_BODY = b"x" * 95
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"95")],
}
_END = {"type": "http.response.body", "body": _BODY}

Message = MutableMapping[str, Any]


async def app(
    scope: Message, _receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Answer; uvicorn is told by the exception that there is nothing to start."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    await send(_START)
    await send(_END)
