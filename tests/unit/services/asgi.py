"""Clients that call an ASGI application directly: one that reads the answer, one that keeps all there is to see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hcs_services import request_context

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Fields = Sequence[tuple[bytes, bytes]]
IDS: Fields = ((b"x-request-id", b"a-request"), (b"traceparent", TRACE.encode()))
"""An id and a trace that a request comes with."""
any_ids: st.SearchStrategy[Fields] = st.one_of(
    st.just(IDS),
    st.lists(
        st.tuples(
            st.sampled_from([name for name, _ in IDS]),
            st.sampled_from([*(value for _, value in IDS), b"", b"a b", b"\xff"]),
        ),
        max_size=3,
    ),
)
"""None, several, and such as are not taken."""


@dataclass(frozen=True)
class Answer:
    """What the application sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


async def call(
    app: Any,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    document: Any = None,
    chunks: int = 1,
) -> Answer:
    """One request; `document` is sent as JSON, the body in so many chunks."""
    names = {key.lower(): value for key, value in (headers or {}).items()}
    if document is not None:
        body = json.dumps(document).encode()
        names.setdefault("content-type", "application/json")
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(key.encode(), value.encode("latin-1")) for key, value in names.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    size = max(1, -(-len(body) // chunks))
    parts = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    pending = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    pending[-1]["more_body"] = False
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if pending:
            return pending.pop(0)
        await asyncio.sleep(3600)  # a client that stays connected
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    # a task of its own, as uvicorn runs it: context variables of one request do not leak into another
    await asyncio.create_task(app(scope, receive, send))
    start = sent[0]
    found = {key.decode().lower(): value.decode("latin-1") for key, value in start["headers"]}
    return Answer(start["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))


class Seen(NamedTuple):
    """What an application sent, message by message, the route that observers saw, and the log but for its durations."""

    sent: list[dict[str, Any]]
    route: str | None
    logs: list[Any]


class Digits:
    """Draws the same id, and the same span, for each request."""

    def take(self, count: int) -> str:
        return "7" * count


async def exchange(
    app: Any,
    method: str,
    path: str,
    *,
    query: bytes = b"",
    fields: Fields = (),
    ids: Fields = IDS,
    messages: Sequence[dict[str, Any]] = ({"type": "http.request", "body": b"", "more_body": False},),
) -> Seen:
    """One request; the last of its messages comes again and again."""
    sent: list[dict[str, Any]] = []
    pending = list(messages)

    async def receive() -> dict[str, Any]:
        return pending.pop(0) if len(pending) > 1 else pending[0]

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [*ids, *fields],
        "scheme": "http",
        "server": ("api", 80),
        "client": ("peer", 1),
        "http_version": "1.1",
    }
    with capture_logs() as logs, pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_context, "_digits", Digits())
        await app(scope, receive, send)
    for line in logs:
        line.pop("milliseconds", None)
    return Seen(sent, getattr(scope.get("route"), "path_format", None), logs)
