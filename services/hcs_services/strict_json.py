"""JSON request bodies, read strictly: small, shallow, one meaning.

`json.loads` alone takes NaN, keeps the last of duplicate members and recurses without a bound; a body that two
readers may understand differently is refused with 400 before any model sees it.
"""

from __future__ import annotations

import email.message
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from hcs_services.problem import problem

MAX_BODY = 64 * 1024
MAX_DEPTH = 16
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_WITH_BODY = {"POST", "PUT", "PATCH"}


def parse(body: bytes) -> Any:
    """The document of a JSON body; raises a `malformed-json` problem."""
    _check_depth(body)
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique_members,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        # RecursionError cannot pass the depth check; ValueError covers bad UTF-8, bad JSON and 4300-digit integers
        raise problem("malformed-json", f"The body is not acceptable JSON: {_reason(error)}.") from None


def _check_depth(body: bytes) -> None:
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:  # most bodies: however they are put, they reach no deeper
        return
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", body)):
        depth += 1 if bracket in (b"[", b"{") else -1
        if depth > MAX_DEPTH:
            raise problem("malformed-json", f"The body is nested deeper than {MAX_DEPTH}.")


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object names a member twice")
    return members


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return str(error)[:100] or "it is too deep"


def is_json(content_type: str | None) -> bool:
    """Whether the media type is JSON (`application/json` or any `+json`), in UTF-8 if it names a charset."""
    if not content_type:
        return False
    message = email.message.Message()
    message["content-type"] = content_type
    subtype = message.get_content_subtype()
    if message.get_content_maintype() != "application" or not (subtype == "json" or subtype.endswith("+json")):
        return False
    charset = message.get_param("charset", "utf-8")
    return isinstance(charset, str) and charset.lower() in {"utf-8", "utf8", "us-ascii"}


class StrictJsonRequest(Request):
    """A request whose body was read within its bound and is parsed strictly."""

    async def body(self) -> bytes:
        """At most 64 KiB; raises a `body-too-large` problem."""
        if not hasattr(self, "_bounded"):
            chunks, size = [], 0
            async for chunk in self.stream():
                size += len(chunk)
                if size > MAX_BODY:
                    raise problem("body-too-large", f"A body has at most {MAX_BODY} bytes.")
                chunks.append(chunk)
            self._bounded = b"".join(chunks)
        return self._bounded

    async def json(self) -> Any:
        """The parsed document; raises a `malformed-json` problem."""
        if not hasattr(self, "_document"):
            self._document = parse(await self.body())
        return self._document


class StrictRoute(APIRoute):
    """A route that settles content type, size and syntax of a body (415, 413, 400) before FastAPI validates it."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Wrap FastAPI's handler; the documented way to customise reading of requests."""
        handle: Callable[[Request], Awaitable[Response]] = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            if request.method in _WITH_BODY and self.body_field is not None:
                if not is_json(request.headers.get("content-type")):
                    raise problem("unsupported-media-type", "The body must be application/json in UTF-8.")
                request = StrictJsonRequest(request.scope, request.receive)
                await request.json()
            return await handle(request)

        return strictly
