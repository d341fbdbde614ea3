"""What every HTTP answer has in common: request id, trace, deadline, body limit, HEAD, entity tags.

`Conventions` is plain ASGI, so that FastAPI services and the gateway share it. The functions on entity tags are pure.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any

import structlog

from hcs_services import request_context
from hcs_services.problem import Problem, problem, send_problem
from hcs_services.request_context import deadline, remaining

__all__ = [
    "WITHOUT_BODY",
    "Conventions",
    "begin_request",
    "check_if_match",
    "deadline",
    "etag",
    "header",
    "none_match",
    "remaining",
]

WITHOUT_BODY = frozenset({204, 304})
"""Statuses whose answers have no body, whatever their header says."""
_log = structlog.get_logger(__name__)
_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')
_MILLISECONDS = re.compile(r"[1-9][0-9]{0,8}")


def header(scope: Mapping[str, Any], name: bytes) -> str | None:
    """The first value of a request header; `name` in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def etag(version: int) -> str:
    """The strong entity tag of a version."""
    return f'"{version}"'


def check_if_match(value: str | None, version: int) -> None:
    """Raise 428 without If-Match, 412 unless it names this version; strong comparison, so weak tags never match."""
    require_if_match(value)
    assert value is not None
    if value.strip() == "*":
        return
    if (False, str(version)) not in _tags(value):
        raise problem("precondition-failed", "The entity has changed since the version that If-Match names.")


def require_if_match(value: str | None) -> None:
    """Raise 428 where a conditional write comes without its condition."""
    if value is None:
        raise problem(
            "precondition-required", 'Send If-Match with the ETag of the version you saw, as "1795464467199000".'
        )


def none_match(value: str | None, version: int) -> bool:
    """Whether If-None-Match already names this version (answer 304); weak comparison."""
    if value is None:
        return False
    return value.strip() == "*" or str(version) in {tag for _, tag in _tags(value)}


def _tags(value: str) -> set[tuple[bool, str]]:
    # a list that is malformed somewhere names nothing beyond that point
    tags, position = set(), 0
    while match := _TAG.match(value, position):
        tags.add((match[1] is not None, match[2]))
        position = match.end()
    return tags


def unexpected(scope: Mapping[str, Any]) -> Problem:
    """Log the exception being handled and return what the client may know of it."""
    _log.exception("unhandled", path=scope["path"])
    return problem("internal-error", "An unexpected error; the log has it by its trace id.")


def begin_request(scope: Mapping[str, Any], *, timeout_ms: int, max_timeout_ms: int) -> float:
    """Bind the current task to a request's id, trace and deadline; return the seconds it has.

    A malformed X-Request-Timeout is ignored as unknown headers are.
    """
    wish = (header(scope, b"x-request-timeout") or "").strip()
    allowed = min(int(wish), max_timeout_ms) if _MILLISECONDS.fullmatch(wish) else timeout_ms
    timeout = allowed / 1000
    request_context.enter(
        request_id=request_context.accept_request_id(header(scope, b"x-request-id")),
        trace=request_context.continue_trace(header(scope, b"traceparent")),
        deadline=time.monotonic() + timeout,
        harmless=scope["method"] in {"GET", "HEAD"}
        or (scope["method"] == "POST" and header(scope, b"idempotency-key") is not None),
    )
    return timeout


class Conventions:
    """ASGI middleware: binds the request's context, bounds it by its deadline, answers HEAD as GET without a body.

    An exception that reaches it is a bug: it is logged and answered as a 500 problem.
    """

    def __init__(self, app: Any, *, timeout_ms: int, max_timeout_ms: int, head_as_get: bool = True) -> None:
        self._app = app
        self._timeout_ms = timeout_ms
        self._max_timeout_ms = max_timeout_ms
        self._head_as_get = head_as_get

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        timeout = begin_request(scope, timeout_ms=self._timeout_ms, max_timeout_ms=self._max_timeout_ms)
        request_id = request_context.request_id() or ""
        answer = _Answer(send, request_id)
        if scope["method"] == "HEAD" and self._head_as_get:
            answer.bodiless = True
            inner = {**scope, "method": "GET"}
            await self._bounded(inner, receive, answer, timeout)
            scope |= {"route": inner.get("route")}  # whoever observes the request knows its route as of a GET
        else:
            await self._bounded(scope, receive, answer, timeout)

    async def _bounded(self, scope: Any, receive: Any, answer: _Answer, timeout: float) -> None:  # noqa: ASYNC109
        try:
            async with asyncio.timeout(timeout) as bound:
                await self._app(scope, receive, answer.send)
        except Problem as error:
            await answer.fail(error, scope)
        except Exception as error:  # noqa: BLE001 - the last line before the server: everything becomes an answer
            if isinstance(error, TimeoutError) and bound.expired():
                late = problem("deadline-exceeded", f"There was no answer within {timeout * 1000:.0f} ms.")
                await answer.fail(late, scope)
            elif not answer.finished:  # Starlette raises an exception again after it has answered it
                await answer.fail(unexpected(scope), scope)


class _Answer:
    """The sending side of one request: adds the request id, leaves bodies out for HEAD."""

    def __init__(self, send: Any, request_id: str) -> None:
        self._send = send
        self._request_id = request_id.encode("latin-1")
        self.started = False
        self.finished = False
        self.bodiless = False

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", self._request_id)]}
        elif message["type"] == "http.response.body":
            self.finished = not message.get("more_body", False)
            if self.bodiless:
                message = {**message, "body": b""}
        await self._send(message)

    async def fail(self, error: Problem, scope: Mapping[str, Any]) -> None:
        """Answer with the problem; once the answer has begun only the connection can say so, by breaking."""
        if self.started:
            raise error
        await send_problem(self.send, error, instance=scope["path"])


class BodyLimit:
    """ASGI middleware: refuses a body over `limit` bytes, by its announced length at once, else when it gets there."""

    def __init__(self, app: Any, *, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = header(scope, b"content-length")
        if length is not None and length.isdigit() and int(length[:20]) > self._limit:
            # the body is not read: the connection cannot be used again
            await send_problem(send, self._too_large(), instance=scope["path"])
            return
        seen = 0

        async def bounded() -> Any:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise self._too_large()
            return message

        await self._app(scope, bounded, send)

    def _too_large(self) -> Problem:
        return problem("body-too-large", f"A body has at most {self._limit} bytes.", headers={"Connection": "close"})
