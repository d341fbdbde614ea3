"""Reading a request's body: whole, bounded in size and in time.

A body is at most 64 KiB, so the buffer for one request is bounded by that; read whole before it is sent on, it can be
sent again to another endpoint, a slow sender holds no connection to a service, and one too big reaches no service.
Every request is read to its end before it is answered, so that the connection stays in step for the next one.
"""

import asyncio
from typing import Any

from hcs_services.http_conventions import header
from hcs_services.problem import Problem, problem, problem_response

MAX_BYTES = 64 * 1024
READ_SECONDS = 10.0
LINGER_BYTES = 1024 * 1024
LINGER_SECONDS = 2.0
CLOSE = {"Connection": "close"}


class ClientLeft(Exception):
    """The client closed its connection, or stopped reading, before it was answered; there is nobody to answer."""


class BodyTooLarge(Exception):
    """The body is over the limit; some of it may not have been read."""


async def read(scope: Any, receive: Any, seconds: float) -> bytes:
    """Return the body. Raises BodyTooLarge, ClientLeft, or a problem 408 when it takes too long."""
    length = header(scope, b"content-length")
    if length is not None and (not length.isdigit() or int(length[:20]) > MAX_BYTES):
        raise BodyTooLarge
    if length in {None, "0"} and header(scope, b"transfer-encoding") is None:
        return b""
    try:
        async with asyncio.timeout(min(READ_SECONDS, seconds)):
            return await _read(receive)
    except TimeoutError:
        raise problem("request-timeout", "The body did not arrive in time.", headers=CLOSE) from None


async def _read(receive: Any) -> bytes:
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BYTES:
            raise BodyTooLarge
    return body


async def answer_too_large(scope: Any, receive: Any, send: Any, headers: list[tuple[bytes, bytes]]) -> None:
    """Answer 413, read on for a moment, then close.

    Closing with unread input resets the connection, and the client would lose the answer it is about to read.
    """
    status, own, document = problem_response(_too_large(), instance=scope["path"])
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": document, "more_body": True})
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            await _discard(receive)
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Any) -> None:
    left = LINGER_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


def _too_large() -> Problem:
    return problem("body-too-large", f"A body has at most {MAX_BYTES} bytes.", headers=CLOSE)
