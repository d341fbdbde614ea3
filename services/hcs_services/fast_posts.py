"""POSTs as plain ASGI, in front of FastAPI, whose routing and dependencies cost about as much as accepting a task.

It takes a POST only in its plain form: JSON by exactly its usual media type, and a body that its model takes.
Whatever else comes, wrong or merely unusual, goes on to FastAPI with the body as it came, which alone decides what is
refused and how. Problems are raised to whoever stands around both. So both doors answer the same; a test holds them
to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from hcs_services import strict_json
from hcs_services.application import Rendered, Template
from hcs_services.http_conventions import header
from hcs_services.models import Body
from hcs_services.problem import Problem

_JSON = ("application/json", "application/json; charset=utf-8", "application/json;charset=utf-8")


class Post(NamedTuple):
    """What a path takes, and what answers it: given the body and the Idempotency-Key's field, or raising Problem."""

    model: type[Body]
    answer: Callable[[Any, str | None], Awaitable[Rendered]]


class FastPosts:
    """ASGI application in front of another; `posts` are by path."""

    def __init__(self, app: Any, posts: Mapping[str, Post]) -> None:
        self._app = app
        self._posts = posts
        self._routes = {path: Template(path) for path in posts}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope; raises Problem."""
        post = self._posts.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if post is None or header(scope, b"content-type") not in _JSON:
            await self._app(scope, receive, send)
            return
        scope["route"] = self._routes[scope["path"]]
        messages = await _all_of(receive)
        body = _body(post.model, messages)
        if body is None:
            await self._app(scope, _again(messages, receive), send)
            return
        status, headers, content = await post.answer(body, header(scope, b"idempotency-key"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


async def _all_of(receive: Any) -> list[dict[str, Any]]:
    """A request's messages up to its body's end, or to its client's; `BodyLimit` bounds them."""
    messages = [await receive()]
    while messages[-1].get("more_body", False):
        messages.append(await receive())
    return messages


def _body(model: type[Body], messages: list[dict[str, Any]]) -> Body | None:
    """The body if it is all there and valid."""
    if messages[-1]["type"] != "http.request":
        return None
    try:
        return model.model_validate(strict_json.parse(b"".join(message.get("body", b"") for message in messages)))
    except (Problem, ValidationError):
        return None


def _again(messages: list[dict[str, Any]], receive: Any) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Receives what was received already, then what follows."""
    held = deque(messages)

    async def replayed() -> dict[str, Any]:
        message: dict[str, Any] = held.popleft() if held else await receive()
        return message

    return replayed
